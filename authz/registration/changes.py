"""What a changed registration costs: the approval, what was granted, or nothing (security.md RG-23)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from authz.clients.metadata import ClientMetadata
from authz.keyring.public_keys import keeps_keys
from authz.registration.lanes import Lane
from authz.registration.model import State
from authz.scopes import ScopeSet
from authz.settings import LOOPBACK_HOSTS

if TYPE_CHECKING:
    from datetime import datetime

    from authz.clients.model import ClientRow
    from authz.registration.admission import Placement

Members = dict[str, Any]
NESTED = ("about", "logout", "preferences")  # hold members by their own names
REVIEWED = (  # who the app is, where it sends people and what it may do: what a reviewer looked at
    "client_name",
    "client_uri",  # whose app it is, as people read it before they agree
    "redirect_uris",
    "launch_uris",
    "allowed_origins",
    "smart_web_messaging_origins",
    "grant_types",
    "token_endpoint_auth_method",
    "application_type",
    "fhir_user_types",
)
HOME = ("client_uri", "redirect_uris", "launch_uris")  # by what was looked at: whose sites are the app's own
LEADING = (  # where people go besides, and who is told of them: at the app's own site they are the app's
    "policy_uri",
    "tos_uri",
    "logo_uri",
    "post_logout_redirect_uris",
    "backchannel_logout_uri",
)
KEYS = ("jwks", "jwks_uri")


def snapshot(of: ClientRow | ClientMetadata) -> Members:
    """What is registered, or would be, by the names of its members; what is empty was not said."""
    flat = {name: listed(getattr(of, name)) for name in ClientMetadata.__slots__ if name not in NESTED}
    flat["fhir_user_types"] = flat.pop("user_types")
    named = {name: value for name, value in flat.items() if value not in (None, [], "")}
    return {**named, **of.about, **of.logout, **of.preferences}


def listed(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def differences(before: Members, after: Members) -> dict[str, tuple[Any, Any]]:
    """Each member that is not what it was, with what it was and what it became."""
    names = sorted({*before, *after})
    return {name: (before.get(name), after.get(name)) for name in names if before.get(name) != after.get(name)}


def needs_review(before: Members, after: Members) -> bool:
    """Whether this is another app than the one that was looked at."""
    return bool(reviewed(before, after))


def reviewed(before: Members, after: Members) -> list[str]:
    """What changes of that which was looked at. A name in another language is a name as well."""
    changed = {name: name.partition("#")[0] for name in differences(before, after)}
    homes = own_hosts(before)
    found = [
        name
        for name, member in changed.items()
        if member in REVIEWED
        or (member in LEADING and any(not is_at(homes, uri) for uri in added(before.get(name), after.get(name))))
    ]
    return [*found, "scope"] if is_wider(before, after) else found


def own_hosts(members: Members) -> frozenset[str]:
    """The hosts on the web that the app is known by; the user's own device is nobody's."""
    uris = [uri for name in HOME for uri in as_list(members.get(name))]
    return frozenset(host for uri in uris if (host := web_host(uri)) and host not in LOOPBACK_HOSTS)


def is_at(homes: frozenset[str], uri: str) -> bool:
    """Whether an address is at one of these hosts or below it."""
    host = web_host(uri)
    return any(host == home or host.endswith(f".{home}") for home in homes)


def web_host(uri: str) -> str:
    parts = urlsplit(uri)
    return (parts.hostname or "") if parts.scheme == "https" else ""


def added(before: Any, after: Any) -> list[str]:
    known = as_list(before)
    return [uri for uri in as_list(after) if uri not in known]


def as_list(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value or ())


def is_wider(before: Members, after: Members) -> bool:
    return not ScopeSet.parse(before.get("scope", "")).covers(ScopeSet.parse(after.get("scope", "")))


def revokes(before: Members, after: Members) -> bool:
    """Whether what was granted ends: it may have gone to an address, or be asked for with a key, that is no more."""
    changed = differences(before, after)
    moved = "redirect_uris" in changed or "token_endpoint_auth_method" in changed
    return moved or "jwks_uri" in changed or not keeps_keys(before.get("jwks"), after.get("jwks"))


def next_state(before: State, placement: Placement, *, is_decided: bool) -> tuple[State, datetime | None]:
    """Where the approval of a changed app stands, and when it comes by itself.

    What somebody stopped stays stopped, and what somebody has looked at is looked at again: no statement and no time
    approves what a person has decided about (``is_decided``).
    """
    if before is State.HELD:
        return State.HELD, None
    if placement.state is State.HELD:
        return State.HELD, None
    if placement.approved:
        return (State.REQUESTED if is_decided else State.APPROVED), None
    was_seen = is_decided or before in {State.REQUESTED, State.DECLINED}
    if was_seen or (before is State.APPROVED and placement.lane is not Lane.PATIENT):
        return State.REQUESTED, None
    return placement.state, placement.approves_at
