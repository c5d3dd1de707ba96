"""What is read from SQL again and again, and changes once in a while."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Generic, TypeVar

from sqlalchemy import event

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.orm import Session

SECONDS = 1.0
T = TypeVar("T")


class Remembered(Generic[T]):
    """The result of ``read`` for a second: a change by another process is seen then, one by this process at once."""

    def __init__(self, read: Callable[[], T], monotonic: Callable[[], float] = time.monotonic) -> None:
        self.read = read
        self.monotonic = monotonic
        self.lock = threading.Lock()
        self.kept: tuple[float, T] | None = None
        self.changes = 0

    def value(self) -> T:
        """Raises what ``read`` raises."""
        asked_at, kept, changes = self.monotonic(), self.kept, self.changes
        if kept is not None and asked_at - kept[0] < SECONDS:
            return kept[1]
        found = self.read()
        with self.lock:
            if changes == self.changes:  # else it may have been read before what was committed meanwhile
                self.kept = (asked_at, found)
        return found

    def forget_after(self, session: Session) -> None:
        """Read again once this transaction is committed."""
        event.listen(session, "after_commit", self.forget, once=True)

    def forget(self, *_: object) -> None:
        with self.lock:
            self.kept = None
            self.changes += 1
