"""Answers that are believed for a moment, so that a burst of requests asks once."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

Value = TypeVar("Value")
AT_MOST = 2_000


class Recent(Generic[Value]):
    """Remembers a value for ``seconds``; forgets everything when it holds too much. An error is not remembered."""

    def __init__(self, seconds: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.seconds = seconds
        self.monotonic = monotonic
        self.known: dict[Hashable, tuple[float, Value]] = {}

    def get(self, key: Hashable, ask: Callable[[], Value]) -> Value:
        asked_at = self.monotonic()
        found = self.known.get(key)
        if found is not None and asked_at - found[0] < self.seconds:
            return found[1]
        value = ask()
        if len(self.known) >= AT_MOST:
            self.known.clear()
        self.known[key] = (asked_at, value)
        return value
