"""A load client that costs little: one connection kept alive, each answer compared byte by byte."""

from __future__ import annotations

import socket
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self
from urllib.parse import urlencode, urlsplit

from tests.actors import FORM, basic

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

END_OF_HEADERS = b"\r\n\r\n"
LENGTH = b"content-length: "


@dataclass(frozen=True)
class Request:
    """A form that is posted again and again; ``expected`` is the body that must come back."""

    raw: bytes
    expected: bytes

    @classmethod
    def prepare(cls, url: str, form: Mapping[str, str], caller: tuple[str, str]) -> Self:
        """Ask once; the answer must be good, and all the others the same."""
        parts = urlsplit(url)
        body = urlencode(form).encode()
        headers = {"Host": parts.netloc, "Content-Type": FORM, "Content-Length": str(len(body)), **basic(*caller)}
        lines = [f"POST {parts.path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
        raw = "\r\n".join(lines).encode() + END_OF_HEADERS + body
        with Connection(parts.hostname or "", parts.port or 80) as connection:
            answer = connection.ask(raw)
        assert b'"active":true' in answer, answer
        return cls(raw, answer)


class Connection:
    def __init__(self, host: str, port: int) -> None:
        self.socket = socket.create_connection((host, port), timeout=10)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.socket.close()

    def ask(self, raw: bytes) -> bytes:
        self.socket.sendall(raw)
        received = b""
        while END_OF_HEADERS not in received:
            received += self.more()
        head, _, body = received.partition(END_OF_HEADERS)
        _, _, rest = head.lower().partition(LENGTH)
        length = int(rest.partition(b"\r\n")[0])
        while len(body) < length:
            body += self.more()
        return body

    def more(self) -> bytes:
        part = self.socket.recv(65_536)
        assert part, "the server has closed the connection"
        return part

    def seconds(self, request: Request, times: int) -> float:
        """How long so many take, one after the other."""
        begun = time.perf_counter()
        for _ in range(times):
            answer = self.ask(request.raw)
            assert answer == request.expected, answer
        return time.perf_counter() - begun
