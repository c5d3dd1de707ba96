"""Notes of introspections: nothing on the hot path, to a minute, lost without harm."""

from __future__ import annotations

from typing import TYPE_CHECKING

from authz.keyring.seal import Seal
from authz.storage.short_lived import StoreUnavailable
from authz.tokens import last_seen
from authz.tokens.last_seen import LastSeen

if TYPE_CHECKING:
    from typing import NoReturn

    import pytest

    from tests.world import World


def last_seen_of(world: World) -> LastSeen:
    return LastSeen(world.services.backend, Seal(world.services.secrets, "last seen"), world.clock)


def test_a_note_is_in_the_store_after_the_next_flush(world: World) -> None:
    seen = last_seen_of(world)
    seen.note("a")
    assert seen.of(["a", "b"]) == {}
    seen.flush()
    at = world.clock()
    assert seen.of(["a", "b"]) == {"a": at}
    world.clock.forward(seconds=60)
    seen.flush()
    assert seen.of(["a"]) == {"a": at}


def test_a_process_keeps_a_bounded_number_of_notes(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(last_seen, "MOST", 3)
    monkeypatch.setattr(last_seen, "AT_ONCE", 2)
    seen = last_seen_of(world)
    for name in "abcde":
        seen.note(name)
    seen.flush()
    assert set(seen.of(list("abcde"))) == set("abc")
    assert seen.noted == set()


def test_a_store_that_is_away_costs_the_notes_and_nothing_else(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> NoReturn:
        raise StoreUnavailable("gone")

    seen = last_seen_of(world)
    seen.note("a")
    monkeypatch.setattr(type(world.services.backend), "put", away)
    seen.flush()
    assert seen.noted == set()
    assert seen.of(["a"]) == {}


def test_an_inactive_token_leaves_no_note(world: World) -> None:
    world.fhir_server.introspect("unknown")
    assert world.services.last_seen.noted == set()
