"""What apps hold for a person at this moment: tokens that work, and those that could be exchanged for one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import IntEnum
from typing import TYPE_CHECKING

from sqlalchemy import and_, or_, select

from authz.clients.model import ClientRow
from authz.errors import InvalidGrant
from authz.scopes import ScopeSet
from authz.tokens.authorization import RefreshKind
from authz.tokens.model import GrantRow, RefreshTokenRow
from authz.tokens.store import OWN_CLIENT_ID, live_tokens
from authz.tokens.usable import around

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from sqlalchemy.orm import Session

    from authz.tokens.refresh import RefreshTokens


class Lasting(IntEnum):
    """How far an app's access reaches; the further the greater."""

    NOT = 0  # none now; it gets some again without a question
    SHORT = 1  # one access token
    SESSION = 2
    OFFLINE = 3


@dataclass(frozen=True, slots=True)
class Held:
    grant: GrantRow
    lasting: Lasting
    scope: ScopeSet
    ends_at: datetime  # at the latest
    digest: str | None = None  # of an access token


def holdings(session: Session, tokens: RefreshTokens, sub: str) -> list[Held]:
    return [*by_access_token(session, tokens.now(), sub), *by_refresh_token(session, tokens, sub)]


def by_access_token(session: Session, now: datetime, sub: str) -> Iterator[Held]:
    mine = live_tokens(now).where(GrantRow.sub == sub, GrantRow.client_id != OWN_CLIENT_ID)
    for token, grant in session.execute(mine):
        yield Held(grant, Lasting.SHORT, ScopeSet.parse(token.scope), token.expires_at, token.digest)


def by_refresh_token(session: Session, tokens: RefreshTokens, sub: str) -> Iterator[Held]:
    """Those that could be spent now; an EHR that goes on using its session makes one good for longer than it says."""
    now, settings = tokens.now(), tokens.settings
    touched = and_(
        RefreshTokenRow.kind == RefreshKind.ONLINE.value,
        GrantRow.has_ehr_session,
        GrantRow.created_at > now - timedelta(seconds=settings.online_total_seconds),
    )
    mine = (
        select(RefreshTokenRow, GrantRow)
        .join(GrantRow, GrantRow.id == RefreshTokenRow.grant_id)
        .join(ClientRow, ClientRow.client_id == GrantRow.client_id)
        .where(GrantRow.sub == sub, GrantRow.revoked_at.is_(None), ClientRow.enabled)
        .where(RefreshTokenRow.used_at.is_(None), RefreshTokenRow.revoked_at.is_(None))
        .where(or_(RefreshTokenRow.expires_at > now, touched))
    )
    for row, grant in session.execute(mine):
        try:
            ends_at = tokens.check_alive(session, grant, row, around(session, grant))
        except InvalidGrant:
            continue
        lasting = Lasting.SESSION
        if row.kind == RefreshKind.OFFLINE:
            lasting = Lasting.OFFLINE
            ends_at = grant.created_at + timedelta(seconds=settings.offline_total_seconds)
        yield Held(grant, lasting, ScopeSet.parse(grant.scope), ends_at)
