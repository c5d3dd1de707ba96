from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import select, update

from authz.storage.turns import alone, of_user
from authz.users.model import BrowserSessionRow, UserRow

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.orm import Session


def end_sign_ins(session: Session, sub: str, now: datetime) -> None:
    """What a person has signed in to so far counts no more, in the caller's transaction.

    Sessions are ended in their rows, whatever the clock said of the machine where they began; the time is for what has
    no row yet: a password without its second factor, a page that waits to be answered.
    """
    alone(session, of_user(sub))
    mine = UserRow.sub == sub
    before = session.scalar(select(UserRow.sessions_valid_from).where(mine))
    era = now if before is None else max(now, before + timedelta(microseconds=1))  # never the same twice: see SignIn
    session.execute(update(UserRow).where(mine).values(sessions_valid_from=era))
    going_on = (BrowserSessionRow.sub == sub) & BrowserSessionRow.ended_at.is_(None)
    session.execute(update(BrowserSessionRow).where(going_on).values(ended_at=now))
