"""What an administrator's form asks for: the same functions as the command line's (``authz registration``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from authz.endpoints.cookies import ADMIN, DEVICE, cookie
from authz.endpoints.current import http_request, services
from authz.errors import InvalidValue
from authz.fhir_servers.url import FHIR_USER_TYPES
from authz.registration.decision import Reviewer, Terms
from authz.registration.lanes import Lane

if TYPE_CHECKING:
    from authz.login.admin_session import Administrator
    from authz.registration.applications import Application

NEEDS_CODE = "The code is not right, or it was used before. Nothing was decided."
NOTHING_LEFT = "Leave at least one scope, one kind of user and one FHIR server. Nothing was decided."


def confirm(who: Administrator, code: str) -> None:
    """A code, unless one was given lately. Raises InvalidValue and TooManyRequests."""
    administrators = services().administrators
    if administrators.sessions.is_recent(who):
        return
    if not administrators.confirm(cookie(ADMIN) or "", who, code, http_request().peer, cookie(DEVICE)):
        raise InvalidValue(NEEDS_CODE)


def decide(who: Administrator, client_id: str, sent: dict[str, str]) -> None:
    """Raises NotFound, AlreadyDecided if it is not what was looked at, InvalidValue."""
    by, note, seen = Reviewer(who.name, who.sub, http_request().peer), sent.get("note", ""), last_seen(sent)
    own = services().registration
    match sent.get("action"):
        case "approve":
            own.review.approve(client_id, by, terms(own.review.show(client_id), sent), note, seen)
        case "decline":
            own.review.decline(client_id, by, note, seen)
        case "hold":
            own.review.hold(client_id, by, note, seen)
        case "apply":
            own.proposals.apply(client_id, by, seen, note)
        case "refuse":
            own.proposals.refuse(client_id, by, note, seen)
        case "check":
            with services().db.write() as session:
                own.checks.ask_again(session, client_id)
        case _:
            raise InvalidValue("choose what to do")


def last_seen(sent: dict[str, str]) -> int:
    """The last line of the history on the page that was decided on. Raises InvalidValue."""
    seen = sent.get("seen", "")
    if not (seen.isascii() and seen.isdigit() and len(seen) < 19):  # noqa: PLR2004  fits a database's integer
        raise InvalidValue("this form is out of date: open it again")
    return int(seen)


def terms(shown: Application, sent: dict[str, str]) -> Terms:
    """What was left ticked, as far as it is less than was asked, or another FHIR server. Raises InvalidValue."""
    client, is_backend = shown.client, shown.registration.lane == Lane.BACKEND
    scopes, types, servers = (ticked(sent, name) for name in ("scope", "user-type", "fhir-server"))
    if not servers or (client.scope and not scopes) or not (types or is_backend):
        raise InvalidValue(NOTHING_LEFT)
    every_server = {server.name for server in services().fhir_servers.all() if server.enabled}
    return Terms(
        scope=None if set(scopes) == set(map(str, client.scope)) else " ".join(scopes),
        user_types=None if is_backend or set(types) == (client.user_types or FHIR_USER_TYPES) else tuple(types),
        fhir_servers=None if set(servers) == set(client.fhir_servers or every_server) else tuple(servers),
    )


def ticked(sent: dict[str, str], name: str) -> list[str]:
    """The boxes ``name-1``, ``name-2`` … that were sent."""
    return [value for key, value in sent.items() if key.rpartition("-")[0] == name]
