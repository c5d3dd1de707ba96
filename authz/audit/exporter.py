"""Tells a second system of every sealed record, in order, where it can't be reached by who has this database.

At least once: a batch of which the answer got lost comes again, and is known by its numbers. What the second system
does not take is kept and sent later; nothing that is served waits for it. Of several processes one sends.
"""

from __future__ import annotations

import logging
import threading
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, or_, select, update

from authz.audit.event import Event, EventName
from authz.audit.model import AuditExportRow, AuditSealRow
from authz.audit.search import by_number
from authz.audit.targets import NotTold
from authz.errors import Unavailable
from authz.storage.database import changed, insert_once

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.orm import Session

    from authz.audit.targets import Target
    from authz.audit.trail import Trail

log = logging.getLogger(__name__)
PAUSE_SECONDS = 1.0
BATCH = 200
LEASE = timedelta(minutes=1)  # longer than a batch can take; after it whoever claimed it is taken for dead
STOP_SECONDS = 2.0  # for the batch under way at a stop
TRY_AGAIN = timedelta(seconds=10)
BEHIND = timedelta(minutes=5)
REMIND = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the second system is."""

    seq: int
    failing_since: datetime | None


class Exporter:
    def __init__(self, trail: Trail, target: Target) -> None:
        self.db = trail.db
        self.now = trail.now
        self.trail = trail
        self.target = target
        self.key = sha256(target.name.encode()).hexdigest()
        self.warned_at: datetime | None = None
        self.claimed_until: datetime | None = None
        self.sending = threading.Lock()

    def run(self, stop: threading.Event) -> None:
        """Send what is sealed until told to stop; a database that is away is tried again."""
        while not stop.wait(PAUSE_SECONDS):
            try:
                while self.tell() == BATCH and not stop.is_set():
                    pass
            except Unavailable:
                log.warning("the audit trail could not be read for its export; trying again")

    def tell(self) -> int:
        """Send the next batch if there is one and nobody else is sending; returns how many records were taken."""
        with self.sending:
            return self.tell_next()

    def let_go(self) -> None:
        """At a good stop: whoever is started next need not wait until the lease of this process is over.

        A batch under way has two seconds to come to its end. None is begun afterwards: the lock is kept.
        """
        if self.sending.acquire(timeout=STOP_SECONDS) or self.claimed_until is None:
            return
        own = (AuditExportRow.target == self.key, AuditExportRow.claimed_until == self.claimed_until)
        with suppress(Unavailable), self.db.write() as session:  # then the lease has to end by itself
            session.execute(update(AuditExportRow).where(*own).values(claimed_until=None))

    def tell_next(self) -> int:
        progress = self.claim() if self.is_waiting() else None
        if progress is None:
            return 0
        with self.db.read() as session:
            records = by_number(session, progress.seq, BATCH)
        try:
            self.target.send(records)
        except NotTold as failure:
            self.failed(progress, records[0], failure)
            return 0
        self.told(progress, records[-1]["seq"])
        return len(records)

    def reached(self) -> int:
        """The number of the last record that the second system has."""
        with self.db.read() as session:
            row = session.get(AuditExportRow, self.key)
        return row.seq if row else 0

    def failing_since(self) -> datetime | None:
        """Since when the second system takes nothing; None while it does."""
        with self.db.read() as session:
            row = session.get(AuditExportRow, self.key)
        return row.failing_since if row else None

    def is_waiting(self) -> bool:
        with self.db.read() as session:
            row = session.get(AuditExportRow, self.key)
            newest = session.scalar(select(func.max(AuditSealRow.seq))) or 0
        return newest > (row.seq if row else 0)

    def claim(self) -> Progress | None:
        now = self.now()
        self.claimed_until = now + LEASE
        with self.db.write() as session:
            if insert_once(session, AuditExportRow, target=self.key, seq=0, told_at=now):
                self.note(session, "started")
            free = or_(AuditExportRow.claimed_until.is_(None), AuditExportRow.claimed_until <= now)
            claimed = update(AuditExportRow).where(AuditExportRow.target == self.key, free)
            if not changed(session, claimed.values(claimed_until=self.claimed_until)):
                return None
            row = session.get_one(AuditExportRow, self.key)
            return Progress(row.seq, row.failing_since)

    def told(self, progress: Progress, seq: int) -> None:
        now = self.now()
        with self.db.write() as session:
            self.settle(session, seq=seq, told_at=now, claimed_until=None, failing_since=None)
            if progress.failing_since is not None:
                self.note(session, "resumed", seconds=int((now - progress.failing_since).total_seconds()))

    def failed(self, progress: Progress, first: dict[str, Any], failure: NotTold) -> None:
        """The first failure is on the trail; being behind is said again every minute, until it is over."""
        now = self.now()
        log.info("the second system did not take the audit trail from record %d on: %s", first["seq"], failure)
        with self.db.write() as session:
            self.settle(session, claimed_until=now + TRY_AGAIN, failing_since=progress.failing_since or now)
            if progress.failing_since is None:
                self.note(session, "failed", outcome="refused")
        waited = now - (progress.failing_since or now)
        if waited >= BEHIND and (self.warned_at is None or now - self.warned_at >= REMIND):
            self.warned_at = now
            log.error("the second system has not taken the audit trail for %d seconds", waited.total_seconds())

    def settle(self, session: Session, **values: object) -> None:
        session.execute(update(AuditExportRow).where(AuditExportRow.target == self.key).values(**values))

    def note(self, session: Session, reason: str, outcome: str = "success", **detail: object) -> None:
        about = {"target": self.target.name, **detail}
        self.trail.record(session, Event(EventName.AUDIT_EXPORTED, outcome, reason, detail=about))
