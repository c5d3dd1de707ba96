"""Somebody on this machine who must hear nothing, and somebody whose address a request may claim to come from."""

from __future__ import annotations

import random
import socket
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.transport import Reply, Transport

DICE = random.Random(11)  # noqa: S311  the same addresses each time


@dataclass
class Canary:
    """A listener on every address of this machine that notes who connects."""

    port: int
    heard: list[str] = field(default_factory=list)

    def addresses(self) -> list[str]:
        """What all stands for this machine, one way or another."""
        hosts = [
            *("127.0.0.1", "localhost", "0.0.0.0", "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]"),  # noqa: S104
            *("2130706433", "127.1", "0x7f.0.0.1", "0177.0.0.1", "[64:ff9b::7f00:1]", "[2002:7f00:1::]"),
        ]
        return [f"https://{host}:{self.port}/x" for host in hosts] + [f"http://127.0.0.1:{self.port}/x"]


@contextmanager
def canary() -> Iterator[Canary]:
    listener = socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True)
    made = Canary(listener.getsockname()[1])

    def listen() -> None:
        while True:
            try:
                connection, peer = listener.accept()
            except OSError:
                return
            made.heard.append(str(peer))
            connection.close()

    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)


@dataclass
class FromAnywhere:
    """Each request comes from an address of its own, as a trusted proxy tells it; or all from one."""

    through: Transport
    address: str = ""

    def __post_init__(self) -> None:
        self.issuer = self.through.issuer

    def send(self, method: str, url: str, headers: Mapping[str, str] | None = None, body: bytes = b"") -> Reply:
        address = self.address or ".".join(str(DICE.randrange(1, 250)) for _ in range(4))
        return self.through.send(method, url, {**(headers or {}), "X-Forwarded-For": address}, body)
