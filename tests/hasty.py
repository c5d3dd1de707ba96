"""Workers of less patience or room than the real one, for a test that waits until it is over."""

from __future__ import annotations

import socket

from authz.worker import DeadlineWorker


class HastyWorker(DeadlineWorker):
    exchange_seconds = 1.0


class NarrowWorker(DeadlineWorker):
    """Its connections hold a few kilobytes, and not megabytes, of what a peer has not taken."""

    def init_process(self) -> None:
        for listener in self.sockets:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)
        super().init_process()
