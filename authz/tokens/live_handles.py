"""Handles that are good now, from SQL, and the answer that is given about one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, select

from authz.clients.client import from_row as client_of
from authz.clients.model import ClientRow
from authz.errors import InvalidGrant, InvalidScope
from authz.fhir_servers.model import FhirServerRow
from authz.launch.model import EhrSessionRow, SpentLaunchRow
from authz.scopes import ScopeSet
from authz.tokens.held import held_of
from authz.tokens.model import GrantRow, MessagingHandleRow
from authz.users.model import UserRow

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from sqlalchemy import Row, Select

    from authz.keyring.box import Box
    from authz.policy.policy import Policy

    LiveHandle = Row[MessagingHandleRow, GrantRow, ClientRow, FhirServerRow, SpentLaunchRow]

TOKEN_TYPE = "smart_web_messaging_handle"  # noqa: S105  a name


def live_handles(now: datetime) -> Select[MessagingHandleRow, GrantRow, ClientRow, FhirServerRow, SpentLaunchRow]:
    """In time, told, not revoked, its EHR session not ended, and nobody it depends on switched off or signed out.

    Beside it the launch that it came from, which says whose it is.
    """
    ended = and_(
        EhrSessionRow.fhir_server == GrantRow.fhir_server,
        EhrSessionRow.session_digest == GrantRow.session_digest,
        EhrSessionRow.ended_at.is_not(None),
    )
    return (
        select(MessagingHandleRow, GrantRow, ClientRow, FhirServerRow, SpentLaunchRow)
        .join(GrantRow, GrantRow.id == MessagingHandleRow.grant_id)
        .join(SpentLaunchRow, SpentLaunchRow.launch_id == GrantRow.launch_id)
        .join(ClientRow, ClientRow.client_id == GrantRow.client_id)
        .join(FhirServerRow, FhirServerRow.name == GrantRow.fhir_server)
        .join(UserRow, UserRow.sub == GrantRow.sub)
        .outerjoin(EhrSessionRow, ended)
        .where(
            MessagingHandleRow.issued_at.is_not(None),
            MessagingHandleRow.revoked_at.is_(None),
            MessagingHandleRow.expires_at > now,
            GrantRow.revoked_at.is_(None),
            ClientRow.enabled,
            FhirServerRow.enabled,
            UserRow.enabled,
            UserRow.sessions_valid_from <= GrantRow.created_at,
            EhrSessionRow.ended_at.is_(None),
        )
    )


@dataclass(frozen=True, slots=True)
class Description:
    """What is said about a handle today."""

    policy: Policy
    now: Callable[[], datetime]
    issuer: str
    box: Box

    def of(self, found: LiveHandle) -> dict[str, Any] | None:
        """Whose it is and what it is good for; None if nothing of it would be granted any more (decision 20).

        ``scope`` has only messaging scopes: nobody must take it for access to records. ``fhir_scope`` bounds what the
        EHR does for the app by ``fhir.http``. Raises NoAnswer if the hospital's own rules do not say.
        """
        handle, grant, client_row, server, _ = found
        client = client_of(client_row, self.now())
        try:
            scope = self.policy.still_allows(held_of(client, grant, ScopeSet.parse(handle.scope), handle.origin))
        except (InvalidGrant, InvalidScope):  # the latter: what is left takes too many scopes to say
            return None
        origins = [origin for origin in handle.app_origins if origin in client.web_messaging_origins]
        if not scope.messaging or not origins:
            return None
        assert handle.issued_at is not None  # it was told
        ehr_session = None if handle.sealed_session is None else self.box.open(handle.sealed_session)
        members = {
            "active": True,
            "token_type": TOKEN_TYPE,
            "iss": self.issuer,
            "client_id": client.client_id,
            "client_name": client.client_name,
            "scope": " ".join(map(str, scope.messaging)),
            "fhir_scope": " ".join(map(str, scope.resources)),
            "app_origins": origins,
            "smart_web_messaging_origin": handle.origin,
            "aud": server.base_url,
            "sub": grant.sub,
            "fhirUser": grant.fhir_user,
            "patient": grant.context.get("patient"),
            "encounter": grant.context.get("encounter"),
            "launch_id": grant.launch_id,
            "ehr_session": None if ehr_session is None else ehr_session.decode(),
            "grant_id": grant.id,
            "purpose_of_use": grant.purpose_of_use,
            "iat": int(handle.issued_at.timestamp()),
            "exp": int(handle.expires_at.timestamp()),
        }
        return {name: value for name, value in members.items() if value is not None}
