"""How far a second system is: what the row of its export says, and how much of that is believed.

The role that serves writes that row, and whoever broke into a server has it: what it says may make records go out
twice, and never keeps one back for good (security.md AU-3).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from authz.audit.model import AuditExportRow, AuditSealRow

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.orm import Session


@dataclass(frozen=True, slots=True)
class Progress:
    """``certain`` is what whoever asks sent itself; 0 for one that has sent nothing yet."""

    mark: int  # as it is in the row
    newest: int  # of the records that are sealed
    certain: int
    told_at: datetime | None = None
    failing_since: datetime | None = None

    @property
    def is_beyond(self) -> bool:
        """Whether the mark is of a record that was never made: nobody who sent any set it."""
        return self.mark > self.newest

    @property
    def seq(self) -> int:
        """The number of the last record that the second system has; at worst it gets some of them again."""
        if not self.is_beyond:
            return self.mark
        return self.certain if self.certain <= self.newest else 0

    @property
    def waiting(self) -> int:
        return self.newest - self.seq

    def behind_since(self, session: Session, now: datetime) -> datetime | None:
        """Since when nothing was taken, though something waited; None if nothing waits.

        By the failure that is on record, or by what was taken last and when the next record was sealed. A time that
        is still to come is none: another machine's clock was ahead, or somebody wrote it.
        """
        following = select(AuditSealRow.sealed_at).where(AuditSealRow.seq > self.seq).order_by(AuditSealRow.seq)
        sealed_at = session.scalars(following.limit(1)).first()
        if sealed_at is None:
            return None
        taken = max((time for time in (self.told_at, sealed_at) if time is not None and time <= now), default=now)
        return min(taken, self.failing_since or taken)


def progress(session: Session, target: str, certain: int = 0) -> Progress:
    """The row is read before the newest record, so that one that is made meanwhile is on the right side."""
    row = session.get(AuditExportRow, target, populate_existing=True)
    newest = session.scalar(select(func.max(AuditSealRow.seq))) or 0
    if row is None:
        return Progress(0, newest, certain)
    return Progress(row.seq, newest, certain, row.told_at, row.failing_since)
