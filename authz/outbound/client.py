"""One request, one answer, within a time and a size: no redirect, no cookie, no proxy, no encoding."""

from __future__ import annotations

import io
import ssl
import time
from dataclasses import dataclass, field
from functools import cached_property
from http.client import HTTPException
from typing import TYPE_CHECKING, Any, cast

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError

from authz.outbound.failure import FetchFailed
from authz.outbound.target import Guard, Target, resolve

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Mapping

    from authz.settings import Network

MAX_HEADERS = 32 * 1024  # bytes of an answer beside its body, its chunk marks included


@dataclass(frozen=True, slots=True)
class Limits:
    """What one exchange may cost, looking up the name included."""

    seconds: float = 5.0
    max_bytes: int = 100_000  # of the body


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: dict[str, str]  # names in lower case; a repeated one with all its values, after commas
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Sent:
    method: str
    headers: dict[str, str]
    body: bytes | None = field(default=None, repr=False)


class Outbound:
    """``trusted`` says that the administrator registered the address, not a client (see ``target``)."""

    def __init__(
        self,
        networks: tuple[Network, ...] = (),
        *,
        resolver: Callable[[str], list[str]] = resolve,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.guard = Guard(networks, resolver, monotonic)
        self.monotonic = monotonic

    @cached_property
    def tls(self) -> ssl.SSLContext:
        """The machine's authorities, read with the first https address (20 ms); TLS 1.2 or newer."""
        return ssl.create_default_context()

    def get(
        self, url: str, *, headers: Mapping[str, str] | None = None, trusted: bool = False, limits: Limits | None = None
    ) -> Answer:
        """Ask for a document. Any status is an answer. Raises FetchFailed."""
        return self.exchange(url, Sent("GET", dict(headers or {})), limits or Limits(), trusted=trusted)

    def post(
        self,
        url: str,
        body: bytes,
        *,
        headers: Mapping[str, str] | None = None,
        trusted: bool = False,
        limits: Limits | None = None,
    ) -> Answer:
        """Send a body; its ``Content-Type`` stands in ``headers``. Any status is an answer. Raises FetchFailed."""
        return self.exchange(url, Sent("POST", dict(headers or {}), body), limits or Limits(), trusted=trusted)

    def exchange(self, url: str, sent: Sent, limits: Limits, *, trusted: bool) -> Answer:
        ends_at = self.monotonic() + limits.seconds
        target = Target.parse(url)
        addresses = self.guard.addresses(target, trusted=trusted, seconds=limits.seconds)
        problem: Exception | None = None
        for address in addresses:
            line = Line(self.monotonic, ends_at, limits.max_bytes + MAX_HEADERS)
            try:
                connection = self.connected(target, address, line.left())
            except (HTTPError, OSError) as error:
                problem = error
                continue
            try:
                return answered(connection, line, target, sent, limits.max_bytes)
            except (HTTPError, HTTPException, OSError, ValueError) as error:
                raise FetchFailed(f"the exchange with {address} failed: {error}") from error
            finally:
                line.hang_up()
        raise FetchFailed(f"no connection: {problem}") from problem

    def connected(self, target: Target, address: str, seconds: float) -> HTTPConnection:
        """Connect to the checked address; the certificate must be of the name."""
        if target.scheme == "http":
            connection = HTTPConnection(address, target.port, timeout=seconds)
        else:
            connection = HTTPSConnection(
                address, target.port, timeout=seconds, ssl_context=self.tls, server_hostname=target.host
            )
        try:
            connection.connect()
        except (HTTPError, OSError):
            connection.close()
            raise
        return connection


def answered(connection: HTTPConnection, line: Line, target: Target, sent: Sent, max_bytes: int) -> Answer:
    line.take(connection)
    headers = {"host": target.authority, "user-agent": "authz", "accept-encoding": "identity", "connection": "close"}
    headers |= {name.lower(): value for name, value in sent.headers.items()}
    connection.request(
        sent.method, target.path, body=sent.body, headers=headers, preload_content=False, decode_content=False
    )
    response = connection.getresponse()
    if response.headers.get("Content-Encoding", "identity").strip().lower() != "identity":
        raise FetchFailed("the answer is compressed, which was not asked for")
    body = b""
    while piece := response.read(max_bytes + 1, decode_content=False):  # the last, empty one tells a whole body
        body += piece
        if len(body) > max_bytes:
            raise FetchFailed(f"the answer is longer than {max_bytes} bytes")
    return Answer(response.status, {name.lower(): value for name, value in response.headers.itermerged()}, body)


class Line(io.RawIOBase):
    """A connection of which every byte counts, in time and in number; stands in for its socket.

    A limit for each read alone would let a peer send one byte at a time for ever.
    """

    def __init__(self, monotonic: Callable[[], float], ends_at: float, max_bytes: int) -> None:
        self.monotonic = monotonic
        self.ends_at = ends_at
        self.bytes_left = max_bytes
        self.socket: socket.socket | None = None

    def take(self, connection: HTTPConnection) -> None:
        self.socket = connection.sock
        connection.sock = cast("socket.socket", self)

    def left(self) -> float:
        """Seconds until the end. Raises TimeoutError."""
        left = self.ends_at - self.monotonic()
        if left <= 0:
            raise TimeoutError("out of time")
        return left

    def sendall(self, data: bytes) -> None:
        assert self.socket is not None
        self.socket.settimeout(self.left())
        self.socket.sendall(data)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        assert self.socket is not None
        self.socket.settimeout(self.left())
        count = self.socket.recv_into(buffer)
        self.bytes_left -= count
        if self.bytes_left < 0:
            raise ValueError("the answer is too long")
        return count

    def makefile(self, *_: object) -> io.BufferedReader:
        return io.BufferedReader(self)

    def settimeout(self, seconds: float | None) -> None:
        """The end is what it is, whatever the HTTP library would allow for one read."""

    def close(self) -> None:
        """Asked for as soon as the headers are read, while the body is still to come: see ``hang_up``."""

    def hang_up(self) -> None:
        if self.socket is not None:
            self.socket.close()
            self.socket = None
