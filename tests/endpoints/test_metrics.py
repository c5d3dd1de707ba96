"""Figures for Prometheus: for whom they are, what they count, and that nobody is named in them."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

import pytest
import urllib3
from sqlalchemy import select

from authz.errors import Unavailable
from authz.keyring.model import SigningKeyRow
from authz.storage.short_lived import StoreUnavailable
from authz.storage.sqlite import SQLiteBackend
from tests.live import live_server
from tests.servers import redis_server
from tests.transport import InProcess
from tests.world import build, settings_in

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.world import World

LINE = re.compile(r"(\w+)(?:\{([^}]*)\})? (\S+)")


def figures(text: str) -> dict[str, float]:
    """Each sample by its name and labels, as Prometheus reads them."""
    found = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            match = LINE.fullmatch(line)
            assert match is not None, line
            found[f"{match[1]}{{{match[2] or ''}}}"] = float(match[3])
    return found


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = build(settings_in(tmp_path, metrics_networks="127.0.0.0/8,10.9.0.0/16", trusted_proxies="127.0.0.1"))
    with made.app.app_context():
        yield made
        made.services.db.engine.dispose()
    made.services.backend.close()


def scraped(world: World) -> dict[str, float]:
    reply = world.transport.send("GET", f"{world.issuer}/metrics")
    assert reply.status == 200
    assert (reply.header("content-type") or "").startswith("text/plain; version=")
    return figures(reply.text)


def difference(after: dict[str, float], before: dict[str, float], beginning: str) -> dict[str, float]:
    """By how much the samples have grown; the counters of a process go on over its tests."""
    grown = {name: value - before.get(name, 0) for name, value in after.items() if name.startswith(beginning)}
    return {name: value for name, value in grown.items() if value}


def test_requests_and_what_came_of_them_are_counted(world: World) -> None:
    """By endpoint, method and status; grants and refusals by the trail's own words."""
    before = scraped(world)
    launch = world.ehr.launch("public", "doctor", patient="A")["launch"]
    world.public.tokens(launch, "launch patient/Observation.rs")
    world.public.redeem("no-such-code-" + "x" * 30)
    after = scraped(world)
    assert difference(after, before, "authz_http_requests_total") == {
        'authz_http_requests_total{endpoint="launch",method="POST",status="201"}': 1,
        'authz_http_requests_total{endpoint="authorize",method="GET",status="303"}': 1,
        'authz_http_requests_total{endpoint="token",method="POST",status="200"}': 1,
        'authz_http_requests_total{endpoint="token",method="POST",status="400"}': 1,
        'authz_http_requests_total{endpoint="metrics",method="GET",status="200"}': 1,
    }
    events = difference(after, before, "authz_events_total")
    assert events['authz_events_total{event="token.issued",outcome="success",reason=""}'] == 1
    assert sum(value for name, value in events.items() if 'outcome="refused"' in name) == 1
    assert after['authz_http_request_seconds_count{endpoint="token",method="POST"}'] >= 2
    assert difference(after, before, "authz_database_seconds_count")


def test_the_calls_of_the_store_are_timed_by_verb(world: World) -> None:
    """Issue 8.4: who is let in at once reads a launch, claims it, is counted, and leaves a copy to introspect."""
    launch = world.ehr.launch("public", "doctor", patient="A")["launch"]
    before = scraped(world)
    world.public.tokens(launch, "launch patient/Observation.rs")
    after = scraped(world)
    assert difference(after, before, "authz_store_seconds_count") == {
        f'authz_store_seconds_count{{verb="{verb}"}}': 1 for verb in ("get", "claim", "count", "put")
    }
    assert difference(after, before, "authz_store_failures") == {}


def test_a_call_without_an_answer_is_counted_and_not_timed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is refused at once while Redis is left alone would make the times of an outage look like the best ones."""

    def away(*_: object) -> None:
        raise StoreUnavailable("away")

    before = scraped(world)
    monkeypatch.setattr(SQLiteBackend, "get", away)
    with pytest.raises(StoreUnavailable):
        world.services.backend.get("a")
    assert difference(scraped(world), before, "authz_store_failures_total") == {
        'authz_store_failures_total{verb="get"}': 1
    }
    assert difference(scraped(world), before, "authz_store_seconds") == {}


@pytest.mark.redis
def test_how_full_redis_is_can_be_watched(tmp_path: Path) -> None:
    """RL-02: an alert comes before anything is refused; a Redis without a limit, and a file, have none to tell."""
    with redis_server("--maxmemory", "64mb", "--maxmemory-policy", "noeviction") as store:
        made = build(settings_in(tmp_path, metrics_networks="127.0.0.0/8", redis_url=store.url))
        with made.app.app_context():
            found = scraped(made)
            assert found['authz_store_bytes{what="most"}'] == 64 * 1024 * 1024
            assert 0 < found['authz_store_bytes{what="used"}'] < 64 * 1024 * 1024
            store.command("CONFIG", "SET", "maxmemory", 0)
            assert 'authz_store_bytes{what="most"}' not in scraped(made)
            made.services.db.engine.dispose()
        made.services.backend.close()


def test_a_store_that_is_a_file_has_no_figure_of_its_memory(world: World) -> None:
    found = scraped(world)
    assert found['authz_up{what="store"}'] == 1
    assert not [name for name in found if name.startswith("authz_store_bytes")]


def test_nobody_is_named_and_no_outsider_chooses_a_label(world: World) -> None:
    """security.md 4.2: metrics too."""
    odd = "ZZ9ODD" + "x" * 40
    world.transport.send("BREW", f"{world.issuer}/ZZ9ODD")
    world.transport.send("GET", f"{world.issuer}/token?code={odd}", {"User-Agent": odd})
    world.public.post("/token", {"grant_type": odd, "client_id": odd})
    launch = world.ehr.launch("public", "doctor", patient="A")["launch"]
    world.public.tokens(launch, "launch patient/Observation.rs")
    text = world.transport.send("GET", f"{world.issuer}/metrics").text
    assert not re.search(r"ZZ9ODD|BREW|public|doctor|Patient|Observation", text)
    assert 'method="other"' in text


def test_what_waits_and_how_old_the_keys_are_is_looked_up(world: World) -> None:
    world.clock.forward(days=3)
    found = scraped(world)
    with world.services.db.read() as session:
        (key,) = session.scalars(select(SigningKeyRow).where(SigningKeyRow.state == "active"))
    assert (
        found['authz_key_age_seconds{state="active"}'] == (world.clock() - key.created_at).total_seconds() > 2 * 86400
    )
    assert found['authz_waiting{what="logout_notices"}'] == 0
    assert (found['authz_up{what="database"}'], found['authz_up{what="store"}']) == (1, 1)


def test_an_outage_is_told_and_not_answered_with_one(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> None:
        raise Unavailable("away")

    monkeypatch.setattr(world.services.backend, "ping", away)
    monkeypatch.setattr(type(world.services.db), "read", away)
    found = scraped(world)
    assert (found['authz_up{what="database"}'], found['authz_up{what="store"}']) == (0, 0)


@pytest.mark.parametrize(("forwarded", "status"), [("10.9.1.1", 200), ("192.0.2.1", 404), ("10.9.1.1, 192.0.2.1", 404)])
def test_only_the_networks_that_are_named_get_an_answer(world: World, forwarded: str, status: int) -> None:
    """Whoever is not in them learns not even that there is something."""
    reply = world.transport.send("GET", f"{world.issuer}/metrics", {"X-Forwarded-For": forwarded})
    assert reply.status == status
    if status == 404:
        elsewhere = world.transport.send("GET", f"{world.issuer}/nothing-here", {"X-Forwarded-For": forwarded})
        assert reply.json()["error"] == "not_found"
        assert elsewhere.status == 404


def test_without_the_setting_there_is_nothing(tmp_path: Path) -> None:
    made = build(settings_in(tmp_path))
    assert InProcess(made.app, made.issuer).send("GET", f"{made.issuer}/metrics").status == 404
    made.services.backend.close()


def test_the_figures_of_all_workers_are_added_up(tmp_path: Path) -> None:
    """Whichever worker is asked; thirty connections reach both of them."""
    with live_server(tmp_path, metrics_networks="127.0.0.0/8") as live:
        url, told = live.settings.issuer, Counter[float]()
        before = figures(urllib3.request("GET", f"{url}/metrics").data.decode())
        for _ in range(30):
            assert urllib3.PoolManager().request("GET", f"{url}/jwks").status == 200
        name = 'authz_http_requests_total{endpoint="jwks",method="GET",status="200"}'
        for _ in range(10):
            text = urllib3.PoolManager().request("GET", f"{url}/metrics").data.decode()
            told[figures(text)[name] - before.get(name, 0)] += 1
    assert told == {30.0: 10}
