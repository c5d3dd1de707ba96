"""``sector_identifier_uri``: an address that must list every redirect URI (OpenID Connect Core §8.1, RG-13)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from authz.audit.search import Query, search
from authz.outbound import Answer
from tests.outside import FakeOutbound, Outside
from tests.vendor import METADATA, Vendor
from tests.world import build, settings_in

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.world import World

URL = "https://vendor.example/sector.json"
CALLBACKS = ["https://vendor.example/cb", "https://other.example/cb"]


@pytest.fixture
def outside() -> Outside:
    return Outside()


@pytest.fixture
def world(tmp_path: Path, outside: Outside) -> Iterator[World]:
    made = build(settings_in(tmp_path), FakeOutbound(outside))
    with made.app.app_context():
        with made.services.db.write() as session:
            made.services.fhir_servers.update(session, "main", {"registration": "open"})
        yield made
        made.services.db.engine.dispose()
    made.services.backend.close()


@pytest.fixture
def vendor(world: World) -> Vendor:
    return Vendor(world.transport)


def asked(outside: Outside) -> list[str]:
    return [one.url for one in outside.asked if one.url == URL]


def test_a_document_that_lists_all_of_them_is_enough(vendor: Vendor, outside: Outside) -> None:
    """RG-13: asked once, as a stranger's address; kept and told."""
    outside.answers[URL] = Answer(200, {}, json.dumps(["https://third.example/", 5, *CALLBACKS]).encode())
    answer = vendor.register(redirect_uris=CALLBACKS, sector_identifier_uri=URL)
    assert answer["sector_identifier_uri"] == URL
    assert asked(outside) == [URL]
    (one,) = [one for one in outside.asked if one.url == URL]
    assert (one.method, one.trusted, one.limits.seconds, one.limits.max_bytes) == ("GET", False, 5.0, 65_536)


@pytest.mark.parametrize(
    "answer",
    [
        Answer(200, {}, json.dumps(CALLBACKS[:1]).encode()),
        Answer(404, {}, json.dumps(CALLBACKS).encode()),
        Answer(200, {}, json.dumps({"redirect_uris": CALLBACKS}).encode()),
        Answer(200, {}, b"[" * 5_000),
        Answer(200, {}, b"\xff"),
        Answer(200, {}, b""),
    ],
    ids=["one is missing", "404", "an object", "deep", "no text", "empty"],
)
def test_any_other_document_is_not(vendor: Vendor, outside: Outside, answer: Answer) -> None:
    """RG-13: at registration, and in an update, which leaves everything as it was."""
    known = vendor.register(redirect_uris=CALLBACKS)
    outside.answers[URL] = answer
    members = {**METADATA, "redirect_uris": CALLBACKS, "sector_identifier_uri": URL}
    for reply in (vendor.send(members), vendor.replace(known, sector_identifier_uri=URL)):
        assert (reply.status, reply.refusal()["error"]) == (400, "invalid_client_metadata")
        assert "https://other.example/cb" in reply.refusal()["error_description"]
    assert vendor.read(known).json() == known


def test_an_address_that_does_not_answer_is_not_either(vendor: Vendor) -> None:
    reply = vendor.send({**METADATA, "sector_identifier_uri": URL})
    assert (reply.status, reply.refusal()) == (
        400,
        {"error": "invalid_client_metadata", "error_description": "sector_identifier_uri: can't be fetched"},
    )


def test_an_inner_address_is_refused_and_on_the_trail(tmp_path: Path) -> None:
    """RG-11, security.md 4.1: the true guard, which asks nobody."""
    world = build(settings_in(tmp_path))
    with world.app.app_context():
        with world.services.db.write() as session:
            world.services.fhir_servers.update(session, "main", {"registration": "open"})
        vendor = Vendor(world.transport)
        reply = vendor.send({**METADATA, "sector_identifier_uri": "https://127.0.0.1/"})
        assert reply.status == 400
        with world.services.db.read() as session:
            found = search(session, Query(event="fetch.refused"))
            assert [(one["reason"], one["outcome"]) for one in found] == [("sector_identifier_uri", "refused")]
        world.services.db.engine.dispose()
    world.services.backend.close()
