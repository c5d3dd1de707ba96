"""Rows of grants and tokens: written, locked, looked up by digest; no secret is stored in clear."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, select

from authz.clients.model import ClientRow
from authz.fhir_servers.model import FhirServerRow
from authz.scopes import ScopeSet
from authz.storage.records import digest
from authz.tokens.model import AccessTokenRow, GrantRow
from authz.users.model import UserRow

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from sqlalchemy import BindParameter, Row, Select
    from sqlalchemy.orm import Session


# Whoever asks a FHIR server in this server's own name (see ``own``). No client can be registered or found under a name
# with a colon, so nobody authenticates as this one or asks for its codes.
OWN_CLIENT_ID = "authz:picker"


@dataclass(frozen=True, slots=True)
class NewGrant:
    """What the front channel or a backend service's policy decided."""

    client_id: str
    fhir_server: str
    scope: ScopeSet
    sub: str | None = None
    context: dict[str, Any] = field(default_factory=dict)  # launch context as in the token response
    fhir_user: str | None = None  # absolute URL
    auth_time: datetime | None = None
    amr: tuple[str, ...] = ()
    acr: str | None = None
    nonce: str | None = None
    sid: str | None = None
    session_digest: str | None = None
    has_ehr_session: bool = False
    is_vouched: bool = False  # the user represents the patient by the EHR's word alone
    launch_id: str | None = None
    consent_id: str | None = None
    verdicts: tuple[dict[str, Any], ...] = ()
    purpose_of_use: str | None = None  # the reason for which the glass was broken
    legacy: tuple[str, ...] = ()  # what was forgiven to an older app

    def as_row(self, grant_id: str, now: datetime) -> GrantRow:
        return GrantRow(
            id=grant_id,
            client_id=self.client_id,
            sub=self.sub,
            fhir_server=self.fhir_server,
            scope=str(self.scope),
            context=self.context,
            fhir_user=self.fhir_user,
            auth_time=self.auth_time,
            amr=list(self.amr),
            acr=self.acr,
            nonce=self.nonce,
            sid=self.sid,
            session_digest=self.session_digest,
            has_ehr_session=self.has_ehr_session,
            is_vouched=self.is_vouched,
            launch_id=self.launch_id,
            consent_id=self.consent_id,
            verdicts=list(self.verdicts),
            legacy=list(self.legacy),
            purpose_of_use=self.purpose_of_use,
            created_at=now,
        )


@dataclass(frozen=True, slots=True)
class TokenFacts:
    """What a live access token stands for."""

    digest: str
    jti: str
    grant_id: str
    client_id: str
    fhir_server: str
    scope: ScopeSet
    sub: str | None
    fhir_user: str | None
    expires_at: datetime
    answer: str  # the ready introspection answer, JSON

    @property
    def named(self) -> dict[str, str | None]:
        """As the audit trail names a token, and whose it is."""
        return {"sub": self.sub, "client_id": self.client_id, "token_id": self.jti, "grant_id": self.grant_id}


def lock_grant(session: Session, grant_id: str) -> GrantRow:
    """Lock a grant before its codes or tokens change; every writer locks in this order, so none waits in a circle."""
    grant = session.get(GrantRow, grant_id, with_for_update=True, populate_existing=True)
    assert grant is not None  # rows of a grant refer to it by foreign key
    return grant


def live_tokens(now: datetime | BindParameter[datetime]) -> Select[AccessTokenRow, GrantRow]:
    """Access tokens that are valid now: in time, not revoked, and nobody they depend on is switched off."""
    return (
        select(AccessTokenRow, GrantRow)
        .join(GrantRow, GrantRow.id == AccessTokenRow.grant_id)
        .outerjoin(ClientRow, ClientRow.client_id == GrantRow.client_id)
        .join(FhirServerRow, FhirServerRow.name == GrantRow.fhir_server)
        .outerjoin(UserRow, UserRow.sub == GrantRow.sub)
        .where(
            AccessTokenRow.expires_at > now,
            AccessTokenRow.revoked_at.is_(None),
            GrantRow.revoked_at.is_(None),
            ClientRow.enabled | (GrantRow.client_id == OWN_CLIENT_ID),
            FhirServerRow.enabled,
            GrantRow.sub.is_(None) | UserRow.enabled,
        )
    )


LIVE_TOKEN = live_tokens(bindparam("now")).where(AccessTokenRow.digest == bindparam("digest"))


class AccessTokens:
    """Look-up of access tokens in SQL: the truth behind the hot copies."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self.now = now

    def find(self, session: Session, token: str) -> TokenFacts | None:
        """The facts of a live token; None if it is unknown, expired or revoked, never which."""
        found = session.execute(LIVE_TOKEN, {"now": self.now(), "digest": digest(token)}).one_or_none()
        return None if found is None else facts(found)


def facts(found: Row[AccessTokenRow, GrantRow]) -> TokenFacts:
    token, grant = found
    return TokenFacts(
        digest=token.digest,
        jti=token.jti,
        grant_id=grant.id,
        client_id=grant.client_id,
        fhir_server=grant.fhir_server,
        scope=ScopeSet.parse(token.scope),
        sub=grant.sub,
        fhir_user=grant.fhir_user,
        expires_at=token.expires_at,
        answer=token.answer,
    )
