"""A client whose ``jwks_uri`` is hostile (security.md CA-39..45), at a server as it runs in production.

One server calls nothing on this machine, and a canary is beside it; another may, and is answered badly.
"""

from __future__ import annotations

import json
import secrets
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey

from authz.clients.assertion import ASSERTION_TYPE
from authz.registration.initial_tokens import NewInitialToken
from tests.actors import FORM
from tests.backend import key_set
from tests.canary import FromAnywhere, canary
from tests.live import at_once, live_server
from tests.transport import OverHttp
from tests.vendor import Vendor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.canary import Canary
    from tests.live import Live
    from tests.transport import Reply

KEY, OTHER = ECKey.generate_key("P-384"), ECKey.generate_key("P-384")
GOOD = json.dumps(key_set(k=KEY)).encode()
FAILED = {"error": "invalid_client", "error_description": "client authentication failed"}
SERVICE = {
    "grant_types": ["client_credentials"],
    "token_endpoint_auth_method": "private_key_jwt",
    "redirect_uris": None,
    "launch_uris": None,
    "scope": "system/*.rs",
}
LONGEST = 5.0  # seconds that a fetch may take
SPARE = 4.0  # for this machine, which does other things besides


def answered(body: bytes, headers: str = "") -> bytes:
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n{headers}\r\n"
    return head.encode() + body


@dataclass
class Publisher:
    """A web server that sends what it is told to, byte by byte if it is told so; counts who asks."""

    port: int
    answer: Callable[[socket.socket], None] = lambda _: None
    asked: list[float] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/{secrets.token_hex(4)}"

    def sends(self, content: bytes) -> None:
        self.answer = lambda line: line.sendall(content)


@contextmanager
def publisher() -> Iterator[Publisher]:
    listener = socket.create_server(("127.0.0.1", 0))
    made = Publisher(listener.getsockname()[1])

    def serve(line: socket.socket) -> None:
        with line:
            try:
                line.recv(10_000)
                made.answer(line)
            except OSError:
                return

    def listen() -> None:
        while True:
            try:
                line, _ = listener.accept()
            except OSError:
                return
            made.asked.append(time.monotonic())
            threading.Thread(target=serve, args=(line,), daemon=True).start()

    threading.Thread(target=listen, daemon=True).start()
    try:
        yield made
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


@dataclass(frozen=True)
class Service:
    """A backend service that registered itself with an address for its keys."""

    transport: OverHttp
    client_id: str

    def assertion(self, key: ECKey = KEY, kid: str = "k") -> str:
        claims: dict[str, Any] = {"iss": self.client_id, "sub": self.client_id, "jti": secrets.token_hex()}
        claims |= {"aud": f"{self.transport.issuer}/token", "exp": int(time.time()) + 60}
        return jwt.encode({"alg": "ES384", "kid": kid, "typ": "JWT"}, claims, key, algorithms=["ES384"])

    def ask(self, key: ECKey = KEY, kid: str = "k", transport: OverHttp | None = None) -> Reply:
        form = {"grant_type": "client_credentials", "scope": "system/*.rs", "client_assertion_type": ASSERTION_TYPE}
        body = urlencode({**form, "client_assertion": self.assertion(key, kid)}).encode()
        url = f"{self.transport.issuer}/token"
        return (transport or self.transport).send("POST", url, {"Content-Type": FORM}, body)


def invitation(live: Live) -> str:
    made = live.app.extensions["authz"]
    with made.db.write() as session:
        new = NewInitialToken("partner", made.now() + timedelta(hours=1), quota=1000, approves=True, fhir_server="main")
        return str(made.registration.initial_tokens.issue(session, new)[1])


@contextmanager
def invited(folder: Any, **networks: str) -> Iterator[tuple[Live, str]]:
    with live_server(folder, trusted_proxies="127.0.0.1/32", **networks) as live, live.app.app_context():
        live.change_fhir_server(registration="invited")
        yield live, invitation(live)


def registered(live: Live, token: str, url: str) -> Service:
    vendor = Vendor(FromAnywhere(live.public.transport))
    return Service(OverHttp(live.settings.issuer), vendor.register(token, jwks_uri=url, **SERVICE)["client_id"])


@pytest.fixture(scope="module")
def careful(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Live, str, Canary]]:
    with canary() as bird, invited(tmp_path_factory.mktemp("careful")) as (live, token):
        yield live, token, bird


@pytest.fixture(scope="module")
def trusting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Live, str]]:
    with invited(tmp_path_factory.mktemp("trusting"), outbound_networks="127.0.0.0/8") as made:
        yield made


@pytest.fixture
def hostile() -> Iterator[Publisher]:
    with publisher() as made:
        yield made


def test_no_address_of_this_machine_is_called_however_it_is_written(careful: tuple[Live, str, Canary]) -> None:
    """CA-39, RG-11, ASY-24: loopback, any, mapped, as a number, by a name; not at registration, not at a signature."""
    live, token, bird = careful
    vendor = Vendor(FromAnywhere(live.public.transport))
    taken = 0
    for url in [
        *bird.addresses(),
        "https://169.254.169.254/",
        "https://10.0.0.1/",
        "https://metadata.google.internal/",
    ]:
        members = {name: value for name, value in {**SERVICE, "jwks_uri": url}.items() if value is not None}
        reply = vendor.send({"client_name": "Bulk", **members}, {"Authorization": f"Bearer {token}"})
        assert reply.status in {201, 400}
        if reply.status == 201:
            taken += 1
            refused = Service(OverHttp(live.settings.issuer), reply.json()["client_id"]).ask()
            assert (refused.status, refused.refusal()) == (401, FAILED)
    assert taken >= 5
    assert bird.heard == []


@pytest.mark.parametrize(
    "body",
    [
        b"<html>not found</html>",
        b'{"keys":',
        b'{"keys":' + b"[" * 5_000,
        b'{"keys":"x"}',
        b"{}",
        b"[]",
        b'{"keys":[1,null,[]]}',
        b'{"keys":[],"keys":[]}',
        json.dumps({"keys": [{"kty": "oct", "kid": "k", "k": "AAAA"}]}).encode(),
        json.dumps({"keys": key_set(k=KEY)["keys"] * 10_000}).encode(),
        b" " * 10_000_000,
        b"\xff\xfe",
    ],
    ids=["HTML", "cut", "deep", "no array", "empty", "array", "no keys", "twice", "secret", "many", "large", "UTF-16"],
)
def test_what_is_no_key_set_proves_nothing(trusting: tuple[Live, str], hostile: Publisher, body: bytes) -> None:
    """CA-45, CA-41: 401 and no error of ours, and the log quotes nothing of it."""
    hostile.sends(answered(body))
    reply = registered(*trusting, hostile.url).ask()
    assert (reply.status, reply.refusal()) == (401, FAILED)
    log = trusting[0].log.read_text()
    assert "Traceback" not in log
    assert "not found</html>" not in log


def drip(line: socket.socket) -> None:
    line.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n")
    for _ in range(600):
        line.sendall(b" ")
        time.sleep(0.1)


def endless_headers(line: socket.socket) -> None:
    line.sendall(b"HTTP/1.1 200 OK\r\n")
    for number in range(100_000):
        line.sendall(f"X-{number}: {'x' * 100}\r\n".encode())


def bomb(line: socket.socket) -> None:
    line.sendall(answered(b"\x1f\x8b\x08" + b"\0" * 1000, "Content-Encoding: gzip\r\n"))


@pytest.mark.parametrize(
    "way", [drip, lambda _: time.sleep(60), endless_headers, bomb], ids=["drip", "mute", "headers", "gzip"]
)
def test_a_slow_publisher_costs_five_seconds_and_nobody_else_any(
    trusting: tuple[Live, str], hostile: Publisher, way: Callable[[socket.socket], None]
) -> None:
    """CA-41, RL-07: the whole exchange has one time; other requests of the same workers are answered meanwhile."""
    live, token = trusting
    hostile.answer = way
    service = registered(live, token, hostile.url)
    with ThreadPoolExecutor(2) as pool:
        began = time.monotonic()
        waiting = pool.submit(service.ask)
        others = [live.public.transport.send("GET", f"{live.settings.issuer}/jwks").status for _ in range(40)]
        reply = waiting.result()
    assert (reply.status, reply.refusal()) == (401, FAILED)
    assert time.monotonic() - began < LONGEST + SPARE
    assert others == [200] * 40


def test_names_that_there_are_not_cost_one_fetch_a_minute(trusting: tuple[Live, str], hostile: Publisher) -> None:
    """CA-42, ASY-23: of each worker; and a client whose address is good is served all the while."""
    live, token = trusting
    hostile.sends(answered(GOOD, "Cache-Control: max-age=600\r\n"))
    service = registered(live, token, hostile.url)
    assert service.ask().status == 200
    asks = [partial(service.ask, OTHER, f"unknown-{number}", OverHttp(live.settings.issuer)) for number in range(16)]
    with ThreadPoolExecutor(16) as pool:
        for _ in range(6):
            statuses = {reply.status for reply in at_once(asks, pool)}
            assert statuses <= {401, 503}
    workers, check = 2, 1  # of a new registration, once, in the background
    assert len(hostile.asked) <= 2 * workers + check  # the set itself, and once more for what was not in it
    assert service.ask().status == 200


def test_a_rotated_key_works_and_a_removed_one_ends(trusting: tuple[Live, str], hostile: Publisher) -> None:
    """CA-43, ASY-21, ASY-23: a new name is looked for at once; a removed one ends when its set is too old."""
    live, token = trusting
    hostile.sends(answered(GOOD, "Cache-Control: max-age=1\r\n"))
    service = registered(live, token, hostile.url)
    assert service.ask().status == 200
    hostile.sends(answered(json.dumps(key_set(new=OTHER)).encode(), "Cache-Control: max-age=1\r\n"))
    assert service.ask(OTHER, "new").status == 200
    time.sleep(1.1)
    asks = [partial(service.ask, KEY, "k", OverHttp(live.settings.issuer)) for _ in range(12)]
    with ThreadPoolExecutor(12) as pool:
        assert {reply.status for reply in at_once(asks, pool)} <= {401, 503}
    assert service.ask(OTHER, "new").status == 200
