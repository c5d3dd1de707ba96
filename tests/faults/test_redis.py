"""Redis dies, hangs, is slow, refuses, forgets or remembers too much, while apps go on (security.md R-01..R-07)."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.actors import SmartApp
from tests.faults.campaign import Campaign
from tests.faults.load import OneByOne, hospitals, service_form
from tests.faults.proxy import Mode, Proxy
from tests.world import FHIR, actors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.faults.site import Site
    from tests.servers import RedisServer

pytestmark = [pytest.mark.redis, pytest.mark.postgres, pytest.mark.fault]

SHORT_SECONDS = 9.0
AWAY_SECONDS = 1.5
HANGING_SECONDS, CLIENTS, WORKERS, THREADS = 5.0, 12, 2, 8
MOST_TRIES = WORKERS * (THREADS + 3 + 2 * int(HANGING_SECONDS + 1))  # at once, until it is known, then one a second
SCOPE = "launch openid patient/*.rs offline_access"
LAUNCH = {
    "client_id": "public",
    "fhir_server": FHIR,
    "user": "Practitioner/dr",
    "patient": "A",
    "launch_url": "https://app.example/launch",
}


def proxy(site: Site) -> Proxy:
    assert site.redis is not None
    return site.redis


def test_redis_is_killed_and_comes_back_empty(running: Site, redis: RedisServer) -> None:
    """R-01, R-02: 503 where it is needed, introspection from SQL, and healthy when it is back."""

    def kill(_: Site) -> None:
        redis.kill()
        time.sleep(AWAY_SECONDS)
        redis.start()
        time.sleep(AWAY_SECONDS)

    Campaign("R-01 R-02 Redis killed, back empty", 1).run(running, kill, SHORT_SECONDS)


def test_redis_hangs(running: Site, redis: RedisServer) -> None:
    """R-03: kill -STOP."""

    def stop(_: Site) -> None:
        with redis.frozen():
            time.sleep(AWAY_SECONDS)
        time.sleep(1)

    Campaign("R-03 Redis stopped", 3).run(running, stop, SHORT_SECONDS)


def test_a_redis_that_hangs_is_left_alone(running: Site) -> None:
    """R-03: after three failures a process asks once a second, and what needs no Redis is answered as before."""
    before, until, asked = proxy(running).accepted, time.monotonic() + HANGING_SECONDS, 0
    ehr, transport = hospitals(OneByOne(running.issuer))[FHIR].ehr, OneByOne(running.issuer)
    with proxy(running).misbehaving(Mode.STALL), ThreadPoolExecutor(CLIENTS) as pool:
        while time.monotonic() < until:
            launches = list(pool.map(lambda _: ehr.post("/launch", LAUNCH), range(CLIENTS)))
            assert {(reply.status, reply.header("retry-after") is not None) for reply in launches} == {(503, True)}
            for path in ("/jwks", "/.well-known/openid-configuration"):
                assert transport.send("GET", f"{running.issuer}{path}").status == 200
            asked += len(launches)
        tried = proxy(running).accepted - before
    assert asked > 2 * MOST_TRIES, "too little was tried"
    assert tried <= MOST_TRIES, f"{tried} connections for {asked} requests"


def test_what_redis_forgot_allows_nothing(running: Site, redis: RedisServer) -> None:
    """R-02, I3, I4: a launch that is gone, a proof that was used and a token that was revoked stay so."""
    hospital, app = hospitals(OneByOne(running.issuer))[FHIR], actors(OneByOne(running.issuer))["public"]
    assert isinstance(app, SmartApp)
    proof = service_form(running.issuer, running.keys)
    service = replace(app, client_id="bulk")
    assert service.post("/token", proof).status == 200
    tokens = app.tokens(hospital.ehr.post("/launch", LAUNCH).json()["launch"], SCOPE)
    app.revoke(tokens["refresh_token"])
    waiting = hospital.ehr.post("/launch", LAUNCH).json()["launch"]
    redis.restart()
    running.seconds_to_heal()
    assert app.launched(waiting, SCOPE).location_parameters["error"] == "invalid_request"
    again = service.post("/token", proof)
    assert (again.status, again.json()["error"]) == (401, "invalid_client")
    assert hospital.fhir_server.introspect(tokens["access_token"]) == {"active": False}
    refused = app.refresh(tokens["refresh_token"])
    assert (refused.status, refused.json()["error"]) == (400, "invalid_grant")


WAYS: dict[str, Callable[[Proxy], object]] = {
    "slow": lambda proxy: proxy.misbehaving(delay_seconds=0.3),
    "stalled": lambda proxy: proxy.misbehaving(Mode.STALL),
    "reset": lambda proxy: proxy.misbehaving(Mode.RESET),
    "half closed": lambda proxy: proxy.misbehaving(Mode.HALF_CLOSE),
    "reply to SET lost": lambda proxy: proxy.misbehaving(drop_reply_to=b"SET\r\n"),
    "reply to GETDEL lost": lambda proxy: proxy.misbehaving(drop_reply_to=b"GETDEL"),
    "reply to EVAL lost": lambda proxy: proxy.misbehaving(drop_reply_to=b"EVAL"),
    "reply to MGET lost": lambda proxy: proxy.misbehaving(drop_reply_to=b"MGET"),
}


@pytest.mark.campaign
@pytest.mark.parametrize("way", WAYS)
def test_the_way_to_redis_is_bad(running: Site, way: str) -> None:
    """R-03, R-04: what is not known counts as refused; no answer reaches another request."""

    def misbehave(site: Site) -> None:
        with WAYS[way](proxy(site)):  # type: ignore[attr-defined]  # each is a context manager
            time.sleep(AWAY_SECONDS)
        time.sleep(1)

    Campaign(f"R-03 R-04 Redis {way}", 4).run(running, misbehave)


@pytest.mark.campaign
def test_redis_is_emptied_or_put_back(running: Site, redis: RedisServer) -> None:
    """R-07: FLUSHALL, and a dump of before; what was revoked stays so."""

    def restore(_: Site) -> None:
        redis.command("SAVE")
        time.sleep(2)
        redis.restart()
        time.sleep(1)
        redis.command("FLUSHALL")
        time.sleep(1)

    Campaign("R-07 Redis emptied, put back", 7).run(running, restore)


@contextmanager
def set_to(redis: RedisServer, **values: str) -> Iterator[None]:
    before = {name: redis.command("CONFIG", "GET", name.replace("_", "-"))[1] for name in values}
    for name, value in values.items():
        redis.command("CONFIG", "SET", name.replace("_", "-"), value)
    try:
        yield
    finally:
        for name, value in before.items():
            redis.command("CONFIG", "SET", name.replace("_", "-"), value)


REFUSALS = {
    "evicts": {"maxmemory": "2mb", "maxmemory_policy": "allkeys-lru"},
    "is full": {"maxmemory": "1mb"},
    "lacks replicas": {"min_replicas_to_write": "1"},
}


@pytest.mark.campaign
@pytest.mark.parametrize("refusal", REFUSALS)
def test_redis_refuses_or_evicts(running: Site, redis: RedisServer, refusal: str) -> None:
    """R-05, R-06: 503, never "there is no such key, so it is allowed"."""

    def refuse(_: Site) -> None:
        with set_to(redis, **REFUSALS[refusal]):
            time.sleep(AWAY_SECONDS)
        time.sleep(1)

    Campaign(f"R-05 R-06 Redis {refusal}", 5).run(running, refuse)


@pytest.mark.campaign
def test_redis_wants_a_password_at_once(running: Site, redis: RedisServer) -> None:
    """R-06: NOAUTH on a new connection, where there was none."""

    def refuse(site: Site) -> None:
        redis.command("CONFIG", "SET", "requirepass", "a-password-of-the-test")
        proxy(site).reset_connections()
        time.sleep(AWAY_SECONDS)
        redis.restart()
        time.sleep(1)

    Campaign("R-06 Redis wants a password", 6).run(running, refuse)
