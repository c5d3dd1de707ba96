"""A script that knows only the page about the launch record writes into Redis, and the EHR launch runs (decision 4)."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from typing import TYPE_CHECKING, Any

import pytest

from authz.launch.reference import reference
from tests.servers import redis_server
from tests.world import FHIR, build, settings_in

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.servers import RedisServer
    from tests.world import World

pytestmark = pytest.mark.redis

SCOPE = "launch patient/*.rs"


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


@pytest.fixture
def server(tmp_path: Path, redis: RedisServer) -> Iterator[World]:
    made = build(settings_in(tmp_path, redis_url=redis.url))
    with made.app.app_context():
        with made.services.db.write() as session:
            made.services.fhir_servers.update(session, "main", {"redis_launches": True})
        yield made
        made.services.db.engine.dispose()
    made.services.backend.close()


def write(server: World, redis: RedisServer, **changes: Any) -> str:
    """Follow the page's four steps, with the command it shows; returns the handle."""
    shown = re.search(r"^SET (\S+)<sha256 hex of the handle> '(\{.*\})' EX (\d+)$", reference(), re.MULTILINE)
    assert shown is not None
    prefix, example, life = shown.groups()
    handle = secrets.token_urlsafe(32)
    mine = {"client_id": "public", "fhir_server": FHIR, "user": "Practitioner/dr", "patient": "A"}
    record = json.loads(example) | mine | {"exp": int(server.clock().timestamp()) + 300} | changes
    redis.command("SET", prefix + hashlib.sha256(handle.encode()).hexdigest(), json.dumps(record), "EX", life)
    return handle


def test_the_app_gets_the_context_that_the_script_wrote(server: World, redis: RedisServer) -> None:
    tokens = server.public.tokens(write(server, redis, encounter="visit-7", __own="x"), SCOPE)
    assert tokens == {
        "patient": "A",
        "encounter": "visit-7",
        "__own": "x",
        "access_token": tokens["access_token"],
        "token_type": "Bearer",
        "expires_in": 3600,
        "scope": SCOPE,
    }
    assert server.fhir_server.introspect(tokens["access_token"])["patient"] == "A"


def test_the_same_handle_does_not_work_again(server: World, redis: RedisServer) -> None:
    handle = write(server, redis)
    server.public.code(handle, SCOPE)
    assert server.public.launched(handle, SCOPE).location_parameters["error"] == "invalid_request"


@pytest.mark.parametrize(
    "changes",
    [
        {"patient": "Patient/A"},
        {"exp": 4_102_444_800},
        {"client_id": "nobody"},
        {"fhir_server": "https://evil.example"},
    ],
    ids=["malformed", "long-lived", "foreign-client", "foreign-server"],
)
def test_a_record_that_breaks_the_rules_opens_nothing(
    server: World, redis: RedisServer, changes: dict[str, Any]
) -> None:
    answer = server.public.launched(write(server, redis, **changes), SCOPE).location_parameters
    assert (answer["error"], answer["state"]) == ("invalid_request", server.public.state)
    assert "code" not in answer
