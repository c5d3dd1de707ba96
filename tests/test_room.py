"""Who gives up a place where all are taken, and who does not (security.md HP-14, HP-19)."""

from __future__ import annotations

import selectors
import socket
import time
from collections import deque
from concurrent.futures import Future
from contextlib import ExitStack
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from gunicorn.config import Config
from gunicorn.workers.gthread import TConn

from authz.patience import Patience
from authz.worker import PART_SECONDS, DeadlineWorker

if TYPE_CHECKING:
    from collections.abc import Iterator

ANSWER = bytes(4_000_000)
HALF = b"POST /token HTTP/1.1\r\nContent-Le"


class Crowded:
    """A worker whose places are all taken: each peer does what it is told, when it is told."""

    def __init__(self, stack: ExitStack) -> None:
        self.stack, self.now = stack, 1000.0
        self.worker = object.__new__(DeadlineWorker)
        self.worker.cfg, self.worker.alive = Config(), True
        self.worker.poller = selectors.DefaultSelector()
        self.worker.sending, self.worker.parting = Patience(10), Patience(PART_SECONDS)
        self.worker.unfinished, self.worker.pending_conns, self.worker.keepalived_conns = set(), deque(), deque()
        self.worker.nr_conns = self.worker.worker_connections = 0
        self.conns: dict[str, Any] = {}
        self.peers: dict[str, socket.socket] = {}
        stack.callback(self.worker.poller.close)

    def come(self, name: str) -> Any:
        ours, self.peers[name] = socket.socketpair()
        self.stack.callback(ours.close)
        self.stack.callback(self.peers[name].close)
        conn = self.conns[name] = TConn(self.worker.cfg, ours, "", "")
        conn.rest, self.worker.nr_conns = (), self.worker.nr_conns + 1
        self.worker.worker_connections = self.worker.nr_conns
        return conn

    def asks(self, name: str, sent: bytes) -> None:
        """It sends this much of a request, or nothing."""
        conn = self.come(name)
        self.peers[name].sendall(sent)
        self.worker.enqueue_req(conn)

    def is_answered(self, name: str, *, rest: bytes = b"", is_kept: bool = True) -> None:
        """It has had its answer, but for the rest."""
        conn, done = self.come(name), Future[bool]()
        conn.parser = SimpleNamespace(unreader=SimpleNamespace(buf=SimpleNamespace(getvalue=lambda: b"")))
        conn.rest = (memoryview(rest),) if rest else ()
        done.set_result(is_kept)
        self.worker.finish_request(conn, done)
        self.look()

    def takes(self, name: str) -> None:
        """As much of the answer as there is."""
        self.peers[name].recv(1_000_000)
        self.look()

    def look(self) -> None:
        for key, _ in self.worker.poller.select(0):
            key.data(key.fileobj)

    def gone(self) -> list[str]:
        """Whom the worker hangs up on to make room for one."""
        before = [name for name, conn in self.conns.items() if conn.sock.fileno() >= 0]
        self.worker.nr_conns = self.worker.worker_connections
        self.worker.wait_for_and_dispatch_events(0)
        gone = [name for name in before if self.conns[name].sock.fileno() < 0]
        assert self.worker.nr_conns == self.worker.worker_connections - len(gone)
        assert len(self.worker.poller.get_map()) == len(before) - len(gone)
        return gone


@pytest.fixture
def crowded(monkeypatch: pytest.MonkeyPatch) -> Iterator[Crowded]:
    with ExitStack() as stack:
        made = Crowded(stack)
        monkeypatch.setattr(time, "monotonic", lambda: made.now)
        yield made


def test_who_takes_no_answer_gives_way_after_a_second(crowded: Crowded) -> None:
    """HP-14: those who take nothing of an answer keep nobody out, the first of them first."""
    crowded.is_answered("first", rest=ANSWER)
    crowded.now += 0.5
    crowded.is_answered("second", rest=ANSWER)
    crowded.now += 0.4
    assert crowded.gone() == []
    crowded.now += 0.7
    assert [crowded.gone(), crowded.gone(), crowded.gone()] == [["first"], ["second"], []]


def test_who_does_not_hang_up_gives_way_after_a_second(crowded: Crowded) -> None:
    """HP-14, RFC 9112 §9.6: until then it may be told why it was refused, while it still sends."""
    crowded.is_answered("parting", is_kept=False)
    crowded.now += 0.9
    assert crowded.gone() == []
    crowded.now += 0.2
    assert [crowded.gone(), crowded.gone()] == [["parting"], []]


def test_who_takes_an_answer_slowly_stays_longer_than_those_who_take_nothing(crowded: Crowded) -> None:
    """HP-14: a phone on a bad network gets on, if seldom."""
    crowded.is_answered("phone", rest=ANSWER)
    crowded.now += 0.5
    crowded.is_answered("attacker", rest=ANSWER)
    for _ in range(3):
        crowded.now += 0.8
        crowded.takes("phone")
    assert crowded.gone() == ["attacker"]


def test_who_takes_some_of_an_answer_each_second_stays(crowded: Crowded) -> None:
    """HP-14: and no longer; of two the one that took some longest ago goes first."""
    for name in ("one", "other"):
        crowded.is_answered(name, rest=ANSWER)
    for _ in range(3):
        crowded.now += 0.4
        crowded.takes("other")
        crowded.now += 0.4
        crowded.takes("one")
        assert crowded.gone() == []
    crowded.now += 1
    assert [crowded.gone(), crowded.gone()] == [["other"], ["one"]]


def test_who_loses_nothing_gives_way_before_an_answer_is_cut_off(crowded: Crowded) -> None:
    """HP-14: a connection that has sent nothing, then one that rests, then the slowest of the others."""
    crowded.is_answered("phone", rest=ANSWER)
    crowded.now += 0.1
    crowded.asks("half", HALF)
    crowded.now += 3
    crowded.is_answered("resting")
    crowded.asks("silent", b"")
    crowded.now += 0.2
    order = [crowded.gone() for _ in range(5)]
    assert order == [["silent"], ["resting"], ["phone"], ["half"], []]


def test_half_a_request_gives_way_before_an_answer_that_is_being_taken(crowded: Crowded) -> None:
    """HP-14: a byte of a request now and then does not count."""
    crowded.asks("half", HALF)
    crowded.is_answered("phone", rest=ANSWER)
    for _ in range(2):
        crowded.now += 0.8
        crowded.peers["half"].sendall(b"n")
        crowded.takes("phone")
    assert [crowded.gone(), crowded.gone()] == [["half"], []]


def test_who_has_only_just_come_is_not_hung_up_on(crowded: Crowded) -> None:
    """HP-14: else those who take no answers would cost everybody a place whose request is not there at once."""
    crowded.is_answered("attacker", rest=ANSWER)
    crowded.is_answered("parting", is_kept=False)
    crowded.now += 0.9
    crowded.asks("new", b"")
    assert crowded.gone() == []
    crowded.now += 0.09
    assert crowded.gone() == []
    crowded.now += 0.02
    assert [crowded.gone(), crowded.gone(), crowded.gone()] == [["new"], ["attacker"], ["parting"]]


def test_where_there_is_room_nobody_gives_way(crowded: Crowded) -> None:
    """HP-14: however slow; nor in a worker that stops, where nobody comes any more."""
    crowded.is_answered("phone", rest=ANSWER)
    crowded.now += 9
    crowded.worker.worker_connections += 1
    crowded.worker.wait_for_and_dispatch_events(0)
    assert crowded.worker.sending.waiting == deque([crowded.conns["phone"]])
    crowded.worker.alive, crowded.worker.worker_connections = False, 1
    assert crowded.gone() == []
