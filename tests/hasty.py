"""Workers of less patience, room or wit than the real one, for a test that needs that."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

from authz.incoming import Come
from authz.worker import DeadlineWorker

if TYPE_CHECKING:
    from authz.incoming import Incoming


class HastyWorker(DeadlineWorker):
    exchange_seconds = 1.0


class NarrowWorker(DeadlineWorker):
    """Its connections hold a few kilobytes, and not megabytes, of what a peer has not taken."""

    def init_process(self) -> None:
        for listener in self.sockets:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)
        super().init_process()


class CredulousWorker(DeadlineWorker):
    """It takes a head for a whole request, as one would that reads a length otherwise than gunicorn's parser."""

    def come(self, conn: Any) -> Come:
        incoming: Incoming = conn.incoming
        come = incoming.take(conn.sock)
        return Come.ALL if come is Come.PART and incoming.head_end else come
