"""Numbers and chains what was committed, so that a changed, missing or moved record shows (decision 5).

``hash = SHA-256(previous hash, canonical JSON of the event)``. Every hundredth link, and the last one after a pause, is
anchored by a signature of the server. What was committed less than a second ago may not be sealed yet.
"""

from __future__ import annotations

import json
import logging
from datetime import timedelta
from hashlib import sha256
from typing import TYPE_CHECKING

from sqlalchemy import exists, inspect, select, text

from authz.audit.model import AuditAnchorRow, AuditEventRow, AuditSealRow
from authz.errors import Unavailable

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from sqlalchemy.orm import Session

    from authz.keyring.signing import Keyring
    from authz.storage.database import Database

log = logging.getLogger(__name__)
FIRST = "0" * 64
BATCH = 500
ANCHOR_EVERY = 100  # links
ANCHOR_SECONDS = 60
PAUSE_SECONDS = 0.5
TYP = "authz-audit-anchor+jwt"
RECENT = timedelta(minutes=10)
LOCK = 0x61757468  # one sealer at a time on PostgreSQL


def canonical(event: AuditEventRow) -> bytes:
    """The event as it is hashed: every column, sorted, times in UTC with microseconds."""
    columns = inspect(AuditEventRow).column_attrs
    members = {column.key: getattr(event, column.key) for column in columns}
    members["at"] = event.at.isoformat(timespec="microseconds")
    return json.dumps(members, sort_keys=True, separators=(",", ":")).encode()


def link(previous: str, event: AuditEventRow) -> str:
    return sha256(previous.encode() + canonical(event)).hexdigest()


class Sealer:
    """Extends the chain; safe to run in every process, one of them does the work."""

    def __init__(self, db: Database, keyring: Keyring, now: Callable[[], datetime]) -> None:
        self.db = db
        self.keyring = keyring
        self.now = now
        self.looked_at_all = False  # the first look of a process leaves nothing out

    def run(self, stop: threading.Event) -> None:
        """Seal until told to stop; a database that is away is tried again."""
        while not stop.wait(PAUSE_SECONDS):
            try:
                while self.seal_once() == BATCH:
                    pass
            except Unavailable:
                log.warning("the audit trail could not be sealed; trying again")

    def seal_once(self) -> int:
        """Seal what is committed and not yet sealed, at most 500 records; returns how many."""
        with self.db.write() as session:
            if not only_sealer(session):
                return 0
            last = session.scalar(select(AuditSealRow).order_by(AuditSealRow.seq.desc()).limit(1))
            waiting = self.waiting(session, last)
            seq, previous = (last.seq, last.hash) if last else (0, FIRST)
            now = self.now()
            for event in waiting:
                seq, previous = seq + 1, link(previous, event)
                session.add(AuditSealRow(seq=seq, event_id=event.id, hash=previous, sealed_at=now))
            self.anchor(session, seq, previous)
            return len(waiting)

    def waiting(self, session: Session, last: AuditSealRow | None) -> Sequence[AuditEventRow]:
        """Committed records without a seal; after the first look only recent ones, for no transaction lasts minutes.

        Recent by the last seal or by the clock, whichever is earlier: a clock that is put back loses nothing.
        """
        unsealed = select(AuditEventRow).where(~exists().where(AuditSealRow.event_id == AuditEventRow.id))
        if self.looked_at_all and last is not None:
            unsealed = unsealed.where(AuditEventRow.at > min(last.sealed_at, self.now()) - RECENT)
        found = session.scalars(unsealed.order_by(AuditEventRow.at, AuditEventRow.id).limit(BATCH)).all()
        self.looked_at_all = self.looked_at_all or len(found) < BATCH
        return found

    def anchor(self, session: Session, seq: int, tip: str) -> None:
        """Sign the tip if enough links, or enough time with any, have passed since the last anchor."""
        last = session.scalar(select(AuditAnchorRow).order_by(AuditAnchorRow.seq.desc()).limit(1))
        links = seq - (last.seq if last else 0)
        now = self.now()
        waited = last is None or (now - last.anchored_at).total_seconds() >= ANCHOR_SECONDS
        if links == 0 or (links < ANCHOR_EVERY and not waited):
            return
        claims = {"seq": seq, "hash": tip, "iat": int(now.timestamp())}
        session.add(AuditAnchorRow(seq=seq, hash=tip, signature=self.keyring.sign(claims, TYP), anchored_at=now))


def only_sealer(session: Session) -> bool:
    """PostgreSQL: an advisory lock for this transaction; SQLite: writers queue anyway."""
    if session.get_bind().dialect.name != "postgresql":
        return True
    return bool(session.scalar(text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": LOCK}))
