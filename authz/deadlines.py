"""An end to the patience with a connection that a thread reads or writes (security.md HP-14)."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

EXCHANGE_SECONDS = 10.0  # to send a request and to take its answer; what this server does in between is far quicker
LOOK_SECONDS = 1.0


class Deadlines:
    """Shuts down connections whose time is over; a thread that waits for such a peer is free again at once.

    A time-out of the socket would not do: it begins anew with every byte that a slow peer sends.
    """

    def __init__(self, seconds: float = EXCHANGE_SECONDS) -> None:
        self.seconds = seconds
        self.ends: dict[socket.socket, float] = {}
        self.lock = threading.Lock()

    @contextmanager
    def watch(self, connection: socket.socket) -> Iterator[None]:
        with self.lock:
            self.ends[connection] = time.monotonic() + self.seconds
        try:
            yield
        finally:
            with self.lock:
                del self.ends[connection]

    def enforce(self, monotonic: float) -> None:
        """Shut down, in both directions, what should have ended by ``monotonic``."""
        with self.lock:
            overdue = [connection for connection, end in self.ends.items() if end <= monotonic]
            for connection in overdue:
                with suppress(OSError):  # the peer may have gone by itself
                    connection.shutdown(socket.SHUT_RDWR)

    def run(self) -> None:
        while True:
            time.sleep(LOOK_SECONDS)
            self.enforce(time.monotonic())
