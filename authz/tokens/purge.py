"""Forgets what is over: tokens, grants, sessions, spent launches, assertions that were seen.

Nothing that still works is touched, nor what must be recognised if it comes again: a used refresh token stays for a
month after it would have expired anyway, a code and a spent launch as long as their grant, an ended session a month.
Consents, registrations and the audit trail are records, and stay (the trail: ``audit.retention``).
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, exists, func, or_, select, true, tuple_
from sqlalchemy.orm import aliased

from authz.clients.model import SeenAssertionRow
from authz.consent.model import ConsentRow
from authz.errors import Unavailable
from authz.launch.model import EhrSessionRow, SpentLaunchRow
from authz.login.federated.model import SeenLogoutTokenRow, UpstreamEndRow
from authz.storage.database import changed
from authz.storage.witness import is_trusted
from authz.tokens.model import AccessTokenRow, GrantRow, LogoutNoticeRow, MessagingHandleRow, RefreshTokenRow
from authz.users.model import BrowserSessionRow

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable
    from datetime import datetime

    from sqlalchemy import ColumnElement
    from sqlalchemy.orm import Session

    from authz.storage.database import Base, Database
    from authz.storage.short_lived import Backend

log = logging.getLogger(__name__)
PAUSE_SECONDS = 300.0
PAGE = 1000  # rows that one transaction looks at: it is short, and nobody waits for it
LONGEST_SECONDS = 30.0  # of one run; the next goes on where it ended
REST_SECONDS = 0.02  # between two transactions: SQLite has one writer
DAY, MONTH = timedelta(days=1), timedelta(days=30)
TURN = "purge"


@dataclass(frozen=True, slots=True)
class Rule:
    """Rows whose ``time`` was before ``until`` are over, if ``also`` holds for them."""

    table: type[Base]
    time: Any
    until: datetime
    also: ColumnElement[bool]

    @property
    def name(self) -> str:
        return str(self.table.__tablename__)

    @property
    def order(self) -> tuple[Any, ...]:
        return (self.time, *self.table.__table__.primary_key)


def rules(now: datetime) -> tuple[Rule, ...]:
    """In this order: a grant is over when nothing of it is left, a spent launch when its grant is."""
    day, month = now - DAY, now - MONTH
    parts = (AccessTokenRow, RefreshTokenRow, MessagingHandleRow)
    is_needed = or_(*(exists().where(part.grant_id == GrantRow.id) for part in parts), is_last_use(now))
    of_launch = exists().where(GrantRow.launch_id == SpentLaunchRow.launch_id)
    of_session = exists().where(
        GrantRow.fhir_server == EhrSessionRow.fhir_server, GrantRow.session_digest == EhrSessionRow.session_digest
    )
    return (
        Rule(SeenAssertionRow, SeenAssertionRow.expires_at, day, true()),
        Rule(SeenLogoutTokenRow, SeenLogoutTokenRow.expires_at, day, true()),
        Rule(UpstreamEndRow, UpstreamEndRow.told_at, day, true()),
        Rule(AccessTokenRow, AccessTokenRow.expires_at, day, true()),
        Rule(RefreshTokenRow, RefreshTokenRow.expires_at, month, true()),
        Rule(MessagingHandleRow, MessagingHandleRow.expires_at, day, true()),
        Rule(GrantRow, GrantRow.created_at, month, ~is_needed),
        Rule(SpentLaunchRow, SpentLaunchRow.at, month, ~of_launch),
        Rule(EhrSessionRow, EhrSessionRow.touched_at, month, ~of_session),
        Rule(BrowserSessionRow, BrowserSessionRow.used_at, month, true()),
        Rule(LogoutNoticeRow, LogoutNoticeRow.created_at, month, true()),
    )


def is_last_use(now: datetime) -> ColumnElement[bool]:
    """Whether it is the newest grant of a consent that stands: the page of somebody's apps says when that was."""
    later = aliased(GrantRow)
    stands = (ConsentRow.id == GrantRow.consent_id, ConsentRow.withdrawn_at.is_(None), ConsentRow.expires_at > now)
    is_later = exists().where(later.consent_id == GrantRow.consent_id, later.created_at > GrantRow.created_at)
    return exists().where(*stands) & ~is_later


class Purge:
    """Pages through each table from its oldest row on, and deletes what is over."""

    def __init__(
        self,
        db: Database,
        backend: Backend,
        now: Callable[[], datetime],
        is_trusted: Callable[[Session, datetime], bool] = is_trusted,
    ) -> None:
        self.db = db
        self.backend = backend
        self.now = now
        self.is_trusted = is_trusted
        self.reached: dict[str, tuple[Any, ...]] = {}  # by table: the last row that a run looked at

    def run(self, stop: threading.Event) -> None:
        """Purge until told to stop; of several processes one at a time, and a database that is away is tried again."""
        while not stop.wait(PAUSE_SECONDS):
            try:
                if self.has_turn():
                    self.once(stop.is_set)
            except Unavailable:
                log.warning("what is over could not be purged; trying again")

    def has_turn(self) -> bool:
        """Of several processes one has it. One without an end is none: somebody else wrote it into the store."""
        if self.backend.claim(TURN, b"taken", PAUSE_SECONDS) is None:
            return True
        left = self.backend.expires_in(TURN)
        if left is None or left <= PAUSE_SECONDS:
            return False
        log.warning("somebody wrote into the store that what is over is being purged; that is not believed")
        self.backend.delete(TURN)
        return self.backend.claim(TURN, b"taken", PAUSE_SECONDS) is None

    def once(self, is_stopped: Callable[[], bool] = lambda: False, seconds: float = LONGEST_SECONDS) -> dict[str, int]:
        """How many rows of each table went; what is left when the time is over is the next run's.

        Raises Unavailable.
        """
        ends, now = time.monotonic() + seconds, self.now()
        gone: dict[str, int] = {}
        with self.db.read() as session:
            if not self.is_trusted(session, now):  # one machine would forget for all what must not come again
                return gone
        for rule in rules(now):
            gone[rule.name] = 0
            while time.monotonic() < ends and not is_stopped():
                seen, deleted = self.page(rule)
                gone[rule.name] += deleted
                if seen < PAGE:
                    break
                time.sleep(REST_SECONDS)
        return gone

    def page(self, rule: Rule) -> tuple[int, int]:
        """How many rows were looked at, and how many went; after the last page it begins anew."""
        with self.db.write() as session:
            old = select(*rule.order).where(rule.time < rule.until)
            if rule.name in self.reached:
                old = old.where(tuple_(*rule.order) > self.reached[rule.name])
            rows = [tuple(row) for row in session.execute(old.order_by(*rule.order).limit(PAGE))]
            keys = tuple_(*rule.table.__table__.primary_key).in_([row[1:] for row in rows])
            still_over = keys & (rule.time < rule.until) & rule.also
            deleted = changed(session, delete(rule.table).where(still_over)) if rows else 0
        self.reached.pop(rule.name, None)
        if len(rows) == PAGE:
            self.reached[rule.name] = rows[-1]
        return len(rows), deleted

    def over(self) -> dict[str, int]:
        """How many rows of each table would go now."""
        with self.db.read() as session:
            counts = {}
            for rule in rules(self.now()):
                over = select(func.count()).select_from(rule.table).where(rule.time < rule.until, rule.also)
                counts[rule.name] = session.scalar(over) or 0
            return counts
