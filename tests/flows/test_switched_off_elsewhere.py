"""An app that another process switched off gets no token, though this one still remembers it (decision 0080)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import update

from authz.clients.model import ClientRow
from tests.backend import register

if TYPE_CHECKING:
    from tests.transport import Reply
    from tests.world import World

SCOPE = "launch patient/*.rs offline_access"


@pytest.fixture
def world(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(world.services.clients.rows, "monotonic", lambda: 0.0)
    return world


def switched_off_elsewhere(world: World) -> None:
    with world.services.db.write() as session:
        session.execute(update(ClientRow).values(enabled=False))


def refusal(reply: Reply) -> tuple[int, str]:
    return reply.status, reply.json()["error"]


def launch(world: World) -> str:
    return str(world.ehr.launch("confidential", "Practitioner/dr", patient="A")["launch"])


def test_a_code_buys_nothing(world: World) -> None:
    world.confidential.tokens(launch(world), SCOPE)
    code = world.confidential.code(launch(world), SCOPE)
    switched_off_elsewhere(world)
    assert refusal(world.confidential.redeem(code)) == (401, "invalid_client")


def test_a_refresh_token_buys_nothing(world: World) -> None:
    tokens = world.confidential.tokens(launch(world), SCOPE)
    switched_off_elsewhere(world)
    assert refusal(world.confidential.refresh(tokens["refresh_token"])) == (401, "invalid_client")


def test_a_key_buys_nothing(world: World) -> None:
    backend = register(world, "bulk", ("main",))
    assert backend.ask("system/*.rs").status == 200
    switched_off_elsewhere(world)
    assert refusal(backend.ask("system/*.rs")) == (401, "invalid_client")
