"""What a changed registration costs: the approval, what was granted, or nothing (security.md RG-23)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from authz.clients.metadata import ClientMetadata
from authz.keyring.public_keys import keeps_keys
from authz.registration.lanes import Lane
from authz.registration.model import State
from authz.scopes import ScopeSet

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
    changed = differences(before, after)
    found = [name for name in changed if name in REVIEWED or name.startswith("client_name#")]
    return [*found, "scope"] if is_wider(before, after) else found


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
