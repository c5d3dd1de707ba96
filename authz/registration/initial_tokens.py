from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import select, update

from authz.clients.metadata import InvalidClientMetadata
from authz.errors import InvalidToken, InvalidValue, NotFound
from authz.fhir_servers.model import FhirServerRow
from authz.registration.lanes import Lane
from authz.registration.model import InitialAccessTokenRow as Row
from authz.storage.database import changed
from authz.storage.records import HANDLE_BYTES, digest, plausible

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from sqlalchemy.orm import Session

NO_GOOD = "the initial access token is unknown, expired, used up, revoked or for another FHIR server"
MAX_LABEL = 255


@dataclass(frozen=True, slots=True)
class NewInitialToken:
    label: str  # whom it was given to
    expires_at: datetime
    quota: int = 1  # apps that may be registered by it
    lanes: tuple[Lane, ...] = tuple(Lane)
    fhir_server: str | None = None  # None: any that takes registrations
    approves: bool = False  # what comes by it needs no review


@dataclass(frozen=True, slots=True)
class InitialTokens:
    """Initial access tokens (RFC 7591 §3): each good for so many registrations, until it ends or is revoked."""

    now: Callable[[], datetime]

    def issue(self, session: Session, new: NewInitialToken) -> tuple[Row, str]:
        """Make one; the token is told this once. Raises InvalidValue and NotFound."""
        if not 0 < len(new.label.strip()) <= MAX_LABEL or not new.label.isprintable():
            raise InvalidValue(f"a label is 1 to {MAX_LABEL} visible characters")
        if new.quota < 1 or not new.lanes or new.expires_at <= self.now():
            raise InvalidValue("a token is for at least one app, in at least one lane, and ends in the future")
        if new.fhir_server is not None and session.get(FhirServerRow, new.fhir_server) is None:
            raise NotFound(f"{new.fhir_server}: there is no FHIR server of this name")
        token = secrets.token_urlsafe(HANDLE_BYTES)
        row = Row(
            id=secrets.token_hex(8),
            digest=digest(token),
            label=new.label.strip(),
            fhir_server=new.fhir_server,
            lanes=[lane.value for lane in new.lanes],
            approves=new.approves,
            quota=new.quota,
            used=0,
            expires_at=new.expires_at,
            created_at=self.now(),
        )
        session.add(row)
        session.flush()
        return row, token

    def all(self, session: Session) -> Sequence[Row]:
        return session.scalars(select(Row).order_by(Row.created_at, Row.id)).all()

    def revoke(self, session: Session, token_id: str) -> Row:
        """End one; what was registered by it stays. Raises NotFound."""
        row = session.get(Row, token_id, with_for_update=True)
        if row is None:
            raise NotFound(f"{token_id}: there is no initial access token of this id")
        row.revoked_at = row.revoked_at or self.now()
        return row

    def check(self, session: Session, token: str) -> None:
        """Whether it may still be good: asked before anything that comes with it is looked at. Raises InvalidToken."""
        row = session.scalar(select(Row).where(Row.digest == digest(token))) if plausible(token) else None
        if row is None or row.revoked_at is not None or row.expires_at <= self.now() or row.used >= row.quota:
            raise InvalidToken(NO_GOOD)

    def spend(self, session: Session, token: str, lane: Lane, fhir_server: str | None) -> Row:
        """Use it for one app, in the transaction that registers it; of racing callers at most the quota get it.

        Raises InvalidToken, which tells nothing of why (RG-01), and InvalidClientMetadata for a lane that it does not
        open: whoever holds the token may know what it is for.
        """
        if not plausible(token):
            raise InvalidToken(NO_GOOD)
        mine = Row.digest == digest(token)
        in_time = Row.revoked_at.is_(None) & (Row.expires_at > self.now()) & (Row.used < Row.quota)
        if not changed(session, update(Row).where(mine, in_time).values(used=Row.used + 1)):
            raise InvalidToken(NO_GOOD)
        row = session.scalars(select(Row).where(mine)).one()
        if row.fhir_server is not None and fhir_server not in (None, row.fhir_server):
            raise InvalidToken(NO_GOOD)
        if lane not in row.lanes:
            named = " and ".join(row.lanes)
            raise InvalidClientMetadata(f"this is a {lane} app, and the initial access token is for {named} apps")
        return row
