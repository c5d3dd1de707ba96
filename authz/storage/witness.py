"""A second clock: the database's, asked before something is done by time that nobody takes back."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from sqlalchemy import text

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.orm import Session

log = logging.getLogger(__name__)
MOST_SECONDS = 60.0


def seconds_ahead(session: Session, now: datetime) -> float:
    """By how much this machine's clock is ahead of PostgreSQL's; SQLite has the same clock."""
    if session.get_bind().dialect.name != "postgresql":
        return 0.0
    there: datetime = session.execute(text("SELECT clock_timestamp()")).scalar_one()
    return (now - there).total_seconds()


def is_trusted(session: Session, now: datetime) -> bool:
    """Whether what is over by this machine's clock is over; if that is far ahead, the log says so."""
    ahead = seconds_ahead(session, now)
    if ahead > MOST_SECONDS:
        log.error("this machine's clock is %.0f s ahead of the database's: nothing is done by it that stays", ahead)
    return ahead <= MOST_SECONDS
