"""Who is at a page of one's own, and the form that only they can send."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from authz.authorize.own_pages import MY_APPS, sign_in_request
from authz.endpoints.browser import browser, show
from authz.endpoints.cookies import SESSION, cookie
from authz.endpoints.current import http_request, services
from authz.endpoints.gate import form
from authz.endpoints.pages import page
from authz.errors import InvalidRequest, NotFound
from authz.wording import mark

if TYPE_CHECKING:
    from flask import Response

    from authz.authorize.ways import Ways
    from authz.fhir_servers.registry import FhirServer
    from authz.login.session import BrowserSession
    from authz.users.registry import User

FORM_TOKEN = "my apps form"  # noqa: S105  purpose of the key


class NotFromThisPage(InvalidRequest):
    """The form was not sent from a page of this session (security.md LC-11)."""

    status = 403


class SharedAccount(InvalidRequest):
    """A test account: its password may be published, so what is behind it belongs to many makers of apps."""

    status = 403


@dataclass(frozen=True, slots=True)
class Person:
    user: User
    session: BrowserSession
    handle: str  # the session's cookie

    @property
    def sub(self) -> str:
        return self.user.sub

    def may_see(self, fhir_server: str) -> bool:
        """Whether they signed in by a way that is one for this FHIR server too: a name of a patient stands there."""
        return ways().of(fhir_server).allow(self.session.sign_in)

    @property
    def elsewhere(self) -> list[FhirServer]:
        """The FHIR servers at which people sign in by other ways."""
        return [server for server in services().fhir_servers.all() if not self.may_see(server.name)]

    @property
    def form_token(self) -> str:
        """Goes into every form; good as long as the session."""
        return services().secrets.mac(FORM_TOKEN, self.session.sid)

    def sent(self) -> dict[str, str]:
        """What they sent by a form of theirs. Raises NotFromThisPage."""
        found = form(http_request())
        if not services().secrets.matches(FORM_TOKEN, self.session.sid, found.get("form", "")):
            raise NotFromThisPage(mark("this page is out of date, or it was opened in another browser"))
        return found


def ways() -> Ways:
    return services().authorization.judge.presence.ways


def person() -> Person | None:
    """Whoever is signed in. Raises SharedAccount."""
    handle = cookie(SESSION)
    session = services().sign_out.sessions.current(handle)
    user = services().users.by_sub(session.sign_in.sub) if session is not None else None
    if handle is None or session is None or user is None:
        return None
    if user.is_sandbox:
        raise SharedAccount(mark("this is a test account, which many people share: it has no page of its own"))
    return Person(user, session, handle)


def sign_in(asked: dict[str, str]) -> Response:
    """By the pages of the authorization endpoint, which lead back here; where there are several, people say at which
    hospital.
    """
    if "error" in asked:
        return page("my_apps_closed.html", may_sign_out=False)
    servers = [server for server in services().fhir_servers.all() if server.enabled]
    wanted = [server for server in servers if server.name == asked.get("fhir_server")] or servers
    if not wanted:
        raise NotFound(mark("there are no apps here yet"))
    if len(wanted) > 1:
        return page("my_apps_where.html", servers=wanted)
    services().limits.authorizing(http_request().peer)
    own = services().authorization.guard.registries.own[MY_APPS]
    pairs = sign_in_request(own, wanted[0])
    return show(services().authorization.begin(pairs, browser()))
