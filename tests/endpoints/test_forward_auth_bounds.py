"""What a request may cost that a proxy asks about: in questions to the FHIR server, in time, and for one person."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from tests.endpoints.test_forward_auth import STATEMENT, answer, ask, diagnostics, launched
from tests.outside import FakeOutbound, Outside
from tests.world import FHIR, build, settings_in

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from authz.outbound import Answer, Limits
    from authz.outbound.client import Sent
    from tests.transport import Reply
    from tests.world import World

SLOW_SECONDS = 0.2
IDS = [f"o{number}" for number in range(20)]


def observation(id_: str) -> dict[str, Any]:
    return {"resourceType": "Observation", "id": id_, "subject": {"reference": "Patient/A"}}


class Slow(FakeOutbound):
    """A FHIR server that takes its time; of resources it knows those asked for, all of patient A."""

    def exchange(self, url: str, sent: Sent, limits: Limits, *, trusted: bool) -> Answer:
        if url not in self.outside.answers:
            time.sleep(SLOW_SECONDS)
            self.outside.answers[url] = answer(observation("o0")) if "_history" in url else found(url)
        return super().exchange(url, sent, limits, trusted=trusted)


def found(url: str) -> Answer:
    ids = url.partition("_id=")[2].partition("&")[0].split("%2C")
    return answer({"resourceType": "Bundle", "entry": [{"resource": observation(id_)} for id_ in ids]})


@pytest.fixture
def outside() -> Outside:
    return Outside({f"{FHIR}/metadata": answer(STATEMENT)})


@pytest.fixture
def world(tmp_path: Path, outside: Outside) -> Iterator[World]:
    made = build(settings_in(tmp_path, trusted_proxies="127.0.0.0/8"), Slow(outside))
    with made.app.app_context():
        yield made
        made.services.db.engine.dispose()
    made.services.backend.close()


def batch(world: World, token: str, urls: list[str]) -> Reply:
    entries = [{"request": {"method": "GET", "url": url}} for url in urls]
    body = json.dumps({"resourceType": "Bundle", "type": "batch", "entry": entries}).encode()
    return ask(world, "POST", "/r4", token, body, Content_Type="application/fhir+json")


def test_a_batch_of_reads_is_one_question_to_the_fhir_server(world: World, outside: Outside) -> None:
    """RL-07: the reads of one type; whose they all are is asked together."""
    assert batch(world, launched(world), [f"Observation/{id_}" for id_ in IDS]).status == 204
    assert [asked.url for asked in outside.asked] == [
        f"{FHIR}/metadata",
        f"{FHIR}/Observation?_id={'%2C'.join(IDS)}&patient=Patient%2FA&_count=20",
    ]


def test_a_decision_takes_two_seconds_at_most(world: World) -> None:
    """RL-07: then it is 503, however many questions are left; nothing passes."""
    token, before = launched(world), time.monotonic()
    reply = batch(world, token, [f"Observation/o0/_history/{number}" for number in range(20)])
    assert time.monotonic() - before < 2.0 + 2 * SLOW_SECONDS
    assert (reply.status, reply.header("retry-after")) == (503, "2")
    assert diagnostics(reply) == "whether this is allowed can't be found out now, try again"


def test_one_person_does_not_keep_the_fhir_server_busy(world: World) -> None:
    """RL-07: a third decision of theirs is 429, with whatever token; what needs no question passes; others do."""
    turns = world.services.gateway.upstream.turns
    turns.at_once = replace(turns.at_once, waiting=0)
    token, other = launched(world), launched(world, user="Practitioner/other")
    sub = world.fhir_server.introspect(token)["sub"]
    with turns.turn("main", sub) as first, turns.turn("main", sub) as second:
        first.take()
        second.take()
        for one in (token, launched(world)):
            reply = ask(world, "GET", "/r4/Observation/o1", one)
            assert (reply.status, reply.header("retry-after")) == (429, "1")
            assert diagnostics(reply) == "too many requests of one person wait for the FHIR server, send fewer at once"
            assert reply.json()["issue"][0]["code"] == "throttled"
            assert ask(world, "GET", "/r4/Patient/A", one).status == 204
        assert ask(world, "GET", "/r4/Observation/o1", other).status == 204
    assert ask(world, "GET", "/r4/Observation/o2", token).status == 204
    assert turns.asking == []
