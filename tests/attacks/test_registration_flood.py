"""A stranger registers as fast as they can (security.md RG-19)."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import func, select

from authz.audit.model import AuditEventRow
from authz.clients.model import ClientRow
from authz.registration.model import RegistrationEventRow, RegistrationRow, ReportRow
from tests.world import ISSUER, build, settings_in

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from authz.storage.database import Base
    from tests.transport import Reply
    from tests.world import World

APP = {"client_name": "Flood", "redirect_uris": ["https://flood.example/cb"], "scope": "patient/*.rs"}
SETTINGS = {"registrations_per_hour": "20", "unapproved_apps": "50", "trusted_proxies": "127.0.0.1"}
TOO_MANY = {
    "error": "temporarily_unavailable",
    "error_description": "too many registrations from this address; try again in an hour",
}
FULL = {**TOO_MANY, "error_description": "this server has as many unapproved apps as it takes; ask the hospital"}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = build(settings_in(tmp_path, **SETTINGS))
    with made.app.app_context():
        with made.services.db.write() as session:
            made.services.fhir_servers.update(session, "main", {"registration": "open"})
        yield made
        made.services.db.engine.dispose()
    made.services.backend.close()


def register(world: World, address: str, **more: str) -> Reply:
    """Through the proxy, which tells the address."""
    headers = {"Content-Type": "application/json", "X-Forwarded-For": address, **more}
    return world.transport.send("POST", f"{ISSUER}/fhir-servers/main/register", headers, json.dumps(APP).encode())


def rows(world: World) -> dict[str, int]:
    """Everything that a registration, or its refusal, leaves behind."""
    kept: list[type[Base]] = [ClientRow, RegistrationRow, RegistrationEventRow, ReportRow, AuditEventRow]
    with world.services.db.read() as session:
        return {one.__tablename__: session.scalar(select(func.count()).select_from(one)) or 0 for one in kept}


def grown(world: World, before: dict[str, int]) -> dict[str, int]:
    return {name: count - before[name] for name, count in rows(world).items()}


def test_of_a_thousand_registrations_from_one_address_few_come_in_and_the_rest_leaves_one_line(world: World) -> None:
    """RG-19, RL-02: 429 after the quota, with Retry-After, in JSON; disk growth bounded."""
    before = rows(world)
    replies = [register(world, "198.51.100.7") for _ in range(1_000)]
    assert Counter(reply.status for reply in replies) == {201: 20, 429: 980}
    assert (replies[-1].json(), replies[-1].header("retry-after")) == (TOO_MANY, "3600")
    assert grown(world, before) == {
        "client": 20,
        "registration": 20,
        "registration_event": 20,
        "registration_report": 20,
        "audit_event": 21,
    }
    assert register(world, "203.0.113.9").status == 201


def test_changing_the_address_helps_within_a_network_a_little_and_then_no_more(world: World) -> None:
    """RG-19: a /24 gets four times the quota of one address; then the room of the FHIR server is full as well."""
    replies = [register(world, f"198.51.100.{number % 250}") for number in range(200)]
    assert Counter(reply.status for reply in replies) == {201: 50, 429: 150}
    assert replies[60].json()["error_description"] == FULL["error_description"]
    assert replies[-1].json() == TOO_MANY
    before = rows(world)
    refused = [register(world, f"203.0.{number}.1") for number in range(50)]
    assert {reply.status for reply in refused} == {429}
    assert refused[0].refusal() == FULL
    assert grown(world, before)["client"] == 0


@pytest.mark.parametrize("header", ["X-Real-IP", "True-Client-IP", "Forwarded", "X-Client-IP"])
def test_no_other_header_makes_another_address(world: World, header: str) -> None:
    """RL-03: only the trusted proxy's word counts, and of that the last address."""
    for number in range(20):
        assert register(world, "198.51.100.7", **{header: f"for=192.0.2.{number}"}).status == 201
    assert register(world, "192.0.2.77, 198.51.100.7", **{header: "192.0.2.99"}).status == 429
