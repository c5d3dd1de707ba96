"""The one load client: lanes that ask one question after the other, each on a connection of its own.

Every answer is checked before it counts; one that is wrong ends the run.
"""

from __future__ import annotations

import selectors
import socket
import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.load import END_OF_HEADERS, LENGTH

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from typing import TypeAlias

ANSWER_SECONDS = 10.0  # without any answer for so long a run is over


@dataclass(frozen=True)
class Question:
    raw: bytes
    expected: bytes  # stands in a good answer
    status: bytes = b"200"


if TYPE_CHECKING:
    # Is sent the body of each answer, and gives the next question; None while it has nothing that was not used.
    Source: TypeAlias = Generator[Question | None, bytes | None, None]


@dataclass
class Lane:
    """Goes on in the next round where it stopped: a refresh token is good once."""

    source: Source
    question: Question | None = None
    heard: bytes | None = None

    def has_more(self) -> bool:
        """Whether there is a question. It is made when it is asked: codes and assertions are not good for long."""
        if self.question is None:
            self.question, self.heard = self.source.send(self.heard), None
        return self.question is not None

    def check(self, head: bytes, body: bytes) -> None:
        asked = self.question
        assert asked is not None
        told = head if asked.status == b"303" else body.replace(b'": ', b'":')  # a redirect says it in Location
        good = head.startswith(b"HTTP/1.1 " + asked.status + b" ") and asked.expected in told
        assert good, f"{asked.raw!r}\nwas answered\n{head!r}\n{body!r}"
        self.question, self.heard = None, body


@dataclass(frozen=True)
class Outcome:
    seconds: float
    latencies: list[float]  # seconds, of each answer

    @property
    def per_second(self) -> float:
        return len(self.latencies) / self.seconds

    def percentile(self, share: float) -> float:
        return sorted(self.latencies)[int(share * (len(self.latencies) - 1))]


@dataclass
class Asking:
    lane: Lane
    socket: socket.socket
    asked_at: float = 0.0
    received: bytes = b""

    def ask(self) -> None:
        assert self.lane.question is not None
        self.received = b""
        self.asked_at = time.perf_counter()
        self.socket.sendall(self.lane.question.raw)

    def take(self) -> bool:
        """Read what is there; whether it is a whole answer, and good."""
        part = self.socket.recv(262_144)
        assert part, f"the server hung up after {self.lane.question!r}"
        self.received += part
        head, end, body = self.received.partition(END_OF_HEADERS)
        if not end:
            return False
        _, has_length, rest = head.lower().partition(LENGTH)
        assert has_length, head
        if len(body) < int(rest.partition(b"\r\n")[0]):
            return False
        self.lane.check(head, body)
        return True


def load(port: int, lanes: Sequence[Lane], seconds: float) -> Outcome:
    """Each lane asks again as soon as it is answered, until the time is over or it has nothing more to ask.

    All that is asked is waited for.
    """
    latencies: list[float] = []
    with ExitStack() as stack:
        selector = stack.enter_context(selectors.DefaultSelector())
        for lane in (one for one in lanes if one.has_more()):
            connection = socket.create_connection(("127.0.0.1", port), timeout=ANSWER_SECONDS)
            stack.enter_context(connection)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            selector.register(connection, selectors.EVENT_READ, Asking(lane, connection))
        begun = time.perf_counter()
        for key in selector.get_map().values():
            key.data.ask()
        while selector.get_map():
            ready = selector.select(ANSWER_SECONDS)
            assert ready, "no answer"
            for key, _ in ready:
                asking: Asking = key.data
                if not asking.take():
                    continue
                now = time.perf_counter()
                latencies.append(now - asking.asked_at)
                if now - begun < seconds and asking.lane.has_more():
                    asking.ask()
                else:
                    selector.unregister(asking.socket)
        return Outcome(time.perf_counter() - begun, latencies)
