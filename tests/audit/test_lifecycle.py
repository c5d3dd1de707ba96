"""The server's own life on the trail: security.md 4.1, configuration change and start."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from authz.audit.lifecycle import Lifecycle
from authz.keyring.secrets import Secrets
from authz.settings import Settings

if TYPE_CHECKING:
    from tests.audit.conftest import Archive

KEY, NEXT_KEY = b"k" * 32, b"n" * 32
SETTINGS = Settings(issuer="https://auth.hospital.example", database_url="postgresql://authz:ZZ9SECRET@db/authz")


def start(archive: Archive, settings: Settings = SETTINGS, *keys: bytes) -> list[dict[str, Any]]:
    """What a start puts on the trail."""
    before = len(archive.records())
    lifecycle = Lifecycle(archive.own.trail, settings, Secrets(keys or (KEY,)))
    with archive.own.db.write() as session:
        lifecycle.started(session)
    return archive.records()[before:]


def changed(records: list[dict[str, Any]]) -> list[str]:
    """The settings that the trail names after a start; empty if it says nothing of the kind."""
    assert [record["event"] for record in records] in (
        ["server.started"],
        ["server.started", "configuration.changed"],
    )
    return [name for record in records[1:] for name in record["detail"]["changed"]]


def mark(records: list[dict[str, Any]], name: str) -> str:
    return str(records[0]["detail"]["settings"][name])


def test_the_first_start_has_nothing_to_compare_with(archive: Archive) -> None:
    assert changed(start(archive)) == []


def test_a_start_with_the_same_settings_says_nothing(archive: Archive) -> None:
    start(archive)
    assert changed(start(archive)) == []


@pytest.mark.parametrize(
    "change",
    [
        {"issuer": "https://other.hospital.example"},
        {"redis_url": "redis://cache.hospital.example"},
        {"keys_dir": Path("/etc/authz/keys"), "log_level": "DEBUG"},
    ],
)
def test_what_was_set_differently_is_named(archive: Archive, change: dict[str, Any]) -> None:
    start(archive)
    assert changed(start(archive, replace(SETTINGS, **change))) == sorted(change)
    assert changed(start(archive, replace(SETTINGS, **change))) == []


def test_a_change_of_a_secret_is_seen_and_the_secret_is_not(archive: Archive) -> None:
    """security.md 4.2: no value is kept, and without this server's key nothing to try guesses on."""
    first = start(archive)
    other = start(archive, replace(SETTINGS, database_url="postgresql://authz:ZZ9OTHER@db/authz"))
    assert changed(other) == ["database_url"]
    elsewhere = start(archive, SETTINGS, NEXT_KEY)
    assert "ZZ9" not in str([first, other, elsewhere])
    assert len({mark(records, "database_url") for records in (first, other, elsewhere)}) == 3


def test_a_new_key_of_the_server_changes_no_setting(archive: Archive) -> None:
    start(archive)
    assert changed(start(archive, SETTINGS, NEXT_KEY, KEY)) == []


def test_a_setting_that_only_one_of_two_versions_has_is_named(archive: Archive) -> None:
    """An upgrade that brings settings or drops them changes what is configured."""
    (first,) = start(archive)
    kept = first["detail"]["settings"] | {"gone": "0" * 16}
    del kept["log_level"]
    assert Lifecycle(archive.own.trail, SETTINGS, Secrets((KEY,))).changed(kept) == {"gone", "log_level"}
