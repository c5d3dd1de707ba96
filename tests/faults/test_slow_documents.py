"""Where a client says its keys are, somebody is slow, silent, goes in circles, or is not there (R-21, R-27)."""

from __future__ import annotations

import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from authz.clients.metadata import ClientMetadata
from authz.clients.registry import HospitalDecisions
from tests.actors import SmartApp
from tests.attacks.live.cast import BULK
from tests.faults.campaign import Campaign
from tests.faults.load import OneByOne, service_form
from tests.faults.site import site

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.faults.site import Site
    from tests.servers import PostgresServer
    from tests.transport import Reply

pytestmark = [pytest.mark.postgres, pytest.mark.fault, pytest.mark.campaign]

CAP_SECONDS, SLACK_SECONDS = 5.0, 2.0
AT_ONCE = 10  # fewer than the failed authentications that a client is allowed in a minute
REST_SECONDS = 10.0  # for which a process leaves alone an address that failed
WORKERS = 2
SECONDS = 12.0
WAIT_SECONDS = 1.0  # much less than the slow one takes, and more than a busy machine does; the table tells the figures


@dataclass
class Peer:
    """Answers each connection as ``behave`` does, in a thread of its own."""

    behave: Callable[[socket.socket, threading.Event], None]
    server: socket.socket = field(default_factory=lambda: socket.create_server(("::1", 0), family=socket.AF_INET6))
    over: threading.Event = field(default_factory=threading.Event)
    visits: int = 0

    @property
    def url(self) -> str:
        return f"http://[::1]:{self.server.getsockname()[1]}/keys"

    def run(self) -> None:
        while not self.over.is_set():
            try:
                visitor, _ = self.server.accept()
            except OSError:
                return
            self.visits += 1
            threading.Thread(target=self.receive, args=(visitor,), daemon=True).start()

    def receive(self, visitor: socket.socket) -> None:
        with visitor, suppress(OSError):
            visitor.recv(65536)
            self.behave(visitor, self.over)


def drip(visitor: socket.socket, over: threading.Event) -> None:
    visitor.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
    while not over.wait(1):
        visitor.sendall(b" ")


def say_nothing(_visitor: socket.socket, over: threading.Event) -> None:
    over.wait()


def go_in_circles(visitor: socket.socket, _over: threading.Event) -> None:
    port = visitor.getsockname()[1]
    visitor.sendall(f"HTTP/1.1 302 Found\r\nLocation: http://[::1]:{port}/keys\r\nContent-Length: 0\r\n\r\n".encode())


def never_end(visitor: socket.socket, over: threading.Event) -> None:
    visitor.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n[")
    while not over.is_set():
        visitor.sendall(b"0," * 4096)


PEERS = {
    "sends a byte a second": drip,
    "says nothing": say_nothing,
    "redirects to itself": go_in_circles,
    "never ends": never_end,
}


@contextmanager
def listening(behave: Callable[[socket.socket, threading.Event], None]) -> Iterator[Peer]:
    peer = Peer(behave)
    thread = threading.Thread(target=peer.run, daemon=True)
    thread.start()
    try:
        yield peer
    finally:
        peer.over.set()
        peer.server.shutdown(socket.SHUT_RDWR)
        peer.server.close()
        thread.join(5)


def register(running: Site, url: str) -> None:
    own = running.app.extensions["authz"]
    metadata = ClientMetadata.load({**BULK, "jwks_uri": url})
    with running.app.app_context():
        with own.db.write() as session:
            own.clients.add(session, metadata, HospitalDecisions(("main",)), "far", None)
        own.db.engine.dispose()


def knock(running: Site) -> list[tuple[Reply, float]]:
    """The client proves itself, many times at once; the answers, and how long each took."""
    service = SmartApp(OneByOne(running.issuer), "far", "", "")

    def prove(_: int) -> tuple[Reply, float]:
        form = service_form(running.issuer, running.keys, client_id="far")
        begun = time.monotonic()
        return service.post("/token", form), time.monotonic() - begun

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(prove, range(AT_ONCE)))


def check_answers(answers: list[tuple[Reply, float]]) -> None:
    told = {(reply.status, reply.json()["error"]) for reply, _ in answers}
    assert (401, "invalid_client") in told
    assert told <= {(401, "invalid_client"), (503, "temporarily_unavailable")}, told
    assert max(seconds for _, seconds in answers) < CAP_SECONDS + SLACK_SECONDS


def run(name: str, running: Site) -> list[tuple[Reply, float]]:
    answers: list[tuple[Reply, float]] = []

    def ask(site: Site) -> None:
        if len(answers) < 2 * AT_ONCE:
            answers.extend(knock(site))
        time.sleep(1)

    history = Campaign(name, 21).run(running, ask, SECONDS)
    check_answers(answers)
    assert {each.outcome.value for each in history.ledger.operations} <= {"ok", "refused"}
    calm, meanwhile = history.p95_seconds()
    assert meanwhile < calm + WAIT_SECONDS, "others wait for the slow one"
    return answers


@pytest.mark.parametrize("peer", PEERS)
def test_where_the_keys_of_a_client_are_somebody_is_slow(tmp_path: Path, postgres: PostgresServer, peer: str) -> None:
    """R-21: five seconds at most, a few threads, and nobody else waits; an address that failed is left alone."""
    with (
        listening(PEERS[peer]) as far,
        site(tmp_path, postgres, AUTHZ_OUTBOUND_NETWORKS="::1/128") as running,
    ):
        register(running, far.url)
        begun = time.monotonic()
        run(f"R-21 jwks_uri {peer}", running)
        assert 1 <= far.visits <= WORKERS * (1 + (time.monotonic() - begun) / REST_SECONDS)


def test_the_name_where_the_keys_of_a_client_are_does_not_exist(tmp_path: Path, postgres: PostgresServer) -> None:
    """R-27: 401 invalid_client within five seconds, and what is not there is not looked for at each request."""
    with site(tmp_path, postgres) as running:
        register(running, "https://keys.invalid/jwks")
        answers = run("R-27 jwks_uri unresolvable", running)
        assert {reply.status for reply, _ in answers[AT_ONCE:]} == {401}
        assert max(seconds for _, seconds in answers[AT_ONCE:]) < SLACK_SECONDS, "it was looked for again"
