"""What is remembered for a second (issue: a change is visible everywhere within one second)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import update

from authz.errors import Unavailable
from authz.fhir_servers.model import FhirServerRow
from authz.storage.remembered import SECONDS, Remembered

if TYPE_CHECKING:
    from authz.fhir_servers.registry import FhirServers
    from tests.world import World


class Time:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def time(world: World, monkeypatch: pytest.MonkeyPatch) -> Time:
    made = Time()
    monkeypatch.setattr(world.services.fhir_servers.remembered, "monotonic", made)
    return made


def enabled(servers: FhirServers) -> bool:
    found = servers.get("main")
    assert found is not None
    return found.enabled


def disabled_elsewhere(world: World) -> None:
    """As another process does it: this one is not told."""
    with world.services.db.write() as session:
        session.execute(update(FhirServerRow).values(enabled=False))


def test_a_change_by_another_process_is_seen_within_a_second(world: World, time: Time) -> None:
    servers = world.services.fhir_servers
    assert enabled(servers)
    disabled_elsewhere(world)
    time.seconds = SECONDS - 0.01
    assert enabled(servers)
    time.seconds = SECONDS
    assert not enabled(servers)


def test_a_change_by_this_process_is_seen_at_once_and_not_before_its_commit(world: World, time: Time) -> None:
    assert time.seconds == 0
    services = world.services
    before = services.fhir_servers.all()
    with services.db.write() as session:
        services.fhir_servers.set_enabled(session, "main", enabled=False)
        assert services.fhir_servers.all() is before
    assert not enabled(services.fhir_servers)


def test_a_change_that_is_taken_back_changes_nothing(world: World, time: Time) -> None:
    assert time.seconds == 0
    services = world.services
    assert enabled(services.fhir_servers)
    with services.db.write() as session:
        services.fhir_servers.set_enabled(session, "main", enabled=False)
        session.rollback()
    assert enabled(services.fhir_servers)


def test_what_was_read_before_a_commit_is_not_remembered_after_it() -> None:
    """A slow reader would put the old value back for a second more."""
    told = ["old", "new"]

    def read() -> str:
        value = told.pop(0)
        if value == "old":
            remembered.forget()  # another thread commits while this one is reading
        return value

    remembered = Remembered(read, lambda: 0.0)
    assert [remembered.value(), remembered.value(), remembered.value()] == ["old", "new", "new"]


def test_nothing_is_made_up_when_it_can_not_be_read_again() -> None:
    """Fail closed: what is older than a second is not believed because the database is away."""
    time, answers = Time(), iter(["read"])

    def read() -> str:
        for answer in answers:
            return answer
        raise Unavailable("away")

    remembered = Remembered(read, time)
    assert remembered.value() == "read"
    time.seconds = SECONDS
    with pytest.raises(Unavailable):
        remembered.value()
