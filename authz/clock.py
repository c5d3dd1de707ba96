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
MOST_SECONDS = 3 * 3600.0  # that a wrong clock, put right, may leave the time ahead


class SteadyClock:
    """This process's time, in UTC.

    The machine's clock, but where that was set back the time goes on from where it was, at half its pace, until the
    machine's has caught up: an hour that is taken back costs two hours of a time that is ahead, and nothing that was
    over in between works again. More than three hours were a mistake, which must not go on: they are taken back. So
    does a start, which takes the machine's clock as it is.
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
            if at_least - now > MOST_SECONDS:
                log.error("the machine's clock was set back by %.0f s: this server goes back with it", at_least - now)
                at_least = now
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
