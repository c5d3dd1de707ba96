"""The time, which never goes back: what has expired stays so (security.md I10, R-15)."""

from __future__ import annotations

import logging
import threading
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger(__name__)
SLOWER = 0.5  # of the time that passes, while the machine's clock is behind what was told already
NOTICEABLE_SECONDS = 1.0


class SteadyClock:
    """This process's time, in UTC.

    The machine's clock, but where that was set back the time goes on from where it was, at half its pace, until the
    machine's has caught up: an hour that is taken back costs two hours of a time that is ahead, and nothing that was
    over in between works again. A start takes the machine's clock as it is.
    """

    def __init__(self, machine: Callable[[], float] = time.time, elapsed: Callable[[], float] = time.monotonic) -> None:
        self.machine, self.elapsed = machine, elapsed
        self.lock = threading.Lock()
        self.told, self.told_at = machine(), elapsed()
        self.is_ahead = False

    def __call__(self) -> datetime:
        with self.lock:
            now, at = self.machine(), self.elapsed()
            at_least = self.told + (at - self.told_at) * SLOWER
            self.told, self.told_at = max(now, at_least), at
            ahead = self.told - now
            was_ahead, self.is_ahead = self.is_ahead, ahead > NOTICEABLE_SECONDS
            told = self.told
        if self.is_ahead and not was_ahead:
            log.warning(
                "the machine's clock was set back by %.0f s; until it has caught up, time goes slower here", ahead
            )
        return datetime.fromtimestamp(told, UTC)


utc_now = SteadyClock()
