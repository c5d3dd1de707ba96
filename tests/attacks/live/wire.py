"""Kept-open connections, of which we know the worker at the other end: what one has answered the other must know too.

A request goes out byte for byte as a case wrote it; no library tidies its address, and a header may come twice.
"""

from __future__ import annotations

import os
import select
import signal
from contextlib import contextmanager, suppress
from http.client import HTTPConnection
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING

from tests.transport import Reply

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterable, Iterator

    Headers = Iterable[tuple[str, str]]

ATTEMPTS = 20
SECONDS = 30


class Wire:
    """Connections to a server on loopback; ``source`` is the address that they come from."""

    def __init__(self, port: int, workers: list[int], source: str = "127.0.0.1") -> None:
        self.port = port
        self.source = source
        self.open: dict[int, HTTPConnection] = {}
        self.answered: set[int] = set()
        self.begin_with(workers)

    def begin_with(self, workers: list[int]) -> None:
        self.close()
        self.workers = workers
        self.turn = cycle(workers)

    def send(self, method: str, target: str, headers: Headers, body: bytes, worker: int | None = None) -> Reply:
        """Ask the workers in turn, or the one that is named."""
        asked = next(self.turn) if worker is None else worker
        connection = self.connection(asked)
        connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
        for name, value in headers:
            connection.putheader(name, value.encode("latin-1", "replace") if isinstance(value, str) else value)
        connection.endheaders(body or None)
        answer = connection.getresponse()
        self.answered.add(asked)
        found: dict[str, list[str]] = {}
        for name, value in answer.getheaders():
            found.setdefault(name.lower(), []).append(value)
        return Reply(answer.status, found, answer.read())

    def connection(self, worker: int) -> HTTPConnection:
        """One that is open still, or a new one, for which the others sleep: which of them accepts, the kernel says."""
        held = self.open.get(worker)
        if held is not None and held.sock is not None and not is_over(held.sock):
            return held
        for _ in range(ATTEMPTS):
            made = HTTPConnection("127.0.0.1", self.port, timeout=SECONDS, source_address=(self.source, 0))
            with asleep(pid for pid in self.workers if pid != worker):
                made.request("GET", "/healthz")
                made.getresponse().read()
            accepted = self.worker_of(made)
            if accepted is not None and (old := self.open.pop(accepted, None)) is not None:
                old.close()
            if accepted is not None:
                self.open[accepted] = made
            if accepted == worker:
                return made
        raise AssertionError(f"worker {worker} accepts no connection")

    def worker_of(self, connection: HTTPConnection) -> int | None:
        """Whose socket is at the other end, as the kernel tells it."""
        ours: socket.socket = connection.sock
        mine = f":{ours.getsockname()[1]:04X}"
        theirs = f":{self.port:04X}"
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
            local, remote, inode = (line.split()[part] for part in (1, 2, 9))
            if local.endswith(theirs) and remote.endswith(mine):
                return next((pid for pid in self.workers if has_open(pid, f"socket:[{inode}]")), None)
        return None

    def close(self) -> None:
        for connection in self.open.values():
            connection.close()
        self.open.clear()


@contextmanager
def asleep(pids: Iterable[int]) -> Iterator[None]:
    """Processes that do nothing meanwhile."""
    stopped = list(pids)
    try:
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        yield
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)


def children(pid: int) -> list[int]:
    """The processes that a process has started: the workers of a gunicorn."""
    return sorted(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))


def is_over(sock: socket.socket) -> bool:
    """Whether the server has closed it: there is something to read although nothing was asked."""
    return bool(select.select([sock], [], [], 0)[0])


def has_open(pid: int, name: str) -> bool:
    for path in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed since the folder was read
            if str(path.readlink()) == name:
                return True
    return False
