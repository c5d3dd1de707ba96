"""How often one may ask, and be wrong (security.md 2.14 RL; decision 27).

Behind one address may be a whole clinic, so what is counted by address is generous and grows with
``people_per_address``. What is counted by client never refuses a client that proves who it is.
"""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pytest
from sqlalchemy import select

from authz import limits as module
from authz.audit.event import Peer
from authz.audit.model import AuditEventRow
from authz.audit.order import ORDER
from authz.errors import InvalidGrant
from authz.limits import AUTHORIZATION_REQUESTS, FAILED_AUTHENTICATION, REFUSALS, SEARCHES
from authz.settings import Settings
from authz.storage.limiter import Limit
from authz.storage.short_lived import StoreUnavailable
from tests.actors import FORM, basic
from tests.backend import register
from tests.world import APP, FHIR, ISSUER, build, settings_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.fhir import FakeFhir
    from tests.transport import Reply
    from tests.world import World

PEOPLE = 2
BY_ADDRESS = REFUSALS.tries * PEOPLE
TRIES = FAILED_AUTHENTICATION.tries
TOKEN = {"grant_type": "client_credentials", "scope": "system/*.rs"}
BY_SECRET: dict[str, dict[str, str]] = {
    "/token": TOKEN,
    "/revoke": {"token": "x"},
    "/introspect": {"token": "x"},
    "/web-messaging/introspect": {"handle": "x"},
    "/web-messaging/revoke": {"handle": "x"},
}
PAGES = ("/consent", "/login", "/select-patient", "/select-encounter", "/break-glass", "/sign-in")


@contextmanager
def with_people(number: int, folder: Path, fhir: FakeFhir) -> Iterator[World]:
    made = build(settings_in(folder, people_per_address=str(number)), outbound=fhir)
    with made.app.app_context():
        yield made
        made.services.db.engine.dispose()
    made.services.backend.close()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def small(tmp_path: Path, fhir: FakeFhir) -> Iterator[World]:
    """A server of which an address has no more than two people."""
    with with_people(PEOPLE, tmp_path, fhir) as made:
        yield made


@pytest.fixture
def clinic(tmp_path: Path, fhir: FakeFhir) -> Iterator[World]:
    """As many as by default."""
    with with_people(Settings(issuer=ISSUER).people_per_address, tmp_path, fhir) as made:
        yield made


def post(world: World, path: str, form: dict[str, str], headers: dict[str, str] | None = None) -> Reply:
    sent = {"Content-Type": FORM, **(headers or {})}
    return world.transport.send("POST", ISSUER + path, sent, urlencode(form).encode())


def on_trail(world: World, *names: str) -> list[AuditEventRow]:
    with world.services.db.read() as session:
        wanted = select(AuditEventRow).where(AuditEventRow.event.in_(names)).order_by(*ORDER)
        return list(session.scalars(wanted))


def limited(world: World) -> list[tuple[str | None, str | None, str | None]]:
    return [(row.reason, row.client_id, row.peer) for row in on_trail(world, "rate_limited")]


def check_told_to_wait(reply: Reply, seconds: int) -> None:
    """429 as a program reads it: when to come again, nothing kept by a cache."""
    assert (reply.status, reply.header("retry-after")) == (429, str(seconds)), reply.text
    assert reply.header("content-type") == "application/json"
    assert reply.header("cache-control") == "no-store"
    body = reply.json()
    assert set(body) == {"error", "error_description"}
    assert body["error"] == "temporarily_unavailable"


def test_two_hundred_wrong_secrets_are_soon_answered_by_429_and_hurt_nobody_else(world: World) -> None:
    """RL-01, RL-06: 429 with Retry-After; clients with keys, and this one with its own secret, go on as before."""
    bulk = register(world, "bulk", ("main",))
    wrong = [post(world, "/token", TOKEN, basic("confidential", f"guess-{number}")) for number in range(200)]
    assert [reply.status for reply in wrong] == [401] * TRIES + [429] * (200 - TRIES)
    check_told_to_wait(wrong[-1], FAILED_AUTHENTICATION.seconds)
    assert bulk.ask().status == 200
    handle = str(world.ehr.launch("confidential", "Practitioner/dr", patient="A")["launch"])
    assert world.confidential.tokens(handle, "launch patient/*.rs")["patient"] == "A"
    assert post(world, "/token", TOKEN, basic("confidential", "one more")).status == 429  # no success resets it
    assert limited(world) == [("failed_client_authentication", "confidential", "127.0.0.1")]
    assert len(on_trail(world, "token.refused")) == TRIES


def test_the_refusal_of_one_client_is_not_that_of_another(world: World) -> None:
    """RL-06."""
    for _ in range(TRIES + 1):
        last = post(world, "/token", TOKEN, basic("confidential", "x"))
    assert last.status == 429
    assert post(world, "/token", TOKEN, basic("public", "x")).status == 401


@pytest.mark.parametrize("path", BY_SECRET)
def test_wrong_secrets_are_counted_wherever_they_are_tried(world: World, path: str) -> None:
    """RL-02, CA-01: each endpoint that knows secrets; then it is another endpoint's turn, and the count is the same."""
    replies = [post(world, path, BY_SECRET[path], basic("rs-main", f"guess-{number}")) for number in range(TRIES + 1)]
    assert [reply.status for reply in replies] == [401] * TRIES + [429]
    check_told_to_wait(replies[-1], FAILED_AUTHENTICATION.seconds)
    for other, form in BY_SECRET.items():
        assert post(world, other, form, basic("rs-main", "x")).status == 429, other
    assert world.fhir_server.introspect("unknown") == {"active": False}
    assert limited(world) == [("failed_client_authentication", "rs-main", "127.0.0.1")]


@pytest.mark.parametrize("path", ["/launch", "/ehr-session/end", "/ehr-session/touch"])
def test_wrong_secrets_of_an_ehr_are_counted_and_the_ehr_goes_on(world: World, path: str) -> None:
    """RL-02, RL-06."""
    headers = {**basic("ehr-main", "guess"), "Content-Type": "application/json"}
    replies = [world.transport.send("POST", ISSUER + path, headers, b"{}") for _ in range(TRIES + 1)]
    assert [reply.status for reply in replies] == [401] * TRIES + [429]
    assert replies[-1].header("retry-after") == "60"
    assert world.ehr.launch("public", "Practitioner/dr", patient="A")["launch"]
    assert world.ehr.end_session("s").status == 204


def test_what_is_guessed_at_an_address_is_counted_together(small: World) -> None:
    """RL-02: codes, refresh tokens, access tokens and names that nobody has; JSON that the app's page may read."""
    guesses: list[Callable[[], Reply]] = [
        lambda: small.public.redeem("guess"),
        lambda: small.public.refresh("guess"),
        lambda: post(small, "/token", {"grant_type": "refresh_token", "client_id": "nobody"}),
        lambda: small.transport.send("GET", f"{ISSUER}/userinfo", {"Authorization": "Bearer guess"}),
        lambda: post(small, "/token", {}, {"Authorization": "Basic !"}),
        lambda: post(small, "/introspect", {"token": "x"}, {"Authorization": "Bearer guess"}),
    ]
    assert len(guesses) == BY_ADDRESS
    assert all(guess().status in {400, 401} for guess in guesses)
    for path in ("/token", "/userinfo"):
        reply = post(small, path, {"grant_type": "x"}, {"Origin": APP})
        check_told_to_wait(reply, REFUSALS.seconds)
        assert reply.header("access-control-allow-origin") == APP
        assert "Retry-After" in str(reply.header("access-control-expose-headers"))
    assert limited(small) == [("refusals", None, "127.0.0.1")]
    handle = str(small.ehr.launch("public", "Practitioner/dr", patient="A")["launch"])
    assert small.public.tokens(handle, "launch patient/*.rs")["patient"] == "A"


@pytest.mark.parametrize("path", PAGES)
def test_handles_of_pages_can_not_be_tried_one_after_the_other(small: World, path: str) -> None:
    """RL-02, LC-26: a page tells people when to come again, and leaks nothing of what was typed."""
    replies = [post(small, path, {"interaction": f"ZZ9-{number}"}) for number in range(BY_ADDRESS + 1)]
    assert [reply.status for reply in replies] == [400] * BY_ADDRESS + [429]
    page = replies[-1]
    assert page.header("retry-after") == str(REFUSALS.seconds)
    assert page.header("content-type") == "text/html; charset=utf-8"
    assert "Wait a little, then try again." in page.text
    assert "ZZ9" not in page.text
    assert limited(small) == [("refusals", None, "127.0.0.1")]


def test_so_many_apps_are_opened_from_an_address_and_no_more(small: World) -> None:
    """RL-02: each request keeps something here, good or bad; the page of one that is open already stays."""
    url = small.public.authorize_url(scope="openid")
    browser = small.browser()
    page = browser.open(url)
    for _ in range(AUTHORIZATION_REQUESTS.tries * PEOPLE - 1):
        assert small.browser().open(f"{ISSUER}/authorize?client_id=nobody").status == 400
    for refused in (
        small.browser().open(url),
        post(small, "/authorize", small.public.authorization_request(scope="openid")),
        small.browser().open(f"{ISSUER}/my-apps?fhir_server=main"),
    ):
        assert (refused.status, refused.header("retry-after")) == (429, "60")
        assert refused.header("location") is None
        assert "Wait a little, then try again." in refused.text
    assert browser.sign_in(page, "alice", "alice-password").status == 200
    assert limited(small) == [("authorization_requests", None, "127.0.0.1")]


SPOOFED = ("X-Forwarded-For", "Forwarded", "X-Real-IP", "True-Client-IP", "CF-Connecting-IP", "X-Client-IP", "Via")


@pytest.mark.parametrize("header", SPOOFED)
def test_a_header_makes_nobody_somebody_else(small: World, header: str) -> None:
    """RL-03: only proxies in ``trusted_proxies`` are believed, and there are none."""

    def guess(number: int) -> int:
        address = f"198.51.100.{number}"
        value = f"for={address}" if header == "Forwarded" else address
        return post(small, "/token", {"grant_type": "x"}, {header: value}).status

    assert [guess(number) for number in range(BY_ADDRESS + 2)] == [400] * BY_ADDRESS + [429] * 2


def test_behind_a_trusted_proxy_each_address_is_counted_by_itself(tmp_path: Path) -> None:
    """RL-03, decision 29: the rightmost address that is no proxy's; what a client writes before it does not matter."""
    made = build(settings_in(tmp_path, people_per_address="1", trusted_proxies="127.0.0.0/8"))

    def guess(forwarded: str) -> int:
        return post(made, "/token", {"grant_type": "x"}, {"X-Forwarded-For": forwarded}).status

    for number in range(REFUSALS.tries):
        assert guess(f"203.0.113.{number}, 198.51.100.1") == 400
    assert guess("203.0.113.99, 198.51.100.1") == 429
    assert guess("203.0.113.99, 198.51.100.2") == 400
    made.services.backend.close()


def test_without_the_store_there_is_still_a_limit_and_tokens_are_still_issued(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RL-05, decision 27: each process counts for itself; the token endpoint is not closed by it."""
    bulk = register(world, "bulk", ("main",))

    def away(*_: object) -> int:
        raise StoreUnavailable("away")

    monkeypatch.setattr(world.services.backend, "count", away)
    replies = [post(world, "/token", TOKEN, basic("confidential", "x")) for _ in range(TRIES + 1)]
    assert [reply.status for reply in replies] == [401] * TRIES + [429]
    assert bulk.ask().status == 200
    for _ in range(10):
        page = world.browser().open(world.public.authorize_url(scope="openid"))
        assert page.status == 200
        assert world.browser().sign_in(page, "alice", "guess").status in {400, 401}


def test_an_ehr_that_runs_wild_puts_down_so_many_launches(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """RL-02, LA-15: by EHR, whatever its requests are worth; another EHR goes on."""
    monkeypatch.setattr(module, "LAUNCHES", Limit("launches", 3, 60))
    record = {"client_id": "public", "fhir_server": FHIR, "user": "Practitioner/dr"}
    replies = [world.ehr.post("/launch", content) for content in (record, {}, record, record)]
    assert [reply.status for reply in replies] == [201, 400, 201, 429]
    assert replies[-1].header("retry-after") == "60"
    assert replies[-1].refusal()["error"] == "temporarily_unavailable"
    assert world.other_ehr.launch("public", "Practitioner/dr", patient="A")["launch"]
    (row,) = on_trail(world, "rate_limited")
    assert (row.reason, row.detail) == ("launches", {"ehr": "ehr-main"})


def test_a_clinician_searches_so_often_and_then_waits(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Decision 27, security.md 2.14: by user, with the page itself; what one has found before can still be chosen."""
    monkeypatch.setattr(module, "SEARCHES", Limit(SEARCHES.name, 2, SEARCHES.seconds))
    with world.services.db.write() as session:
        world.services.fhir_servers.update(session, "main", {"staff_picker": True})
    browser = world.browser()
    page = browser.open(world.public.authorize_url(scope="launch/patient patient/Observation.rs"))
    page = browser.sign_in(page, "doctor", "doctor-password")
    for _ in range(2):
        page = browser.submit(page, {"action": "search", "name": "bra el"})
        assert (page.status, "Ella Brandt" in page.text) == (200, True)
    page = browser.submit(page, {"action": "search", "name": "bra el"})
    assert (page.status, page.header("retry-after")) == (429, str(SEARCHES.seconds))
    assert "You have searched too often in the last minute." in page.text
    assert "Ella Brandt" not in page.text
    (row,) = on_trail(world, "rate_limited")
    doctor = world.services.users.by_name("doctor")
    assert doctor is not None
    assert (row.reason, row.sub, row.client_id, row.fhir_server) == ("record_searches", doctor.sub, "public", "main")


def test_a_clinic_behind_one_address_is_not_hurt(clinic: World) -> None:
    """RL-06: 200 clinicians start their shift within ten minutes, at machines that keep no cookie.

    One in two mistypes; each opens five apps within a minute; the refresh tokens of the night are all over at once.
    """
    here, throttle, limits = Peer("192.0.2.1"), clinic.services.by_password.throttle, clinic.services.limits
    for number in range(200):
        for _ in range(1 + number % 2):
            throttle.admit(f"clinician-{number}", here.address, None)
        for _ in range(5):
            limits.authorizing(here)
        for _ in range(2):
            limits.refused(InvalidGrant("the refresh token is over"), here)
    assert limited(clinic) == []


def test_a_flood_is_one_line_on_the_trail_for_each_limit_it_meets(small: World) -> None:
    """security.md 4.1, RL-02: the disk is not filled by it."""
    for _ in range(50):
        post(small, "/introspect", {"token": "x"}, basic("nobody", "x"))
    assert limited(small) == [("refusals", None, "127.0.0.1")]  # from there no other counter is reached any more
    assert len(on_trail(small, "introspection.refused")) == BY_ADDRESS
