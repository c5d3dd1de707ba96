"""How long records are kept, and which longer (security.md AU-10; 45 CFR 164.316(b)(2)(i): six years).

Runs on the right to delete, which the role of a server that serves does not have (AU-3).
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import delete, func, select, text

from authz.audit.cut import Cut, sign
from authz.audit.event import Event, EventName
from authz.audit.model import AuditAnchorRow, AuditEventRow, AuditHoldRow, AuditSealRow
from authz.errors import InvalidValue, NotFound

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from sqlalchemy import Row
    from sqlalchemy.orm import Session

    from authz.audit.trail import Trail
    from authz.keyring.signing import Keyring

BATCH = 2_000  # records that one transaction removes
LOCK = 0x61757469  # one that removes at a time on PostgreSQL


class Purged(NamedTuple):
    removed: int
    held: int  # old enough, and kept by a legal hold


class Held(NamedTuple):
    """What a legal hold is about; None asks nothing."""

    patient: str | None = None
    sub: str | None = None
    client_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Retention:
    trail: Trail
    keyring: Keyring

    def purge(self, before: datetime, operator: str, *, is_rehearsal: bool = False) -> Purged:
        """Remove what is older and under no hold; in the chain signed statements stand for it.

        The last sealed record stays whatever its age: the chain goes on from it.
        """
        removed = held = last = 0
        while True:
            with self.trail.db.write() as session:
                alone(session)
                check_may_delete(session)
                rows = self.oldest(session, last)
                old = [row for row in rows if row.at < before]
                holds = active_holds(session)
                going = [row for row in old if not any(covers(hold, row) for hold in holds)]
                if going and not is_rehearsal:
                    self.remove(session, going, before, operator)
            removed, held = removed + len(going), held + len(old) - len(going)
            if not old:
                return Purged(removed, held)
            last = rows[-1].seq

    def oldest(self, session: Session, after: int) -> Sequence[Row[*tuple[Any, ...]]]:
        """The next sealed records, but for the last one of all."""
        of = AuditEventRow
        tip = select(func.max(AuditSealRow.seq)).scalar_subquery()
        return session.execute(
            select(AuditSealRow.seq, AuditSealRow.hash, of.at, of.patient, of.sub, of.client_id)
            .join(of, of.id == AuditSealRow.event_id)
            .where(AuditSealRow.seq > after, AuditSealRow.seq < tip)
            .order_by(AuditSealRow.seq)
            .limit(BATCH)
        ).all()

    def remove(self, session: Session, going: Sequence[Row[*tuple[Any, ...]]], before: datetime, operator: str) -> None:
        cuts = list(runs((row.seq, row.hash) for row in going))
        for cut in cuts:
            sign(session, self.keyring, cut)
            between = AuditSealRow.seq.between(cut.first, cut.last)
            ids = select(AuditSealRow.event_id).where(between)
            session.execute(delete(AuditEventRow).where(AuditEventRow.id.in_(ids)))
            session.execute(delete(AuditAnchorRow).where(AuditAnchorRow.seq.between(cut.first, cut.last)))
            session.execute(delete(AuditSealRow).where(between))
        detail = {"operator": operator, "before": before.isoformat(), "cuts": [list(cut) for cut in cuts]}
        self.trail.record(session, Event(EventName.AUDIT_PURGED, reason="retention", role="operator", detail=detail))

    def hold(self, session: Session, what: Held, reason: str) -> AuditHoldRow:
        """From now on nothing of it is removed. Raises InvalidValue for a hold on nothing in particular."""
        if not any(what):
            raise InvalidValue("say what is to be kept: a patient, a user, a client or a time")
        row = AuditHoldRow(id=secrets.token_hex(4), reason=reason, placed_at=self.trail.now(), **what._asdict())
        session.add(row)
        return row

    def lift(self, session: Session, hold_id: str) -> AuditHoldRow:
        """Raises NotFound."""
        row = session.get(AuditHoldRow, hold_id)
        if row is None or row.lifted_at is not None:
            raise NotFound(f"{hold_id}: there is no such hold")
        row.lifted_at = self.trail.now()
        return row


def active_holds(session: Session) -> Sequence[AuditHoldRow]:
    placed = select(AuditHoldRow).where(AuditHoldRow.lifted_at.is_(None))
    return session.scalars(placed.order_by(AuditHoldRow.placed_at, AuditHoldRow.id)).all()


def covers(hold: AuditHoldRow, row: Row[*tuple[Any, ...]]) -> bool:
    same = all(getattr(hold, name) in (None, getattr(row, name)) for name in ("patient", "sub", "client_id"))
    return same and (hold.since is None or hold.since <= row.at) and (hold.until is None or row.at < hold.until)


def runs(links: Iterator[tuple[int, str]]) -> Iterator[Cut]:
    """Each stretch of numbers without a gap, with the hash of its last link."""
    for _, stretch in groupby(enumerate(links), lambda found: found[1][0] - found[0]):
        numbers = [link for _, link in stretch]
        yield Cut(numbers[0][0], *numbers[-1])


def check_may_delete(session: Session) -> None:
    """Raises InvalidValue for the role of PostgreSQL that only serves."""
    if session.get_bind().dialect.name != "postgresql":
        return
    if not session.scalar(text("SELECT has_table_privilege('audit_event', 'DELETE')")):
        raise InvalidValue("this role of the database may not delete records; run it as the owner of the tables")


def alone(session: Session) -> None:
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK})
