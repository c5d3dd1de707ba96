"""What was sealed long after it was written."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

LATE = timedelta(hours=1)  # the sealer of a server that runs is a second behind, its anchors a minute


@dataclass(frozen=True, slots=True)
class Late:
    """Records that were sealed long after they were written: no server ran, or somebody had the chain made anew.

    Only a copy elsewhere tells which: a server that finds no chain seals and signs whatever lies there.
    """

    sealed: int = 0
    first: int | None = None
    last: int | None = None
    anchors: int = 0  # signed so late: their signatures say when, whatever the rows do

    def __bool__(self) -> bool:
        return bool(self.sealed or self.anchors)

    def with_seal(self, seq: int) -> Late:
        return replace(self, sealed=self.sealed + 1, first=self.first or seq, last=seq)
