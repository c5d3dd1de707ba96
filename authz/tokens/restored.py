"""After the database was put back to an earlier time: nothing that was revoked since then may come back.

What happened after the dump is not in it. Tokens issued since have no row, and are dead; what was revoked, withdrawn or
signed out of since would be alive again, and nobody can tell which: so all of it ends (security.md R-25, I4).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import exists, or_, select, update

from authz.audit.event import Event, EventName
from authz.consent.withdraw import withdraw_all
from authz.storage.database import changed
from authz.tokens.model import AccessTokenRow, CodeRow, GrantRow, MessagingHandleRow, RefreshTokenRow
from authz.users.model import BrowserSessionRow

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement

    from authz.tokens.revocation import Revocation

REASON = "restored"
BATCH = 200  # grants that one transaction ends


@dataclass(frozen=True, slots=True)
class Ended:
    grants: int
    consents: int
    sessions: int


def after_restore(revocation: Revocation, operator: str) -> Ended:
    """End every grant, remembered consent and session; nobody may be served meanwhile. Raises Unavailable.

    May be run again if it was interrupted.
    """
    now = revocation.now()
    with revocation.db.write() as session:
        revocation.hot.leap(session)
        consents = withdraw_all(session, now)
        open_ones = update(BrowserSessionRow).where(BrowserSessionRow.ended_at.is_(None))
        sessions = changed(session, open_ones.values(ended_at=now))
        detail = {"operator": operator, "consents": consents, "sessions": sessions}
        revocation.trail.record(session, Event(EventName.DATABASE_RESTORED, role="operator", detail=detail))
    revocation.hot.forget()
    grants = 0
    while ids := some_that_work(revocation):
        grants += revocation.revoke(GrantRow.id.in_(ids), REASON)
    return Ended(grants, consents, sessions)


def some_that_work(revocation: Revocation) -> list[str]:
    now = revocation.now()

    def has(part: type[AccessTokenRow | CodeRow | MessagingHandleRow | RefreshTokenRow]) -> ColumnElement[bool]:
        return exists().where(part.grant_id == GrantRow.id, part.expires_at > now)

    works = or_(*(has(part) for part in (AccessTokenRow, RefreshTokenRow, CodeRow, MessagingHandleRow)))
    wanted = select(GrantRow.id).where(GrantRow.revoked_at.is_(None), works).order_by(GrantRow.id).limit(BATCH)
    with revocation.db.read() as session:
        return list(session.scalars(wanted))
