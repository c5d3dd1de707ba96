"""How much a request asks of the stores: counts don't depend on the machine."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import event

from tests.backend import register
from tests.messaging import SCOPE as MESSAGING_SCOPE
from tests.messaging import messaging_world
from tests.world import APP

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.world import World

VERBS = ("get", "put", "take", "claim", "count", "delete")
SCOPE = "launch openid patient/*.rs online_access"


@contextmanager
def counted(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, int]]:
    """Round trips to the short-lived store, and statements to SQL (BEGIN and COMMIT left out)."""
    counts = {"store": 0, "sql": 0}
    backend = world.services.backend
    with monkeypatch.context() as patched:
        for verb in VERBS:
            plain = getattr(type(backend), verb)

            def spy(self: Any, *args: Any, _plain: Any = plain, **more: Any) -> Any:
                counts["store"] += 1
                return _plain(self, *args, **more)

            patched.setattr(type(backend), verb, spy)

        def statement(_c: object, _cursor: object, text: str, *_: object) -> None:
            counts["sql"] += not text.startswith(("BEGIN", "COMMIT", "ROLLBACK", "PRAGMA"))

        event.listen(world.services.db.engine, "before_cursor_execute", statement)
        yield counts
        event.remove(world.services.db.engine, "before_cursor_execute", statement)


def test_introspection_of_a_live_token_is_one_round_trip_and_no_sql(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hot path of house section 4: the answer, the tombstone and the marker come in one look."""
    handle = str(world.ehr.launch("public", "Practitioner/dr", patient="A")["launch"])
    token = world.public.tokens(handle, SCOPE)["access_token"]
    for _ in range(3):  # the store gets to know this process, the caller is remembered
        assert world.fhir_server.introspect(token)["active"] is True
    with counted(world, monkeypatch) as counts:
        assert world.fhir_server.introspect(token)["patient"] == "A"
    assert counts == {"store": 1, "sql": 0}


def test_a_code_is_redeemed_with_one_write_to_the_store(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """performance.md target 11: the ready answer goes to the store after the commit; everything else is SQL."""
    first = str(world.ehr.launch("public", "Practitioner/dr", patient="A")["launch"])
    world.public.tokens(first, SCOPE)
    code = world.public.code(str(world.ehr.launch("public", "Practitioner/dr", patient="A")["launch"]), SCOPE)
    with counted(world, monkeypatch) as counts:
        assert world.public.redeem(code).status == 200
    assert counts["store"] == 1
    assert counts["sql"] <= 7


def test_the_check_of_a_live_handle_is_one_round_trip_and_no_sql(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """web-messaging 10.1: as for a token, whatever an EHR asks; a new window costs one conditional write."""
    window = messaging_world(world)
    handle, asked = window.handle(session="s"), {"origin": APP, "message_type": "ui.done", "ehr_session": "s"}
    for _ in range(3):
        assert window.check(handle, **asked)["allowed"] is True
    with counted(world, monkeypatch) as counts:
        assert window.check(handle, **asked)["allowed"] is True
    assert counts == {"store": 1, "sql": 0}
    with counted(world, monkeypatch) as counts:
        assert window.is_active(handle, window="w-1")
    assert counts == {"store": 2, "sql": 1}
    with counted(world, monkeypatch) as counts:
        assert window.is_active(handle, window="w-1")
    assert counts == {"store": 1, "sql": 0}
    with counted(world, monkeypatch) as counts:
        assert not window.is_active("swm_unknown", origin=APP)
    assert counts == {"store": 1, "sql": 1}


def test_a_handle_costs_a_code_two_statements(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """performance.md target 11: its row is read and written in the token's transaction; the store hears nothing."""
    window = messaging_world(world)
    window.handle()
    made = window.ehr.launch("public", "Practitioner/dr", patient="A", web_messaging_origin=window.origin)
    code = world.public.code(made["launch"], MESSAGING_SCOPE)
    with counted(world, monkeypatch) as counts:
        assert "smart_web_messaging_handle" in world.public.redeem(code).json()
    assert counts["store"] == 1
    assert counts["sql"] <= 10


def test_a_refresh_asks_no_more_than_it_did(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """performance.md target 11 wants few statements: a ceiling, to be lowered with every one that goes."""
    handle = str(world.ehr.launch("confidential", "Practitioner/dr", patient="A")["launch"])
    first = world.confidential.tokens(handle, "launch patient/*.rs offline_access")
    second = world.confidential.refresh(first["refresh_token"]).json()
    with counted(world, monkeypatch) as counts:
        assert world.confidential.refresh(second["refresh_token"]).status == 200
    assert counts["store"] == 1
    assert counts["sql"] <= 6


def test_a_backend_service_asks_no_more_than_it_did(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """performance.md target 11, as above; ``jti`` and token are rows (house, law 2)."""
    backend = register(world, "bulk", ("main",))
    backend.token("system/*.rs")
    with counted(world, monkeypatch) as counts:
        backend.token("system/*.rs")
    assert counts["store"] == 1
    assert counts["sql"] <= 6


@pytest.mark.parametrize(
    "path",
    [
        "/jwks",
        "/.well-known/openid-configuration",
        "/.well-known/oauth-authorization-server",
        "/fhir-servers/main/.well-known/smart-configuration",
    ],
)
def test_public_documents_ask_the_stores_nothing(world: World, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    """performance.md target 6: keys are imported once; FHIR servers and brands are remembered for a second."""
    for registry in (world.services.fhir_servers, world.services.brands):
        monkeypatch.setattr(registry.recent, "monotonic", lambda: 0.0)
    world.transport.send("GET", world.issuer + path, {}, b"")
    with counted(world, monkeypatch) as counts:
        assert world.transport.send("GET", world.issuer + path, {}, b"").status == 200
    assert counts == {"store": 0, "sql": 0}
