"""A thread is not held by a peer that is slow on purpose (security.md 2.13 HP-14)."""

from __future__ import annotations

import selectors
import socket
import threading
import time
from collections import deque
from concurrent.futures import Future
from contextlib import ExitStack, closing, suppress
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from gunicorn.config import Config
from gunicorn.workers.gthread import TConn

from authz.deadlines import Deadlines
from authz.incoming import Come, Incoming
from authz.outgoing import MOST_KEPT, MOST_SHARED, Outgoing
from authz.patience import Patience
from authz.worker import MOST_DRAINED, MOST_HELD, SMALL, DeadlineWorker
from tests.servers import wait_until
from tests.test_server import COMMAND, FORM, HOST, serving, statuses
from tests.world import build, settings_in

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def test_a_connection_over_its_time_is_shut_down_under_the_thread_that_reads_it() -> None:
    deadlines = Deadlines(seconds=0)
    ours, peer = socket.socketpair()
    read: list[bytes] = []

    def reader() -> None:
        with deadlines.watch(ours):
            read.append(ours.recv(1))

    thread = threading.Thread(target=reader)
    with closing(ours), closing(peer):
        thread.start()
        wait_until(lambda: bool(deadlines.ends), "the reader")
        deadlines.enforce(time.monotonic())
        thread.join()
        assert read == [b""]
        assert peer.recv(1) == b""
    assert deadlines.ends == {}


def test_a_connection_within_its_time_is_left_alone() -> None:
    deadlines = Deadlines()
    ours, peer = socket.socketpair()
    with closing(ours), closing(peer):
        with deadlines.watch(ours):
            deadlines.enforce(time.monotonic())
            peer.sendall(b"a")
            assert ours.recv(1) == b"a"
        deadlines.enforce(time.monotonic() + 60)  # the exchange is over: the connection may be kept alive
        peer.sendall(b"b")
        assert ours.recv(1) == b"b"


def test_what_a_worker_holds_of_requests_that_are_not_all_there_is_bounded() -> None:
    """HP-14: a small one has room always; of large ones there is an end."""
    worker = object.__new__(DeadlineWorker)
    ours, peer = socket.socketpair()
    ours.setblocking(False)
    with closing(ours), closing(peer):
        incoming = Incoming(b"POST / HTTP/1.1\r\nContent-Length: 250000\r\n\r\n" + b"a" * SMALL)
        small = Incoming(b"POST / HTTP/1.1\r\nContent-Length: 250000\r\n\r\n")
        held = SimpleNamespace(incoming=SimpleNamespace(data=bytes(MOST_HELD)))
        worker.pending_conns = deque([held])
        assert worker.come(SimpleNamespace(incoming=incoming, sock=ours)) is Come.PART
        worker.pending_conns = deque([held, SimpleNamespace(incoming=incoming)])
        assert worker.come(SimpleNamespace(incoming=incoming, sock=ours)) is Come.TOO_MUCH
        assert worker.come(SimpleNamespace(incoming=small, sock=ours)) is Come.PART


def test_a_peer_that_has_gone_already_is_no_trouble() -> None:
    deadlines = Deadlines(seconds=0)
    ours, peer = socket.socketpair()
    peer.close()
    ours.close()
    with deadlines.watch(ours):
        deadlines.enforce(time.monotonic())


def test_more_slow_peers_than_threads_do_not_close_the_server(tmp_path: Path) -> None:
    """HP-14: half a request line, headers and a body, each a byte further now and then.

    The worker is the real one, but for the ten seconds that an exchange may take.
    """
    assert DeadlineWorker.exchange_seconds == 10.0
    made = build(settings_in(tmp_path))
    made.services.backend.close()
    post = b"POST /token HTTP/1.1\r\n" + HOST + FORM
    beginnings = [b"GET /healt", post + b"X-A: ", post + b"Content-Length: 9999\r\n\r\na="]
    hasty = "--worker-class tests.hasty.HastyWorker"
    with serving(tmp_path, WEB_THREADS="1", GUNICORN_CMD_ARGS=hasty) as server:
        held = [socket.create_connection(("127.0.0.1", server.port)) for _ in beginnings]
        try:
            for connection, beginning in zip(held, beginnings, strict=True):
                connection.sendall(beginning)

            def all_gone() -> bool:
                """Whether the server has hung up on every one of them, though they still send."""
                gone = 0
                for connection in held:
                    try:
                        connection.sendall(b"a")
                        connection.setblocking(False)
                        gone += connection.recv(65536) == b""
                    except BlockingIOError:
                        continue
                    except OSError:
                        gone += 1
                    finally:
                        connection.setblocking(True)
                time.sleep(0.2)
                return gone == len(held)

            wait_until(all_gone, "the slow peers to be cut off", 90)
        finally:
            for connection in held:
                connection.close()
        assert server.send(b"GET /healthz HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n").startswith(
            b"HTTP/1.1 200"
        )
        assert "Traceback" not in server.log.read_text()


def test_a_thread_reads_no_more_than_had_come_when_it_was_called(tmp_path: Path) -> None:
    """HP-14: were the end of a request misjudged, it is refused at once; what comes late is no request of its own."""
    made = build(settings_in(tmp_path))
    made.services.backend.close()
    misjudged = b"POST /token HTTP/1.1\r\n" + HOST + FORM + b"Content-Length: 9999\r\n\r\na=b"
    credulous = "--worker-class tests.hasty.CredulousWorker"
    with serving(tmp_path, WEB_THREADS="1", GUNICORN_CMD_ARGS=credulous) as server:
        with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
            connection.sendall(misjudged)
            answer = connection.recv(65536)
            with suppress(OSError):
                connection.sendall(b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n")
                while part := connection.recv(65536):
                    answer += part
        assert statuses(answer) == [b"400"]
        assert server.send(b"GET /healthz HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n").startswith(
            b"HTTP/1.1 200"
        )
        assert "Traceback" not in server.log.read_text()


def held_open(port: int, count: int, stack: ExitStack, sent: bytes = b"") -> None:
    for _ in range(count):
        held = stack.enter_context(closing(socket.create_connection(("127.0.0.1", port), timeout=20)))
        held.sendall(sent)


def test_connections_that_send_nothing_keep_nobody_out(tmp_path: Path) -> None:
    """HP-14: more of them than a worker has place for; who comes after them takes the place of the first."""
    made = build(settings_in(tmp_path))
    made.services.backend.close()
    with ExitStack() as stack, serving(tmp_path, GUNICORN_CMD_ARGS="--worker-connections 5") as server:
        for _ in range(3):
            held_open(server.port, 20, stack)
            answer = server.send(b"GET /healthz HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n")
            assert statuses(answer) == [b"200"]


@pytest.mark.parametrize("sent", [b"", b"G", b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"])
def test_a_crowd_at_a_full_worker_neither_ends_it_nor_keeps_others_out(tmp_path: Path, sent: bytes) -> None:
    """HP-14, HP-19: whoever has sent a byte, or has just been answered, gives way as well; at any moment of a round."""
    made = build(settings_in(tmp_path))
    made.services.backend.close()
    with ExitStack() as stack, serving(tmp_path, GUNICORN_CMD_ARGS="--worker-connections 5") as server:

        def crowd() -> None:
            for _ in range(60):
                with suppress(OSError), socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
                    connection.sendall(sent)

        threads = [threading.Thread(target=crowd) for _ in range(4)]
        held_open(server.port, 20, stack, sent)
        for thread in threads:
            thread.start()
        for _ in range(5):
            answer = server.send(b"GET /healthz HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n")
            assert statuses(answer) == [b"200"]
        for thread in threads:
            thread.join()
        log = server.log.read_text()
        assert log.count("Booting worker") == 2
        assert "Traceback" not in log


def test_more_connections_than_files_end_no_worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """HP-19: the process takes as many as it can have, and goes on."""
    made = build(settings_in(tmp_path))
    made.services.backend.close()
    few = ["/bin/sh", "-c", 'ulimit -n 64 && exec "$@"', "sh", *COMMAND]
    monkeypatch.setattr("tests.test_server.COMMAND", few)
    with ExitStack() as stack, serving(tmp_path, WEB_THREADS="2") as server:
        for _ in range(3):
            held_open(server.port, 60, stack)
            answer = server.send(b"GET /healthz HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n")
            assert statuses(answer) == [b"200"]
        log = server.log.read_text()
        assert log.count("Booting worker") == 2
        assert "Traceback" not in log


def test_peers_that_do_not_hang_up_keep_nobody_waiting(tmp_path: Path) -> None:
    """HP-14, RFC 9112 §9.6: each said that it wants one answer only, and holds its end of the connection.

    Were they waited for where all connections wait, whoever comes after them would wait a minute.
    """
    made = build(settings_in(tmp_path))
    made.services.backend.close()
    last = b"GET /jwks HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n"
    with serving(tmp_path, WEB_THREADS="1") as server, ExitStack() as held:
        for _ in range(60):
            peer = held.enter_context(socket.create_connection(("127.0.0.1", server.port)))
            peer.sendall(last)
        assert server.send(last).startswith(b"HTTP/1.1 200 ")


class Parting:
    """A worker that has just answered for the last time on one connection."""

    def __init__(self) -> None:
        self.worker = object.__new__(DeadlineWorker)
        self.worker.poller = selectors.DefaultSelector()
        self.worker.sending, self.worker.parting = Patience(10), Patience(2)
        self.worker.unfinished, self.worker.pending_conns = set(), deque()
        self.worker.nr_conns = 1
        self.ours, self.peer = socket.socketpair()
        self.conn = TConn(Config(), self.ours, "", "")
        self.conn.rest = ()

    def begin(self) -> None:
        done: Future[bool] = Future()
        done.set_result(False)
        self.worker.finish_request(self.conn, done)

    def look(self) -> None:
        for key, _ in self.worker.poller.select(0):
            key.data(key.fileobj)

    def is_over(self) -> bool:
        waiting = self.worker.poller.get_map() or self.worker.parting.waiting or self.worker.sending.waiting
        return self.ours.fileno() < 0 and self.worker.nr_conns == 0 and not waiting


@pytest.fixture
def parting() -> Iterator[Parting]:
    made = Parting()
    with closing(made.ours), closing(made.peer), closing(made.worker.poller):
        yield made


def test_a_connection_is_closed_when_the_peer_has_hung_up(parting: Parting) -> None:
    """RFC 9112 §9.6: not before, for what it had sent would have the answer thrown away; what it sends is not read."""
    parting.begin()
    assert parting.peer.recv(1) == b""
    parting.peer.sendall(b"GET / HTTP/1.1\r\n\r\n")
    parting.look()
    assert not parting.is_over()
    parting.peer.close()
    parting.look()
    assert parting.is_over()


def test_whoever_there_is_no_thread_for_hears_so(parting: Parting) -> None:
    """HP-14: half of the threads wait for what is too large already; RFC 9110 §15.6.4."""
    parting.worker.most_unfinished = 0
    parting.worker.go_on(parting.conn, Come.TOO_MUCH)
    status, *headers = parting.peer.recv(1_000).removesuffix(b"\r\n\r\n").split(b"\r\n")
    assert status == b"HTTP/1.1 503 Service Unavailable"
    assert headers == [b"Retry-After: 1", b"Content-Length: 0", b"Connection: close"]
    parting.peer.close()
    parting.look()
    assert parting.is_over()


def test_whoever_has_gone_hears_nothing(parting: Parting) -> None:
    parting.worker.most_unfinished = 0
    parting.peer.close()
    parting.worker.go_on(parting.conn, Come.TOO_MUCH)
    parting.look()
    assert parting.is_over()


def test_a_connection_is_closed_under_a_peer_that_goes_on_and_on(parting: Parting) -> None:
    """HP-14: a little of what it still sends is thrown away, then the connection."""
    parting.begin()
    sent = 0
    while sent <= MOST_DRAINED:
        assert not parting.is_over()
        sent += parting.peer.send(bytes(8192))
        parting.look()
    assert parting.is_over()


def test_a_connection_is_closed_under_a_peer_that_waits_too_long(
    parting: Parting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """HP-14: two seconds."""
    parting.begin()
    now = [time.monotonic()]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    for seconds, is_over in ((1.5, False), (1.0, True)):
        now[0] += seconds
        parting.worker.murder_pending()
        assert parting.is_over() is is_over


def test_of_a_peer_that_has_gone_nothing_stays(parting: Parting) -> None:
    parting.ours.close()
    parting.begin()
    assert parting.is_over()


def test_what_a_peer_has_no_room_for_is_sent_when_it_has(parting: Parting) -> None:
    """HP-14: by the main loop, in order and whole; then it goes on as after any other answer."""
    answer = bytes(range(256)) * 10_000
    parting.conn.rest = (memoryview(answer[:100]), memoryview(answer[100:]))
    parting.begin()
    taken = b""
    while len(taken) < len(answer):
        parting.look()
        assert not parting.is_over()
        taken += parting.peer.recv(100_000)
    assert taken == answer
    parting.look()
    assert parting.peer.recv(1) == b""
    parting.peer.close()
    parting.look()
    assert parting.is_over()


def test_a_connection_is_closed_under_a_peer_that_does_not_take_its_answer(
    parting: Parting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """HP-14: ten seconds."""
    parting.conn.rest = (memoryview(bytes(2_000_000)),)
    parting.begin()
    parting.look()
    now = [time.monotonic()]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    for seconds, is_over in ((9.5, False), (1.0, True)):
        now[0] += seconds
        parting.look()
        parting.worker.murder_pending()
        assert parting.is_over() is is_over


def test_a_connection_is_closed_when_the_peer_goes_instead_of_taking_its_answer(parting: Parting) -> None:
    parting.conn.rest = (memoryview(bytes(2_000_000)),)
    parting.begin()
    parting.look()
    parting.peer.close()
    parting.look()
    assert parting.is_over()


@pytest.mark.parametrize("size", [0, 1, MOST_KEPT, MOST_KEPT + 1, MOST_SHARED, MOST_SHARED + 1])
def test_an_answer_goes_out_in_one_piece_whoever_writes_it(size: int, tmp_path: Path) -> None:
    """A file comes after the head that announces it; what is very large is written at once."""
    ours, peer = socket.socketpair()
    file = tmp_path / "file"
    file.write_bytes(b"-" + b"f" * size)
    taken = bytearray()

    def take() -> None:
        while part := peer.recv(65536):
            taken.extend(part)

    thread = threading.Thread(target=take)
    thread.start()
    with closing(peer):
        with closing(ours), file.open("rb") as content:
            outgoing = Outgoing(ours)
            outgoing.sendall(b"head ")
            assert outgoing.sendfile(content, offset=1, count=size) == size
            outgoing.sendall(b" end")
            ours.sendall(b"".join(outgoing.rest()))
        thread.join()
    assert bytes(taken) == b"head " + b"f" * size + b" end"


def test_a_long_answer_waits_for_its_peer_without_a_thread_and_without_a_copy() -> None:
    """HP-14: a CapabilityStatement has some MB, and is the same bytes for all who ask for it and do not take it."""
    ours, peer = socket.socketpair()
    statement = bytes(5_000_000)
    with closing(ours), closing(peer):
        outgoing = Outgoing(ours)
        outgoing.sendall(b"head")
        outgoing.sendall(statement)
        (rest,) = outgoing.rest()
        assert 0 < len(rest) < len(statement)
        assert rest.obj is statement


def test_peers_that_never_read_keep_nobody_waiting(tmp_path: Path) -> None:
    """HP-14: more of them than threads; each asks for more than the connection holds, and takes nothing of it."""
    made = build(settings_in(tmp_path))
    made.services.backend.close()
    asked = (b"GET /static/authz.css HTTP/1.1\r\n" + HOST + b"\r\n") * 20
    narrow = "--worker-class tests.hasty.NarrowWorker"
    with serving(tmp_path, WEB_THREADS="1", GUNICORN_CMD_ARGS=narrow) as server, ExitStack() as held:
        peers = [held.enter_context(socket.socket()) for _ in range(8)]
        for peer in peers:
            peer.settimeout(10)
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            peer.connect(("127.0.0.1", server.port))
            peer.sendall(asked)
        for peer in peers:  # each has the beginning of its first answer
            assert peer.recv(9) == b"HTTP/1.1 "
        last = b"GET /jwks HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n"
        assert server.send(last).startswith(b"HTTP/1.1 200 ")


def test_a_worker_says_once_a_second_that_it_is_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    """gunicorn would have it said at each request, for two calls of the system; its parent waits for thirty seconds."""
    said: list[float] = []
    now = [100.0]
    worker = object.__new__(DeadlineWorker)
    worker.tmp = SimpleNamespace(notify=lambda: said.append(now[0]))
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    for now[0] in (100.0, 100.5, 100.9, 101.0, 101.5, 102.0):
        worker.notify()
    assert said == [100.0, 101.0, 102.0]
