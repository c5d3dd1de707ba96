"""A clock that every process of one installation reads, so that a case can let time pass without waiting for it."""

from __future__ import annotations

import mmap
import struct
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

AHEAD = struct.Struct("d")


class SharedClock:
    """The true time and as many seconds as a small file says; it is only ever moved forward, as time is."""

    def __init__(self, file: Path) -> None:
        if not file.exists():
            file.write_bytes(AHEAD.pack(0.0))
        with file.open("r+b") as opened:
            self.memory = mmap.mmap(opened.fileno(), AHEAD.size)

    @property
    def ahead(self) -> float:
        """Seconds."""
        seconds: float = AHEAD.unpack(self.memory[:])[0]
        return seconds

    def __call__(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self.ahead)

    def monotonic(self) -> float:
        return time.monotonic() + self.ahead

    def seconds(self) -> int:
        return int(self().timestamp())

    def forward(self, **by: float) -> None:
        self.memory[:] = AHEAD.pack(self.ahead + timedelta(**by).total_seconds())
