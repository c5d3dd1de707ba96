"""The ready answer that lies in the short-lived store: how much room it takes, and whose it is."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from redis import Redis

from authz.storage.records import digest
from authz.tokens.answer import ending
from tests.live import live_server
from tests.servers import redis_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.live import Live
    from tests.servers import RedisServer
    from tests.world import World

SCOPE = "launch openid fhirUser patient/*.rs online_access"
MOST_BYTES = 500


@pytest.fixture
def redis_store() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


def token(site: World | Live) -> str:
    launch = site.ehr.launch("public", "Practitioner/dr", patient="A", launch_url="https://app.example/launch")
    issued: dict[str, Any] = site.public.tokens(str(launch["launch"]), SCOPE)
    return str(issued["access_token"])


@pytest.mark.redis
def test_the_answer_about_a_launch_takes_five_hundred_bytes_of_redis_at_most(
    redis_store: RedisServer, tmp_path: Path
) -> None:
    """docs/performance.md, "Bytes of a token": with patient, user and scopes, its key and what Redis adds."""
    with live_server(tmp_path, redis_url=redis_store.url) as live, Redis.from_url(redis_store.url) as store:
        live.fhir_server.introspect(token(live))
        sizes = [store.memory_usage(key) or 0 for key in store.scan_iter("authz:hot:*")]
    assert len(sizes) == 1
    assert sizes[0] <= MOST_BYTES


def test_an_answer_that_was_kept_under_another_issuer_is_not_given(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RFC 7662 §2.2: the issuer does not lie in the store, but the seal is over it."""
    good = token(world)
    asked = world.fhir_server.introspect(good)
    hot = world.services.hot
    found = hot.find(digest(good))
    assert found is not None
    assert json.loads(found[1]) == asked
    monkeypatch.setattr(hot, "seal", replace(hot.seal, ending=ending("https://before.example")))
    assert hot.find(digest(good)) is None
    assert world.fhir_server.introspect(good) == asked


def test_an_answer_that_ends_in_another_way_is_kept_as_it_is(world: World) -> None:
    """Handles have such, and so have tokens that the version before issued."""
    hot = world.services.hot
    good = token(world)
    world.fhir_server.introspect(good)
    content = b"1\n2\nmain\n{}"
    kept = hot.seal.close(digest(good), content)
    assert kept.endswith(content)
    assert hot.seal.open(digest(good), kept) == content
