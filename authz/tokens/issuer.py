"""An Authorization becomes tokens: one place for every grant, in the transaction that spends what was paid with."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from authz.audit.event import Event, Peer, role_of
from authz.errors import InvalidGrant
from authz.fhir_servers.model import FhirServerRow
from authz.storage.database import insert_now
from authz.storage.records import digest
from authz.tokens.answer import for_access_token
from authz.tokens.model import AccessTokenRow, GrantRow, RefreshTokenRow
from authz.tokens.refresh import deadline
from authz.tokens.response import HotCopy, Issued, TokenResponse

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from sqlalchemy.orm import Session

    from authz.audit.trail import Trail
    from authz.scopes import ScopeSet
    from authz.settings import Settings
    from authz.tokens.authorization import Authorization
    from authz.tokens.handles import Handles
    from authz.tokens.id_token import IdTokens

MESSAGING = "messaging/"


@dataclass(frozen=True, slots=True)
class Issuer:
    """Writes the access token, the refresh token, the ready introspection answer and the audit event."""

    settings: Settings
    now: Callable[[], datetime]
    id_tokens: IdTokens
    handles: Handles
    trail: Trail

    def issue(self, session: Session, paid: Authorization, peer: Peer) -> Issued:
        """Issue what was paid for, in the caller's transaction; after its commit hand the copy to the hot store."""
        now = self.now()
        grant = paid.grant
        messaging = self.handles.told(session, paid, peer) if MESSAGING in grant.scope else None
        if messaging is None and paid.scope.messaging:
            paid = replace(paid, scope=without_messages(paid.scope))
        access_token = paid.pair.access_token
        jti = secrets.token_hex(16)
        expires_at = paid.expires_at(now)
        answer = self.introspection_answer(session, paid, jti, now, expires_at)
        row = AccessTokenRow(
            digest=digest(access_token),
            jti=jti,
            grant_id=grant.id,
            scope=str(paid.scope),
            answer=answer,
            issued_at=now,
            expires_at=expires_at,
        )
        insert_now(session, row)
        refresh_token = self.refresh_token(session, paid, now)
        id_token = None
        if "openid" in paid.scope and grant.sub is not None:
            id_token = self.id_tokens.issue(grant, paid.scope, access_token, paid.nonce, now)
        self.trail.record(session, issued_event(session, paid, jti, peer))
        response = TokenResponse(
            access_token=access_token,
            expires_in=paid.access_token_seconds,
            scope=str(paid.scope),
            context=grant.context,
            refresh_token=refresh_token,
            id_token=id_token,
            messaging=messaging,
        )
        return Issued(response, HotCopy(row.digest, answer.encode(), grant.fhir_server, expires_at))

    def refresh_token(self, session: Session, paid: Authorization, now: datetime) -> str | None:
        if paid.refresh is None:
            return None
        row = RefreshTokenRow(
            digest=digest(paid.pair.refresh_token),
            grant_id=paid.grant.id,
            client_id=paid.grant.client_id,
            kind=paid.refresh.value,
            issued_at=now,
            expires_at=deadline(self.settings, paid.grant, paid.refresh, now),
        )
        insert_now(session, row)
        return paid.pair.refresh_token

    def introspection_answer(
        self, session: Session, paid: Authorization, jti: str, now: datetime, expires_at: datetime
    ) -> str:
        """Made once, so that introspection only reads bytes."""
        grant = paid.grant
        server = session.get(FhirServerRow, grant.fhir_server)
        assert server is not None  # checked when the grant was spent; the session has the row
        times = {"exp": int(expires_at.timestamp()), "iat": int(now.timestamp())}
        return for_access_token(grant, self.settings.issuer, server.base_url, scope=str(paid.scope), jti=jti, **times)


def without_messages(scope: ScopeSet) -> ScopeSet:
    """Messaging scopes are granted with a handle or not at all. Raises InvalidGrant if there is nothing else."""
    left = scope.without(*scope.messaging)
    if not left:
        raise InvalidGrant("the session with the EHR's window is over, and nothing else was asked for")
    return left


def issued_event(session: Session, paid: Authorization, jti: str, peer: Peer) -> Event:
    grant: GrantRow = paid.grant
    server = session.get(FhirServerRow, grant.fhir_server)  # the session has it
    return Event(
        event=paid.event,
        sub=grant.sub,
        role=role_of(grant.fhir_user, grant.sub),
        client_id=grant.client_id,
        fhir_server=grant.fhir_server,
        aud=server.base_url if server else None,
        patient=grant.context.get("patient"),
        encounter=grant.context.get("encounter"),
        scope=str(paid.scope),
        grant_id=grant.id,
        token_id=jti,
        launch_id=grant.launch_id,
        peer=peer,
        detail={"purpose_of_use": grant.purpose_of_use} if grant.purpose_of_use else {},
    )
