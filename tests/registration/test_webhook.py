"""The hospital's own systems hear of new requests and of decisions, in notices that this server has signed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from joserfc import jws
from joserfc.jwk import KeySet
from sqlalchemy import select

from authz.audit.model import AuditEventRow
from authz.notices.courier import DELAYS
from authz.outbound import Answer
from authz.registration.decision import Reviewer
from authz.registration.model import RegistrationNoticeRow
from authz.settings import ConfigurationError
from tests.outside import FakeOutbound, Outside
from tests.vendor import Vendor
from tests.world import ISSUER, build, settings_in

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.outside import Asked
    from tests.world import World

HOOK = "https://hooks.hospital.example/apps"
ANN = Reviewer("ann")


@pytest.fixture
def outside() -> Outside:
    return Outside({HOOK: Answer(202, {}, b"")})


@pytest.fixture
def world(tmp_path: Path, outside: Outside) -> Iterator[World]:
    made = build(settings_in(tmp_path, registration_webhook=HOOK), FakeOutbound(outside))
    with made.app.app_context():
        with made.services.db.write() as session:
            made.services.fhir_servers.update(session, "main", {"registration": "open"})
        yield made
        made.services.db.engine.dispose()
    made.services.backend.close()


def send(world: World) -> int:
    return world.services.registration.webhook.send_due()


def claims(world: World, asked: Asked) -> dict[str, Any]:
    """As a receiver reads them, who knows this server's published keys."""
    keys = KeySet.import_key_set(world.transport.send("GET", f"{ISSUER}/jwks").json())
    found = jws.deserialize_compact(asked.body or b"", keys, algorithms=["RS256"])
    assert found.headers()["typ"] == "registration-notice+jwt"
    said: dict[str, Any] = json.loads(found.payload or b"")
    return said


def trail(world: World) -> list[tuple[str | None, str, dict[str, Any]]]:
    with world.services.db.read() as session:
        rows = session.scalars(select(AuditEventRow).where(AuditEventRow.event == "registration.notice")).all()
        return [(row.reason, row.outcome, row.detail) for row in rows]


def test_a_request_and_a_decision_are_told_with_our_signature(world: World, outside: Outside) -> None:
    """REQ-116: who, what, where to look; no note and no secret."""
    answer = Vendor(world.transport).register(scope="user/*.rs", client_name="Round", token_endpoint_auth_method=None)
    world.services.registration.review.request_production(answer["client_id"], "between us")
    world.services.registration.review.approve(answer["client_id"], ANN, note="and us")
    assert send(world) == 3
    now = int(world.clock().timestamp())
    told = sorted((claims(world, asked) for asked in outside.asked), key=lambda c: str(c["registration"]["actor"]))
    assert [(asked.method, asked.url, asked.headers, asked.trusted) for asked in outside.asked] == [
        ("POST", HOOK, {"Content-Type": "application/jwt"}, True)
    ] * 3
    assert told[0] == {
        "iss": ISSUER,
        "aud": HOOK,
        "iat": now,
        "exp": now + 120,
        "jti": told[0]["jti"],
        "registration": {
            "client_id": answer["client_id"],
            "client_name": "Round",
            "lane": "provider",
            "state": "approved",
            "what": "approved",
            "actor": "administrator:ann",
            "at": now,
            "page": f"{ISSUER}/admin/registrations/{answer['client_id']}",
        },
    }
    assert sorted((c["registration"]["what"], c["registration"]["state"]) for c in told[1:]) == [
        ("registered", "sandbox"),
        ("requested", "requested"),
    ]
    sent = " ".join(json.dumps(c) for c in told)
    for secret in (answer["client_secret"], answer["registration_access_token"], "between us", "and us"):
        assert secret not in sent
    assert sorted(detail["what"] for _, _, detail in trail(world)) == ["approved", "registered", "requested"]
    assert {(reason, outcome) for reason, outcome, _ in trail(world)} == {("told", "success")}
    assert send(world) == 0


def test_a_receiver_that_is_away_is_told_again_by_the_same_jti(world: World, outside: Outside) -> None:
    """At most five times; what comes of it is on the trail."""
    outside.answers[HOOK] = Answer(503, {}, b"")
    Vendor(world.transport).register()
    assert send(world) == 1
    for delay in DELAYS:
        assert send(world) == 0
        world.clock.forward(seconds=delay.total_seconds())
        assert send(world) == 1
    world.clock.forward(days=1)
    assert send(world) == 0
    assert len({claims(world, asked)["jti"] for asked in outside.asked}) == 1
    assert trail(world) == [("given_up", "refused", {"what": "registered", "attempts": 5})]


def test_what_did_not_happen_is_not_told(world: World) -> None:
    """The row is written in the transaction of what it tells: a refused registration leaves none."""
    assert Vendor(world.transport).send({"client_name": "x", "redirect_uris": ["javascript:x"]}).status == 400
    with world.services.db.read() as session:
        assert session.scalars(select(RegistrationNoticeRow)).all() == []


def test_an_app_that_went_away_is_still_told_of(world: World, outside: Outside) -> None:
    vendor = Vendor(world.transport)
    answer = vendor.register()
    assert vendor.delete(answer).status == 204
    assert send(world) == 1
    assert claims(world, outside.asked[0])["registration"]["client_id"] == answer["client_id"]


def test_without_an_address_nothing_is_queued(tmp_path: Path) -> None:
    made = build(settings_in(tmp_path))
    with made.app.app_context():
        with made.services.db.write() as session:
            made.services.fhir_servers.update(session, "main", {"registration": "open"})
        Vendor(made.transport).register()
        with made.services.db.read() as session:
            assert session.scalars(select(RegistrationNoticeRow)).all() == []
        made.services.db.engine.dispose()
    made.services.backend.close()


@pytest.mark.parametrize("url", ["http://hooks.example/", "ftp://hooks.example/", "nonsense", "https://"])
def test_an_address_that_others_could_read_along_is_no_setting(tmp_path: Path, url: str) -> None:
    with pytest.raises(ConfigurationError, match="registration_webhook: must be an https URL; http on loopback only"):
        settings_in(tmp_path, registration_webhook=url)
