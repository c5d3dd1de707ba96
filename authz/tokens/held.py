"""A grant as the access policy judges it anew: at a refresh, and when somebody asks about its handle (decision 20)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from authz.launch.context import context_types
from authz.policy.policy import Held

if TYPE_CHECKING:
    from authz.clients.registry import Client
    from authz.scopes import ScopeSet
    from authz.tokens.model import GrantRow


def held_of(client: Client, grant: GrantRow, scope: ScopeSet, web_messaging_origin: str | None = None) -> Held:
    """``scope`` is what somebody wants to keep of it."""
    assert grant.sub is not None  # the policy is about what people share
    return Held(
        client=client,
        fhir_server=grant.fhir_server,
        sub=grant.sub,
        fhir_user=grant.fhir_user,
        patient=grant.context.get("patient"),
        encounter=grant.context.get("encounter"),
        has_launch=grant.launch_id is not None,
        scope=scope,
        context_types=context_types(grant.context),
        is_vouched=grant.is_vouched,
        is_offline="offline_access" in grant.scope.split(),
        web_messaging_origin=web_messaging_origin,
        has_reason=grant.purpose_of_use is not None,
    )
