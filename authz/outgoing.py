"""An answer is put together before it goes out, and no thread waits for a peer that does not take it (HP-14)."""

from __future__ import annotations

import socket
from typing import IO, Any

MOST_KEPT = 256 * 1024  # bytes that are put together here; a thread writes more than that
MOST_SHARED = 8 * 1024 * 1024  # bytes that came in one piece: they are not copied, and mostly the same for everybody
FULL = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

Parts = tuple[memoryview, ...]


class Outgoing:
    """Takes the place of a connection while an answer is written to it."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.parts: list[bytes | bytearray] = []
        self.last = bytearray()

    def sendall(self, data: bytes) -> None:
        if MOST_KEPT < len(data) <= MOST_SHARED and not self.parts:
            self.parts, self.last = [self.last, data], bytearray()
            return
        self.last += data
        if len(self.last) > MOST_KEPT:
            for part in (*self.parts, self.last):
                self.connection.sendall(part)
            self.parts, self.last = [], bytearray()

    def sendfile(self, file: IO[bytes], offset: int = 0, count: int | None = None) -> int:
        file.seek(offset)
        data = file.read(-1 if count is None else count)
        self.sendall(data)
        return len(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.connection, name)

    def rest(self) -> Parts:
        """Send what the peer has room for; returns the rest. Raises OSError if the peer has gone."""
        parts = tuple(memoryview(part) for part in (*self.parts, self.last) if part)
        return after_sending(self.connection, parts) if parts else ()


def after_sending(connection: socket.socket, parts: Parts) -> Parts:
    """What is left of them when the peer has no more room. Raises OSError if the peer has gone."""
    try:
        sent = connection.sendmsg(parts, (), socket.MSG_DONTWAIT)
    except BlockingIOError:
        return parts
    left = []
    for part in parts:
        if sent < len(part):
            left.append(part[sent:])
        sent = max(0, sent - len(part))
    return tuple(left)
