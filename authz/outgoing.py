"""An answer is put together before it goes out, and no thread waits for a peer that does not take it (HP-14)."""

from __future__ import annotations

import socket
from typing import IO, Any

MOST_KEPT = 256 * 1024  # bytes of an answer; more than that is written by the thread


class Outgoing:
    """Takes the place of a connection while an answer is written to it."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.data = bytearray()

    def sendall(self, data: bytes) -> None:
        self.data += data
        if len(self.data) > MOST_KEPT:
            self.connection.sendall(self.data)
            self.data.clear()

    def sendfile(self, file: IO[bytes], offset: int = 0, count: int | None = None) -> int:
        file.seek(offset)
        data = file.read(-1 if count is None else count)
        self.sendall(data)
        return len(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.connection, name)

    def rest(self) -> bytes:
        """Send what the peer has room for; returns the rest. Raises OSError if the peer has gone."""
        return after_sending(self.connection, bytes(self.data)) if self.data else b""


def after_sending(connection: socket.socket, data: bytes) -> bytes:
    """What is left of it when the peer has no more room. Raises OSError if the peer has gone."""
    try:
        return data[connection.send(data, socket.MSG_DONTWAIT) :]
    except BlockingIOError:
        return data
