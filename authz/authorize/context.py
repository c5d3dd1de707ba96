"""The launch's context in the dialect of the app: today's, or that of SMART 2.0 where the hospital says so (VER-10)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from authz.clients.legacy import Legacy
from authz.launch.context import in_strings

if TYPE_CHECKING:
    from authz.clients.registry import Client
    from authz.launch.launch import Launch


def told(client: Client, context: dict[str, Any]) -> dict[str, Any]:
    """What this app, and the FHIR server of its tokens, will be told; decided once, when the grant is made."""
    return in_strings(context) if client.is_allowed(Legacy.CONTEXT_STRINGS) else context


def dialect(client: Client, launch: Launch | None) -> frozenset[Legacy]:
    """The switch, if it changes anything in this launch."""
    changes = launch is not None and bool(launch.context.fhir_context) and client.is_allowed(Legacy.CONTEXT_STRINGS)
    return frozenset({Legacy.CONTEXT_STRINGS} if changes else ())
