"""Tells a second system of every sealed record, in order, where it can't be reached by who has this database.

At least once: a batch of which the answer got lost comes again, and is known by its numbers. What the second system
does not take is kept and sent later; nothing that is served waits for it. Of several processes one sends.
"""

from __future__ import annotations

import logging
import threading
from contextlib import suppress
from datetime import timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from sqlalchemy import or_, update

from authz.audit.event import Event, EventName
from authz.audit.model import AuditExportRow
from authz.audit.progress import progress
from authz.audit.search import by_number
from authz.audit.targets import NotTold
from authz.errors import Unavailable
from authz.storage.database import changed, insert_once

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.orm import Session

    from authz.audit.progress import Progress
    from authz.audit.targets import Target
    from authz.audit.trail import Trail

log = logging.getLogger(__name__)
PAUSE_SECONDS = 1.0
BATCH = 200
LEASE = timedelta(minutes=1)  # longer than a batch can take; after it whoever claimed it is taken for dead
LONGEST = LEASE + timedelta(minutes=2)  # of a claim by a clock that is ahead; one for longer counts for nothing
STOP_SECONDS = 2.0  # for the batch under way at a stop
TRY_AGAIN = timedelta(seconds=10)
BEHIND = timedelta(minutes=5)
REMIND = timedelta(minutes=1)
BEYOND = "beyond_the_trail"


class Exporter:
    def __init__(self, trail: Trail, target: Target) -> None:
        self.db = trail.db
        self.now = trail.now
        self.trail = trail
        self.target = target
        self.key = sha256(target.name.encode()).hexdigest()
        self.warned_at: datetime | None = None
        self.claimed_until: datetime | None = None
        self.taken = 0  # the number of the last record that the second system took from this process
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
        with suppress(Unavailable):  # then the lease has to end by itself
            self.release()

    def release(self) -> None:
        own = (AuditExportRow.target == self.key, AuditExportRow.claimed_until == self.claimed_until)
        with self.db.write() as session:
            session.execute(update(AuditExportRow).where(*own).values(claimed_until=None))

    def tell_next(self) -> int:
        looked = self.progress()
        if not (looked.waiting or looked.is_beyond):
            return 0
        found = self.claim()
        if found is None:
            self.remind()
            return 0
        with self.db.read() as session:
            records = by_number(session, found.seq, BATCH)
        if not records:  # another process sent them before this one had its claim, or only the mark was wrong
            self.release()
            return 0
        try:
            self.target.send(records)
        except NotTold as failure:
            self.failed(found, records[0], failure)
            return 0
        self.told(found, records[-1]["seq"])
        return len(records)

    def progress(self) -> Progress:
        """How far the second system is, as far as it is believed."""
        with self.db.read() as session:
            return progress(session, self.key, self.taken)

    def behind_since(self) -> datetime | None:
        """Since when the second system has taken nothing, though something waits; None if nothing does."""
        with self.db.read() as session:
            return progress(session, self.key, self.taken).behind_since(session, self.now())

    def claim(self) -> Progress | None:
        """The right to send the next batch; None while another process has it.

        A mark beyond the newest record is not believed, and both the log and the trail say so.
        """
        now = self.now()
        self.claimed_until = now + LEASE
        with self.db.write() as session:
            if insert_once(session, AuditExportRow, target=self.key, seq=0, told_at=now):
                self.note(session, "started")
            until = AuditExportRow.claimed_until
            free = or_(until.is_(None), until <= now, until > now + LONGEST)
            claimed = update(AuditExportRow).where(AuditExportRow.target == self.key, free)
            if not changed(session, claimed.values(claimed_until=self.claimed_until)):
                return None
            found = progress(session, self.key, self.taken)
            if found.is_beyond:
                self.settle(session, seq=found.seq)
                self.note(session, BEYOND, "refused", mark=found.mark, newest=found.newest)
        if found.is_beyond:
            log.error(
                "somebody marked the audit trail as sent up to record %d, of %d; it is sent again from %d on",
                found.mark,
                found.newest,
                found.seq + 1,
            )
        return found

    def told(self, found: Progress, seq: int) -> None:
        now = self.now()
        self.taken = seq
        with self.db.write() as session:
            self.settle(session, seq=seq, told_at=now, claimed_until=None, failing_since=None)
            if found.failing_since is not None:
                seconds = max(0, int((now - found.failing_since).total_seconds()))
                self.note(session, "resumed", seconds=seconds)

    def failed(self, found: Progress, first: dict[str, Any], failure: NotTold) -> None:
        """The first failure is on the trail; being behind is said again every minute, until it is over."""
        now = self.now()
        log.info("the second system did not take the audit trail from record %d on: %s", first["seq"], failure)
        with self.db.write() as session:
            failing_since = min(now, found.failing_since or now)
            self.settle(session, claimed_until=now + TRY_AGAIN, failing_since=failing_since)
            if found.failing_since is None:
                self.note(session, "failed", outcome="refused")
        self.remind()

    def remind(self) -> None:
        """Whoever holds the claim, and whatever they say: what waits for long is said every minute."""
        now, since = self.now(), self.behind_since()
        waited = now - (since or now)
        if waited >= BEHIND and (self.warned_at is None or now - self.warned_at >= REMIND):
            self.warned_at = now
            log.error("the second system has not taken the audit trail for %d seconds", waited.total_seconds())

    def settle(self, session: Session, **values: object) -> None:
        session.execute(update(AuditExportRow).where(AuditExportRow.target == self.key).values(**values))

    def note(self, session: Session, reason: str, outcome: str = "success", **detail: object) -> None:
        about = {"target": self.target.name, **detail}
        self.trail.record(session, Event(EventName.AUDIT_EXPORTED, outcome, reason, detail=about))
