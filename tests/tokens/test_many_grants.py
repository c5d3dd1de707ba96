"""Whoever has very many grants is switched off as anybody else (security.md I4, RL-07)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import func, select, text

from authz.audit.model import AuditEventRow
from authz.tokens import whose
from authz.tokens.model import GrantRow
from tests.servers import postgres_server
from tests.world import on_postgres

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy.orm import Session

    from tests.world import World

MORE_THAN_A_STATEMENT_TAKES = 66_000  # parameters
SCOPE = "launch patient/*.rs offline_access"
COPIES = """
INSERT INTO grant_record
SELECT (jsonb_populate_record(g, jsonb_build_object('id', md5(n::text)))).*
FROM grant_record g, generate_series(:first, :first + 999) n WHERE g.id = :id
"""


@pytest.fixture
def durable(tmp_path: Path) -> Iterator[World]:
    with postgres_server() as server, on_postgres(tmp_path, server) as made:
        yield made


def opened(world: World) -> tuple[str, str]:
    """An access token, and whose it is."""
    launch = str(world.ehr.launch("public", "Practitioner/dr", patient="A")["launch"])
    token = str(world.public.tokens(launch, SCOPE)["access_token"])
    return token, str(world.fhir_server.introspect(token)["sub"])


def switched_off(world: World, sub: str) -> int:
    def off(session: Session) -> None:
        world.services.users.set_enabled(session, sub, enabled=False)

    return world.services.revocation.revoke_user(sub, "user_disabled", within=off)


def ended(world: World) -> tuple[int, int]:
    """How many grants have ended, and how many of them the trail knows."""
    with world.services.db.read() as session:
        grants = session.scalar(select(func.count()).select_from(GrantRow).where(GrantRow.revoked_at.is_not(None)))
        told = select(func.count()).select_from(AuditEventRow).where(AuditEventRow.event == "grant.revoked")
        return grants or 0, session.scalar(told) or 0


def test_page_by_page_every_grant_ends_and_is_on_the_trail(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whose, "PAGE", 2)
    tokens = [opened(world) for _ in range(5)]
    assert switched_off(world, tokens[0][1]) == 5
    assert ended(world) == (5, 5)
    assert all(world.fhir_server.introspect(token) == {"active": False} for token, _ in tokens)


@pytest.mark.postgres
def test_more_grants_than_a_statement_has_parameters_end_in_one_command(durable: World) -> None:
    token, sub = opened(durable)
    with durable.services.db.write() as session:
        grant_id = session.scalar(select(GrantRow.id).where(GrantRow.sub == sub))
        for first in range(0, MORE_THAN_A_STATEMENT_TAKES, 1_000):
            session.execute(text(COPIES), {"first": first, "id": grant_id})
    assert switched_off(durable, sub) == MORE_THAN_A_STATEMENT_TAKES + 1
    assert ended(durable) == (MORE_THAN_A_STATEMENT_TAKES + 1, MORE_THAN_A_STATEMENT_TAKES + 1)
    assert durable.fhir_server.introspect(token) == {"active": False}
