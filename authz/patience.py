"""Connections that gunicorn's main loop waits for beside all the others, none of them for long (security.md HP-14)."""

from __future__ import annotations

import time
from collections import deque
from itertools import takewhile
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from selectors import BaseSelector


class Patience:
    """Waits ``seconds`` for each connection until something can be done with it, or it is given up."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.waiting: deque[Any] = deque()

    def wait(self, conn: Any, poller: BaseSelector, events: int, then: Callable[..., None]) -> None:
        conn.since = time.monotonic()
        conn.timeout = conn.since + self.seconds
        poller.register(conn.sock, events, then)
        self.waiting.append(conn)

    def end(self, conn: Any, poller: BaseSelector) -> None:
        self.waiting.remove(conn)
        poller.unregister(conn.sock)

    def overdue(self) -> list[Any]:
        now = time.monotonic()
        return list(takewhile(lambda conn: conn.timeout <= now, self.waiting))
