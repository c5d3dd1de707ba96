"""Where apps keep their state with a FHIR server, each gets at its own kinds of it (SMART APS-08..10)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from authz.scopes import Limit, Reason, ResourceScope

if TYPE_CHECKING:
    from authz.clients.registry import Client
    from authz.fhir_servers.registry import FhirServer
    from authz.scopes.scope import Scope

STATE = "Basic"
PARAMETER = "code"


def only_own_state(client: Client, server: FhirServer) -> list[Limit]:
    """Scopes on Basic are for the codings registered for this client; nothing is limited where apps keep no state."""
    if not server.has_app_state:
        return []
    known = ", ".join(sorted(client.app_state_codes)) or "none"
    detail = f"apps keep their state in Basic here: ask with ?code= for a coding registered for this app ({known})"
    return [Limit(Reason.NOT_REGISTERED, partial(is_own_state, client.app_state_codes), detail)]


def is_own_state(codings: frozenset[str], scope: Scope) -> bool:
    if not isinstance(scope, ResourceScope) or scope.type != STATE:
        return True
    return any(name == PARAMETER and values <= codings for name, values in scope.query)
