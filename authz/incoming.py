"""What has come of a request: whether it is all there, told without reading more of it than its length.

Whoever sends a body only when it is asked for is asked (RFC 9110 §10.1.1).
"""

from __future__ import annotations

import re
from enum import Enum, auto
from typing import TYPE_CHECKING

from gunicorn.http.unreader import SocketUnreader

if TYPE_CHECKING:
    import socket

MOST = 288 * 1024  # bytes of a request that are waited for: its body, and a head; no endpoint takes more
AT_ONCE = 64 * 1024
LONGEST_LINE = 8_190  # of a chunk's size; and all trailers together, which nobody here reads
END_OF_HEAD = re.compile(rb"\n\r?\n")
LENGTH = re.compile(rb"\ncontent-length:[ \t]*([0-9]{1,18})[ \t]*\r?(?=\n)")
CODING = re.compile(rb"\ntransfer-encoding[ \t]*:")
EXPECTATION = re.compile(rb"\nexpect:([^\n]*)")
CONTINUE = b"100-continue"
KNOWS_CONTINUE = re.compile(rb" http/1\.[1-9]$")  # RFC 9110 §10.1.1: HTTP/1.0 does not
GO_ON = b"HTTP/1.1 100 Continue\r\n\r\n"
SIZE = re.compile(rb"([0-9a-fA-F]{1,8})[ \t]*(?:;.*)?")


class Come(Enum):
    """``ALL`` is also what can't become a request any more: a thread refuses it at once."""

    PART = auto()
    ALL = auto()
    TOO_MUCH = auto()  # to wait for
    NOTHING = auto()  # and nothing will


class Incoming:
    """The bytes of one request, or of several in one packet; ``begun`` came with the one before."""

    def __init__(self, begun: bytes = b"") -> None:
        self.data = bytearray(begun)
        self.looked = 0  # so far for the end of the head, or of the trailers
        self.head_end = 0
        self.chunk = 0  # where the last one begins
        self.wanted: int | None = None  # bytes in all; None: chunks tell
        self.waits = False  # to be asked for the body
        self.was_asked = False

    def take(self, connection: socket.socket) -> Come:
        """Add what has come on a connection that does not block, and ask for the body of a client that waits for it.

        While a request that came with the one before has not been answered, no more is read.
        """
        if self.is_all():
            return Come.ALL
        is_over = False
        try:
            part = connection.recv(AT_ONCE)
            is_over = not part
            self.data += part
        except BlockingIOError:
            pass
        except OSError:  # reset
            return Come.NOTHING
        if self.is_all():
            return Come.ALL
        if is_over:
            return Come.ALL if self.data else Come.NOTHING  # it breaks off here, as the thread will see
        if max(len(self.data), self.wanted or 0) > MOST:
            return Come.TOO_MUCH
        return Come.PART if not self.waits or self.ask(connection) else Come.NOTHING

    def ask(self, connection: socket.socket) -> bool:
        """Once; False if the client has gone, or takes no answers."""
        self.waits, self.was_asked = False, True
        try:
            return connection.send(GO_ON) == len(GO_ON)
        except OSError:
            return False

    def is_all(self) -> bool:
        if not self.head_end:
            self.find_head()
        if not self.head_end:
            return False
        if self.wanted is not None:
            return len(self.data) >= self.wanted
        return self.has_last_chunk()

    def find_head(self) -> None:
        """An empty line more than the one that may come before a request ends it: the parser refuses that."""
        self.head_end = self.chunk = self.after_empty_line(0)
        if not self.head_end:
            return
        head = bytes(self.data[: self.head_end]).lower()
        expected = [value.strip() for value in EXPECTATION.findall(head)]
        if set(expected) - {CONTINUE}:
            self.wanted = self.head_end  # the parser refuses it
            return
        self.waits = bool(expected) and KNOWS_CONTINUE.search(head.strip().partition(b"\n")[0].rstrip()) is not None
        if CODING.search(head):
            return
        lengths = LENGTH.findall(head)
        self.wanted = self.head_end + (int(lengths[0]) if len(lengths) == 1 else 0)

    def after_empty_line(self, begin: int) -> int:
        """Where the first one ends, or 0; what was searched is not searched again."""
        found = END_OF_HEAD.search(self.data, max(begin, self.looked - 2))
        if found is None:
            self.looked = len(self.data)
            return 0
        return found.end()

    def has_last_chunk(self) -> bool:
        """RFC 9112 §7.1; true also for what is no chunk, and for what is too long."""
        while (end := self.data.find(b"\n", self.chunk, self.chunk + LONGEST_LINE)) >= 0:
            line = bytes(self.data[self.chunk : end])
            size = SIZE.fullmatch(line.removesuffix(b"\r"))
            if size is None or not line.endswith(b"\r"):
                return True
            if not int(size[1], 16):
                if self.after_empty_line(end):
                    return True
                break
            after = end + 1 + int(size[1], 16) + 2
            if len(self.data) < after:
                return False
            if self.data[after - 2 : after] != b"\r\n":
                return True
            self.chunk = after
        return len(self.data) - self.chunk > LONGEST_LINE


class Arrived(SocketUnreader):
    """What gunicorn's parser reads from: when a request is all there it gets no more, whatever end it looks for itself.

    Two parsers that see the end in different places would else let a stranger keep a thread waiting.
    """

    is_all = False
    ran_dry = False  # it looked for more: where the next request begins is unknown

    def chunk(self, size_hint: int | None = None) -> bytes:
        if self.is_all:
            self.ran_dry = True
            return b""
        part: bytes = super().chunk(size_hint)
        return part
