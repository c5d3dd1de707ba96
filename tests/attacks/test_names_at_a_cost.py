"""Names are compared with those of all other apps: what strangers call theirs costs nobody much work."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import event

from authz.clients.metadata import ClientMetadata, InvalidClientMetadata
from authz.registration import earlier, findings
from authz.registration.look_alikes import skeletons
from authz.registration.others import AT_ONCE
from tests.vendor import METADATA, Vendor
from tests.world import build, settings_in

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy.orm import Session

    from tests.world import World

LONG = "\ufdfa"  # one character in which a sentence of eighteen is written


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = build(settings_in(tmp_path, registrations_per_hour="1000"))
    with made.app.app_context():
        with made.services.db.write() as session:
            made.services.fhir_servers.update(session, "main", {"registration": "open"})
        yield made
        made.services.db.engine.dispose()
    made.services.backend.close()


class Counted:
    """How many names were taken apart."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.names: list[str] = []
        for module in (findings, earlier):
            monkeypatch.setattr(module, "skeletons", self.skeletons)

    def skeletons(self, name: str) -> frozenset[str]:
        self.names.append(name)
        return skeletons(name)

    def since(self) -> list[str]:
        found, self.names = self.names, []
        return sorted(found)


@contextmanager
def metadata_read(world: World) -> Iterator[list[str]]:
    """Statements by which what strangers wrote at length comes into memory."""
    found: list[str] = []

    def hear(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith("SELECT") and "client.about" in statement and "client.jwks" not in statement:
            found.append(statement)

    event.listen(world.services.db.engine, "before_cursor_execute", hear)
    yield found
    event.remove(world.services.db.engine, "before_cursor_execute", hear)


@pytest.mark.parametrize("name", [LONG * 29, f"Ho{LONG * 28}spital plus"])
def test_a_name_is_short_also_when_each_of_its_signs_is_written_out(name: str) -> None:
    """RL-07, RG-15: 252 of them would be 4 536 letters to compare, at each check of every app."""
    with pytest.raises(InvalidClientMetadata, match="must not be more than 512 letters when each sign"):
        ClientMetadata.load({**METADATA, "client_name": name})


@pytest.mark.parametrize("name", [LONG * 28, "건강 기록 " * 20 + "앱", "Ứng dụng sức khỏe " * 13 + "ở đây", "x" * 255])
def test_a_long_name_in_any_language_is_none_too_many(name: str) -> None:
    assert ClientMetadata.load({**METADATA, "client_name": name}).client_name == name


def test_an_app_has_a_name_in_thirty_languages_and_in_no_more() -> None:
    """RL-07: each of them is compared with each name of all others."""
    names = {f"client_name#a{chr(97 + n // 26)}{chr(97 + n % 26)}": f"App {n}" for n in range(31)}
    with pytest.raises(InvalidClientMetadata, match="client_name: more than 30 translations"):
        ClientMetadata.load({**METADATA, **names})
    names.popitem()
    assert ClientMetadata.load({**METADATA, **names}).about.keys() >= names.keys()


def test_the_names_of_an_app_are_taken_apart_once_and_not_at_each_check_of_another(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RL-07: after that only what has changed, be it at the same moment; nobody is taken for the app of before."""
    vendor, checks = Vendor(world.transport), world.services.registration.checks
    mine = vendor.register(client_name="Honest")
    theirs = [vendor.register(client_name=f"Flood {number}", **{"client_name#fr": f"Flot {number}"}) for number in "ab"]
    checks.read(mine["client_id"])
    counted = Counted(monkeypatch)
    checks.read(mine["client_id"])
    assert counted.since() == ["Honest"]
    with world.services.db.write() as session:
        world.services.clients.update(session, theirs[0]["client_id"], {"client_name": "H0nest"}, {})
    found = checks.wrong_names(mine["client_id"])
    assert counted.since() == ["Flot a", "H0nest", "Honest"]
    assert not found  # a warning: neither is approved
    case = checks.read(mine["client_id"])
    twins = [other.names for other in case.others if other.skeletons & case.mine.skeletons]
    assert twins == [("H0nest",)]


def test_the_metadata_of_few_other_apps_is_in_memory_at_once(world: World) -> None:
    """RL-07: of a thousand apps of a quarter of a megabyte it would be as many times that."""
    vendor, checks = Vendor(world.transport), world.services.registration.checks
    apps = [vendor.register(client_name=f"App {number}") for number in range(2 * AT_ONCE + 1)]
    with metadata_read(world) as read:
        others = checks.read(apps[0]["client_id"]).others
    assert len(others) >= 2 * AT_ONCE
    assert len(read) == -(-len(others) // AT_ONCE)
    with metadata_read(world) as read:
        assert checks.read(apps[0]["client_id"]).others == others
    assert read == []


def test_no_name_is_taken_apart_while_others_wait_to_write(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """RL-07: SQLite has one writer at a time; this is done before it is an app's turn."""
    writing, db = False, world.services.db
    write, seen = type(db).write, list[bool]()

    @contextmanager
    def watched(self: Any) -> Iterator[Session]:
        nonlocal writing
        with write(self) as session:
            writing = True
            try:
                yield session
            finally:
                writing = False

    def noted(name: str) -> frozenset[str]:
        seen.append(writing)
        return skeletons(name)

    monkeypatch.setattr(type(db), "write", watched)
    monkeypatch.setattr(earlier, "skeletons", noted)
    vendor = Vendor(world.transport)
    registered = vendor.register(client_name="First")
    assert vendor.replace(registered, client_name="Second").status == 200
    assert seen == [False, False]


def test_the_list_for_reviewers_holds_nothing_that_strangers_wrote_at_length(world: World) -> None:
    """RL-07: what it shows of each is its name and where its approval stands."""
    Vendor(world.transport).register(client_name="App", tos_uri="https://app.example/terms")
    (one,) = world.services.registration.review.list()
    assert (one.client.client_name, one.summary()["client_name"]) == ("App", "App")
    assert (one.metadata, one.before, one.client.about, one.client.redirect_uris) == ({}, {}, {}, ())
