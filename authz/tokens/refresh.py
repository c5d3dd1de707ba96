"""Refresh tokens: rotated at each use; a repeated one within the grace is a lost answer, else it is a theft."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import bindparam, select, update

from authz.clients.model import ClientRow
from authz.errors import InvalidClient, InvalidGrant, InvalidRequest
from authz.storage.database import changed
from authz.storage.records import digest
from authz.tokens.authorization import RefreshKind
from authz.tokens.model import AccessTokenRow, GrantRow, RefreshTokenRow
from authz.tokens.usable import AROUND, Around, around, check_usable

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from sqlalchemy import Table
    from sqlalchemy.orm import Session

    from authz.launch.ehr_session import EhrSessions
    from authz.settings import Settings
    from authz.tokens.authorization import NewPair

UNUSABLE = "the refresh token is unknown, expired, revoked or already used"
LOCKED_GRANT = (  # before its tokens are read; see ``lock_grant``
    select(GrantRow)
    .where(
        GrantRow.id
        == select(RefreshTokenRow.grant_id)
        .where(RefreshTokenRow.digest == bindparam("digest"), RefreshTokenRow.client_id == bindparam("client_id"))
        .scalar_subquery()
    )
    .with_for_update()
    .execution_options(populate_existing=True)
)
AROUND_TOKEN = (  # under the lock of its grant; what is read then is not read again
    AROUND.add_columns(RefreshTokenRow)
    .join(RefreshTokenRow, RefreshTokenRow.grant_id == GrantRow.id)
    .where(RefreshTokenRow.digest == bindparam("digest"))
)

TOKENS = cast("Table", RefreshTokenRow.__table__)
EXCHANGE = (
    update(TOKENS)
    .where(TOKENS.c.digest == bindparam("token"))
    .values(successor_digest=bindparam("refresh"), successor_access_digest=bindparam("access"))
)
FIRST_TIME = EXCHANGE.where(TOKENS.c.used_at.is_(None)).values(used_at=bindparam("now"))
SECOND_TIME = EXCHANGE.where(TOKENS.c.grace_used_at.is_(None)).values(grace_used_at=bindparam("now"))


class RefreshReplayed(InvalidGrant):
    """A used refresh token came back after the grace, or a replaced one at all: the family must be revoked (decisions 9
    and 0005).
    """

    def __init__(self, grant_id: str) -> None:
        super().__init__(UNUSABLE)
        self.grant_id = grant_id


@dataclass(frozen=True, slots=True)
class LiveRefreshToken:
    grant: GrantRow
    row: RefreshTokenRow
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class SpentRefreshToken:
    grant: GrantRow
    row: RefreshTokenRow
    around: Around
    superseded: dict[str, datetime] = field(default_factory=dict)  # access token whose answer got lost -> its expiry


def deadline(settings: Settings, grant: GrantRow, kind: RefreshKind, since: datetime) -> datetime:
    """When a refresh token issued, or an EHR session touched, at ``since`` ends (decision 10)."""
    if kind is RefreshKind.OFFLINE:
        idle, total = settings.offline_idle_seconds, settings.offline_total_seconds
    else:
        idle = settings.online_refresh_seconds
        total = settings.online_total_seconds if grant.has_ehr_session else settings.online_refresh_seconds
    return min(since + timedelta(seconds=idle), grant.created_at + timedelta(seconds=total))


class RefreshTokens:
    """Spends refresh tokens."""

    def __init__(self, settings: Settings, now: Callable[[], datetime], ehr_sessions: EhrSessions) -> None:
        self.settings = settings
        self.now = now
        self.ehr_sessions = ehr_sessions

    def client_of(self, session: Session, token: str) -> str | None:
        """Whose token this is: a public app may refresh without saying who it is (SMART REF-06)."""
        row = session.get(RefreshTokenRow, digest(token))
        return None if row is None else row.client_id

    def alive(self, session: Session, token: str) -> LiveRefreshToken | None:
        """The token if it could be spent now; None for any other, and for one that was spent."""
        row = session.get(RefreshTokenRow, digest(token))
        if row is None or row.used_at is not None:
            return None
        grant, client = session.get(GrantRow, row.grant_id), session.get(ClientRow, row.client_id)
        if grant is None or client is None or not client.enabled:
            return None
        try:
            return LiveRefreshToken(grant, row, self.check_alive(session, grant, row, around(session, grant)))
        except (InvalidGrant, InvalidClient):
            return None

    def grant_of(self, session: Session, token: str) -> GrantRow | None:
        """What the token might still be spent on, for the first time or as a repeat; None for any other."""
        row = session.get(RefreshTokenRow, digest(token))
        if row is None or (row.used_at is not None and self.is_past_grace(row.used_at)):
            return None
        return session.get(GrantRow, row.grant_id)

    def spend(self, session: Session, client_id: str, token: str | None, successor: NewPair) -> SpentRefreshToken:
        """Exchange a refresh token; of racing callers one succeeds, and one more within the grace (decision 9).

        Raises InvalidRequest if it is missing, InvalidGrant if it is no use, RefreshReplayed if it was used longer ago
        than the grace, or replaced as lost.
        """
        if not token:
            raise InvalidRequest("refresh_token is missing")
        grant = session.scalars(LOCKED_GRANT, {"digest": digest(token), "client_id": client_id}).one_or_none()
        if grant is None:
            raise InvalidGrant(UNUSABLE)
        read = session.execute(AROUND_TOKEN, {"grant_id": grant.id, "digest": digest(token)}).one_or_none()
        if read is None:
            raise InvalidGrant(UNUSABLE)
        *others, row = read
        found = Around(*others)
        self.check_was_lost(grant, row)
        self.check_alive(session, grant, row, found)
        now = self.now()
        exchanged = {
            "token": row.digest,
            "now": now,
            "refresh": digest(successor.refresh_token),
            "access": digest(successor.access_token),
        }
        if changed(session, FIRST_TIME, exchanged):
            return SpentRefreshToken(grant, row, found)
        return SpentRefreshToken(grant, row, found, self.spend_grace(session, row, now, exchanged))

    def check_was_lost(self, grant: GrantRow, row: RefreshTokenRow) -> None:
        """Who sends what a repeat replaced had got that answer, so somebody else repeated (RFC 9700 §4.14.2).

        Not only after the grace: an app that is refused does not come again (decision 0005).
        """
        if row.revoked_at is not None and grant.revoked_at is None:
            raise RefreshReplayed(row.grant_id)

    def is_past_grace(self, since: datetime) -> bool:
        return self.now() - since > timedelta(seconds=self.settings.refresh_grace_seconds)

    def check_alive(self, session: Session, grant: GrantRow, row: RefreshTokenRow, found: Around) -> datetime:
        """Until when it is good. Raises InvalidGrant for a token whose time, grant, user or session is over."""
        now = self.now()
        kind = RefreshKind(row.kind)
        if row.revoked_at is not None:
            raise InvalidGrant(UNUSABLE)
        ends = row.expires_at
        if kind is RefreshKind.ONLINE and grant.has_ehr_session and grant.session_digest is not None:
            if self.ehr_sessions.is_ended(session, grant.fhir_server, grant.session_digest):
                raise InvalidGrant("the EHR session this app was opened from has ended")
            touched = self.ehr_sessions.touched_at(session, grant.fhir_server, grant.session_digest)
            if touched is not None:
                ends = max(ends, deadline(self.settings, grant, kind, touched))
        if ends <= now:
            raise InvalidGrant(UNUSABLE)
        check_usable(grant, found, now)
        user = found.user
        signed_out = user is not None and grant.created_at < user.sessions_valid_from
        if signed_out and kind is RefreshKind.ONLINE:
            raise InvalidGrant("the user has signed out")
        return ends

    def spend_grace(
        self, session: Session, row: RefreshTokenRow, now: datetime, exchanged: dict[str, Any]
    ) -> dict[str, datetime]:
        """A repeat: once within the grace it replaces the pair whose answer got lost; later it is a theft."""
        session.refresh(row)
        assert row.used_at is not None
        if self.is_past_grace(row.used_at):
            raise RefreshReplayed(row.grant_id)
        successor = session.get(RefreshTokenRow, row.successor_digest, populate_existing=True)
        if successor is None or successor.used_at is not None:
            raise InvalidGrant(UNUSABLE)
        if not changed(session, SECOND_TIME, exchanged):
            raise InvalidGrant(UNUSABLE)
        successor.revoked_at = now
        lost = session.get(AccessTokenRow, row.successor_access_digest)
        if lost is None:
            return {}
        lost.revoked_at = now
        return {lost.digest: lost.expires_at}
