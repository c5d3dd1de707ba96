"""Answers that are believed for a moment, so that a burst of requests asks once."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Generic, TypeVar

from sqlalchemy import event

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from sqlalchemy.orm import Session

Value = TypeVar("Value")
AT_MOST = 2_000
A_SECOND = 1.0  # for what is in SQL: a change by another process is seen then, one by this process at once


class Recent(Generic[Value]):
    """Remembers a value for ``seconds``; forgets everything when it holds too much. An error is not remembered."""

    def __init__(self, seconds: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.seconds = seconds
        self.monotonic = monotonic
        self.lock = threading.Lock()
        self.known: dict[Hashable, tuple[float, Value]] = {}
        self.changes = 0

    def get(self, key: Hashable, ask: Callable[[], Value]) -> Value:
        """Raises what ``ask`` raises."""
        asked_at, found, changes = self.monotonic(), self.known.get(key), self.changes
        if found is not None and asked_at - found[0] < self.seconds:
            return found[1]
        value = ask()
        with self.lock:
            if changes == self.changes:  # else it may have been read before what was committed meanwhile
                if len(self.known) >= AT_MOST:
                    self.known.clear()
                self.known[key] = (asked_at, value)
        return value

    def forget_after(self, session: Session) -> None:
        """Ask again once this transaction is committed."""
        event.listen(session, "after_commit", self.forget, once=True)

    def forget(self, *_: object) -> None:
        with self.lock:
            self.known.clear()
            self.changes += 1
