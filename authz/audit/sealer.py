"""Numbers and chains what was committed, so that a changed, missing or moved record shows (decision 5).

Every hundredth link, and the last one after a pause, is anchored by a signature of the server. What was committed less
than a second ago may not be sealed yet.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import exists, select, text

from authz.audit.chain import ANCHOR_TYP, FIRST, link, record_of
from authz.audit.cut import sign_cuts_anew
from authz.audit.model import AuditAnchorRow, AuditEventRow, AuditSealRow
from authz.audit.order import ORDER, Position, is_after
from authz.errors import Unavailable
from authz.settings import ConfigurationError

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from sqlalchemy import Select
    from sqlalchemy.orm import Session

    from authz.keyring.signing import Keyring
    from authz.storage.database import Database

    Look = Callable[[Session, AuditSealRow | None], Sequence[AuditEventRow]]

log = logging.getLogger(__name__)
BATCH = 500
ANCHOR_EVERY = 100  # links
ANCHOR_SECONDS = 60
PAUSE_SECONDS = 0.5
JUST_NOW = timedelta(seconds=15)  # within it every transaction is over, but for a database that was away
RECENT = timedelta(minutes=10)
RECENT_EVERY = 60  # passes
WINDOW = 5_000  # old records that one pass looks through
LOCK = 0x61757468  # one sealer at a time on PostgreSQL


class Sealer:
    """Extends the chain; safe to run in every process, one of them does the work."""

    def __init__(self, db: Database, keyring: Keyring, now: Callable[[], datetime]) -> None:
        self.db = db
        self.keyring = keyring
        self.now = now
        self.passes = 0
        self.looked_until: Position | None = None
        self.has_looked_at_all = False  # at what is older: once in each process, a window at a time

    def run(self, stop: threading.Event) -> None:
        """Seal until told to stop; a database or a key that is away is tried again."""
        while not stop.wait(PAUSE_SECONDS):
            try:
                while self.seal_once() == BATCH:
                    pass
                if not self.has_looked_at_all:
                    self.look_back()
            except (Unavailable, ConfigurationError):
                log.warning("the audit trail could not be sealed; trying again")

    def seal_once(self) -> int:
        """Seal what was committed lately and is not yet sealed, at most 500 records; returns how many."""
        with self.db.write() as session:
            return self.extend(session, self.recent) if only_sealer(session) else 0

    def look_back(self) -> int:
        """Seal what is left in the next window of the whole trail; a machine whose clock was wrong left it behind."""
        with self.db.write() as session:
            return self.extend(session, self.old) if only_sealer(session) else 0

    def extend(self, session: Session, look: Look) -> int:
        last = session.scalar(select(AuditSealRow).order_by(AuditSealRow.seq.desc()).limit(1))
        waiting = look(session, last)
        seq, previous = (last.seq, last.hash) if last else (0, FIRST)
        now = self.now()
        for event in waiting:
            seq, previous = seq + 1, link(previous, record_of(event))
            session.add(AuditSealRow(seq=seq, event_id=event.id, hash=previous, sealed_at=now))
        self.anchor(session, seq, previous)
        return len(waiting)

    def recent(self, session: Session, last: AuditSealRow | None) -> Sequence[AuditEventRow]:
        """Unsealed records from shortly before the last sealed one on.

        By that record's time or by the clock, whichever is earlier: a clock that is put back loses nothing.
        """
        statement = unsealed()
        if last is not None:
            newest = session.get(AuditEventRow, last.event_id)
            back = RECENT if self.passes % RECENT_EVERY == 0 else JUST_NOW
            floor = min(newest.at if newest else last.sealed_at, self.now()) - back
            statement = statement.where(AuditEventRow.at > floor)
        self.passes += 1
        return session.scalars(statement.order_by(*ORDER).limit(BATCH)).all()

    def old(self, session: Session, _last: AuditSealRow | None) -> Sequence[AuditEventRow]:
        window = select(*ORDER).order_by(*ORDER).offset(WINDOW).limit(1)
        statement = unsealed()
        if self.looked_until is not None:
            beyond = is_after(self.looked_until)
            window, statement = window.where(beyond), statement.where(beyond)
        end = session.execute(window).one_or_none()
        if end is not None:
            statement = statement.where(~is_after(Position(end.at, end.id)))
        found = session.scalars(statement.order_by(*ORDER).limit(BATCH)).all()
        if len(found) < BATCH:
            self.has_looked_at_all = end is None
            self.looked_until = None if end is None else Position(end.at, end.id)
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
        signature = self.keyring.sign(claims, ANCHOR_TYP)
        session.add(AuditAnchorRow(seq=seq, hash=tip, signature=signature, anchored_at=now))
        sign_cuts_anew(session, self.keyring)


def unsealed() -> Select[AuditEventRow]:
    return select(AuditEventRow).where(~exists().where(AuditSealRow.event_id == AuditEventRow.id))


def only_sealer(session: Session) -> bool:
    """PostgreSQL: an advisory lock for this transaction; SQLite: writers queue anyway."""
    if session.get_bind().dialect.name != "postgresql":
        return True
    return bool(session.scalar(text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": LOCK}))
