"""A backend service publishes its keys under an address of its own (SMART REG-05, REG-07, ASY-20..25)."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from joserfc.jwk import ECKey, RSAKey

from tests.backend import KEYS, Backend, answered, key_set, register
from tests.outside import FakeOutbound, Outside
from tests.world import ISSUER, build, settings_in

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.world import World

URL = "https://bulk.example/jwks"
FAILED = {"error": "invalid_client", "error_description": "client authentication failed"}


@pytest.fixture
def outside() -> Outside:
    return Outside({URL: answered(key_set(**KEYS))})


@pytest.fixture
def world(tmp_path: Path, outside: Outside) -> Iterator[World]:
    made = build(settings_in(tmp_path), FakeOutbound(outside))
    with made.app.app_context():
        yield made
        made.services.db.engine.dispose()
    made.services.backend.close()


@pytest.fixture
def bulk(world: World) -> Backend:
    return register(world, "bulk", ("main",), jwks_uri=URL)


@pytest.mark.parametrize("alg", ["ES384", "RS384"])
def test_a_service_proves_itself_with_a_key_it_publishes(bulk: Backend, outside: Outside, alg: str) -> None:
    """REG-05, REG-07, ASY-20, ASY-22, CAPABILITY client-confidential-asymmetric: fetched once, then kept."""
    for _ in range(3):
        assert bulk.ask(client_assertion=bulk.assertion(alg)).status == 200
    (asked,) = outside.asked
    assert (asked.method, asked.url, asked.headers, asked.trusted) == (
        "GET",
        URL,
        {"Accept": "application/json"},
        False,
    )


def test_registration_fetches_nothing(bulk: Backend, outside: Outside) -> None:
    """RG-11: the address is kept, and called when there is something to verify."""
    assert bulk.client_id == "bulk"
    assert outside.asked == []


def test_the_address_in_the_header_is_the_registered_one_or_the_assertion_fails(
    bulk: Backend, outside: Outside
) -> None:
    """ASY-05, FIELD assertion.jku: another address is not even called."""
    assert bulk.ask(client_assertion=bulk.assertion(header={"jku": URL})).status == 200
    evil = "https://evil.example/jwks"
    outside.answers[evil] = answered(key_set(**KEYS))
    for jku in (evil, URL + "/", URL + "?x=y"):
        reply = bulk.ask(client_assertion=bulk.assertion(header={"jku": jku}))
        assert (reply.status, reply.refusal()) == (401, FAILED)
    assert {asked.url for asked in outside.asked} == {URL}


def test_a_service_with_keys_of_its_registration_may_not_point_elsewhere(world: World, outside: Outside) -> None:
    """ASY-05: an inline key set and ``jku`` exclude each other."""
    inline = register(world, "inline", ("main",))
    reply = inline.ask(client_assertion=inline.assertion(header={"jku": URL}))
    assert (reply.status, reply.refusal()) == (401, FAILED)
    assert inline.ask().status == 200
    assert outside.asked == []


def test_a_rotated_key_works_at_once(bulk: Backend, outside: Outside) -> None:
    """ASY-23, CA-43: a new name is looked for at once; the old key stops when the new set has come."""
    assert bulk.ask().status == 200
    old = bulk.assertion()
    bulk.keys["ES384"] = ECKey.generate_key("P-384")
    outside.answers[URL] = answered(key_set(new=bulk.keys["ES384"]))
    assert bulk.ask(client_assertion=bulk.assertion(header={"kid": "new"})).status == 200
    assert bulk.ask(client_assertion=old).refusal() == FAILED
    assert len(outside.asked) == 2


def test_a_new_key_under_the_old_name_works_at_once(bulk: Backend, outside: Outside) -> None:
    """ASY-23: a signature that does not verify is a reason to look again, too."""
    assert bulk.ask().status == 200
    bulk.keys["ES384"] = ECKey.generate_key("P-384")
    outside.answers[URL] = answered(key_set(**bulk.keys))
    assert bulk.ask().status == 200
    assert len(outside.asked) == 2


def test_a_key_that_was_taken_down_fails_when_the_set_has_had_its_time(
    world: World, bulk: Backend, outside: Outside
) -> None:
    """ASY-21, CA-43."""
    assert bulk.ask().status == 200
    outside.answers[URL] = answered({"keys": []})
    world.clock.forward(seconds=599)
    assert bulk.ask().status == 200
    world.clock.forward(seconds=1)
    assert bulk.ask().refusal() == FAILED


def test_guessed_names_cost_the_client_one_fetch_a_minute(bulk: Backend, outside: Outside) -> None:
    """CA-42, ASY-23: no amplifier; what is wrong in itself costs none at all."""
    assert bulk.ask().status == 200
    for number in range(20):
        assert bulk.ask(client_assertion=bulk.assertion(header={"kid": f"guess-{number}"})).refusal() == FAILED
    assert len(outside.asked) == 2
    for bad in ({"exp": 1}, {"aud": "https://other.example"}, {"jti": ""}):
        assert bulk.ask(client_assertion=bulk.assertion(**bad)).refusal() == FAILED
    assert len(outside.asked) == 2


def test_junk_in_the_name_of_a_service_keeps_it_from_nothing(world: World, bulk: Backend, outside: Outside) -> None:
    """CA-42, RL-06: not even where its set must not be kept; junk has that fetched six times a minute, and at first."""
    outside.answers[URL] = answered(key_set(**KEYS), "no-cache")
    forged = ECKey.generate_key("P-384")
    for _ in range(60):
        for _ in range(5):
            junk = Backend(world, "bulk", {"ES384": forged})
            assert junk.ask(client_id="bulk").status in {401, 429}
        assert bulk.ask().status == 200
        world.clock.forward(seconds=1)
    assert len(outside.asked) == 60 + 6 + 1


def test_without_its_keys_a_service_stays_outside(world: World, bulk: Backend, outside: Outside) -> None:
    """ASY-23, ASY-27: fail closed, with the one answer for every failure; and it gets in when they are back."""
    outside.answers.clear()
    reply = bulk.ask()
    assert (reply.status, reply.refusal()) == (401, FAILED)
    outside.answers[URL] = answered(key_set(**KEYS))
    world.clock.forward(seconds=10)
    assert bulk.ask().status == 200


@pytest.mark.parametrize(
    "change",
    [
        {"use": "enc"},
        {"key_ops": ["encrypt"]},
        {"alg": "ES256"},
        {"d": "AAAA"},
        {"crv": "P-256"},
        {"x": "AAAA"},
        {"x": 5},
        {"kty": "oct", "k": "AAAA"},
    ],
)
def test_an_unusable_key_of_a_published_set_is_no_key(bulk: Backend, outside: Outside, change: dict[str, Any]) -> None:
    """ASY-25, REG-08, REG-09: judged as at registration, when it is to be used; the others of the set go on."""
    keys = key_set(**KEYS)
    keys["keys"][0] |= change
    outside.answers[URL] = answered(keys, "no-store")
    reply = bulk.ask(client_assertion=bulk.assertion("ES384"))
    assert (reply.status, reply.refusal()) == (401, FAILED)
    assert bulk.ask(client_assertion=bulk.assertion("RS384")).status == 200


@pytest.mark.filterwarnings("ignore:Key size should be")
def test_a_short_rsa_key_of_a_published_set_is_no_key(bulk: Backend, outside: Outside) -> None:
    """REG-09."""
    bulk.keys["RS384"] = RSAKey.generate_key(1024)
    outside.answers[URL] = answered(key_set(**bulk.keys))
    assert bulk.ask(client_assertion=bulk.assertion("RS384")).refusal() == FAILED


def test_two_usable_keys_of_one_name_prove_nothing(bulk: Backend, outside: Outside) -> None:
    """CA-18: more than one match fails; a key for encryption beside it does not count."""
    keys = key_set(**KEYS)
    twin = {**keys["keys"][0], **ECKey.generate_key("P-384").as_dict(private=False)}
    outside.answers[URL] = answered({"keys": [*keys["keys"], {**twin, "use": "enc"}]}, "no-store")
    assert bulk.ask().status == 200
    outside.answers[URL] = answered({"keys": [*keys["keys"], twin]}, "no-store")
    bulk.world.clock.forward(seconds=30)
    assert bulk.ask().refusal() == FAILED


def test_new_keys_replace_the_old_ones_whichever_way_they_come(world: World, bulk: Backend, outside: Outside) -> None:
    """REG-05: from published to given and back; never both."""
    services = world.services
    for members in ({"jwks": key_set(**KEYS)}, {"jwks_uri": URL}):
        with services.db.write() as session:
            services.clients.update(session, "bulk", members, {})
        with services.db.read() as session:
            said = services.clients.metadata(session, "bulk")
        assert {"jwks", "jwks_uri"} & said.keys() == members.keys()
        assert bulk.ask().status == 200
    assert len(outside.asked) == 1


class Publisher(BaseHTTPRequestHandler):
    """A real web server with the key set."""

    def do_GET(self) -> None:
        body = json.dumps(key_set(**KEYS)).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Cache-Control", "max-age=60")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.server.hits += 1  # type: ignore[attr-defined]  # counted where the test sees it

    def log_message(self, *_: object) -> None:
        """Nothing on stderr."""


@pytest.mark.parametrize(("networks", "status", "hits"), [("127.0.0.0/8", 200, 1), ("", 401, 0)])
def test_over_a_real_connection_and_only_where_it_may_go(tmp_path: Path, networks: str, status: int, hits: int) -> None:
    """CA-39, ASY-24: a publisher on this machine is called if ``outbound_networks`` names it, else never."""
    publisher = HTTPServer(("127.0.0.1", 0), Publisher)
    publisher.hits = 0  # type: ignore[attr-defined]
    thread = threading.Thread(target=publisher.serve_forever, daemon=True)
    thread.start()
    world = build(settings_in(tmp_path, outbound_networks=networks))
    with world.app.app_context():
        bulk = register(world, "bulk", ("main",), jwks_uri=f"http://127.0.0.1:{publisher.server_port}/jwks")
        assert bulk.ask().status == status
        assert bulk.ask().status == status
        world.services.db.engine.dispose()
    world.services.backend.close()
    publisher.shutdown()
    publisher.server_close()
    thread.join(5)
    assert publisher.hits == hits  # type: ignore[attr-defined]


def test_the_same_rules_at_every_endpoint_that_authenticates_clients(bulk: Backend, outside: Outside) -> None:
    """ASY-05, RFC 7009 §2.1: revocation reads the same published keys."""
    token = bulk.token("system/*.rs")
    assertion = bulk.assertion(aud=f"{ISSUER}/revoke")
    assert bulk.post("/revoke", client_assertion=assertion, token=token).status == 200
    assert bulk.world.fhir_server.introspect(token) == {"active": False}
    assert len(outside.asked) == 1
