"""What is forgiven to an app written for an older SMART: per app, dated, with a reason, off by default (VER-04, 06).

A switch is named after what it does, so that nobody switches one on by accident; each use is on the audit trail.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any

from authz.clients.client import CONTEXT_AS_STRINGS, NO_AUTHENTICATION
from authz.errors import InvalidValue, NotFound
from authz.scopes import ScopeSet, parse_scope

if TYPE_CHECKING:
    from datetime import datetime

    from authz.clients.client import Client
    from authz.clients.model import ClientRow

MAX_REASON = 500


class Legacy(StrEnum):
    MISSING_PKCE = "allow-missing-pkce"  # SMART 1.0; a confidential app only, its secret or key takes the place
    MISSING_STATE = "allow-missing-state"  # only with PKCE, which then ties the code to who asked (AMB-06)
    PROFILE = "profile-as-fhirUser"  # SMART 1.0 (SCP-32): the scope and the id_token's claim
    LOWER_CASE = "fhiruser-as-fhirUser"
    CONTEXT_STRINGS = CONTEXT_AS_STRINGS  # SMART 2.0 (VER-10, AMB-27)


MEANINGS = {
    Legacy.MISSING_PKCE: "an authorization request without PKCE (confidential apps only)",
    Legacy.MISSING_STATE: "an authorization request without state, if it has PKCE",
    Legacy.PROFILE: "scope profile asks for fhirUser too, and the id_token repeats it as profile",
    Legacy.LOWER_CASE: "scope fhiruser is read as fhirUser",
    Legacy.CONTEXT_STRINGS: "fhirContext has bare references, and what has no reference or a role is left out",
}
FHIR_USER = {Legacy.PROFILE: "profile", Legacy.LOWER_CASE: "fhiruser"}  # what asks for it besides its own name


def switch_on(row: ClientRow, switch: Legacy, now: datetime, by: str, reason: str) -> None:
    """Note who forgives what, since when, and why. Raises InvalidValue if the app can't have it."""
    if not reason.strip() or len(reason) > MAX_REASON or not reason.isprintable():
        raise InvalidValue(f"say by --reason why, in 1 to {MAX_REASON} visible characters")
    row.legacy = {**row.legacy, switch.value: {"since": now.isoformat(), "by": by, "reason": reason.strip()}}
    check(row)


def switch_off(row: ClientRow, switch: Legacy) -> None:
    if switch not in row.legacy:
        raise NotFound(f"{row.client_id}: {switch.value} is not on")
    row.legacy = {name: noted for name, noted in row.legacy.items() if name != switch}


def check(row: ClientRow) -> None:
    """Raise InvalidValue for a switch that would be dangerous with this app, or of no use."""
    if Legacy.MISSING_PKCE in row.legacy and row.token_endpoint_auth_method == NO_AUTHENTICATION:
        raise InvalidValue(f"{Legacy.MISSING_PKCE}: never for a public app, PKCE is all that protects its codes")
    if {Legacy.MISSING_PKCE, Legacy.MISSING_STATE} <= row.legacy.keys():
        raise InvalidValue(f"{Legacy.MISSING_PKCE} and {Legacy.MISSING_STATE} exclude each other: one must stay")
    for switch in FHIR_USER:
        if switch in row.legacy and "fhirUser" not in ScopeSet.parse(row.scope):
            raise InvalidValue(f"{switch}: register the app for scope fhirUser first")


def members(row: ClientRow) -> dict[str, Any]:
    """The switches that are on, each with its date, who did it and why."""
    return {name: row.legacy[name] for name in sorted(row.legacy)}


def in_todays_words(client: Client, asked: ScopeSet) -> tuple[ScopeSet, frozenset[Legacy]]:
    """The scopes an app means where it is allowed older names for ``fhirUser``, and the switches that this used."""
    used = frozenset(switch for switch, name in FHIR_USER.items() if client.is_allowed(switch) and name in asked)
    meant = ScopeSet()
    for scope in asked:
        if Legacy.LOWER_CASE not in used or str(scope) != FHIR_USER[Legacy.LOWER_CASE]:
            meant |= ScopeSet.of(scope)
        if str(scope) in {FHIR_USER[switch] for switch in used}:
            meant |= ScopeSet.of(parse_scope("fhirUser"))
    return meant, used
