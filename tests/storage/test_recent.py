"""What is remembered for a second (issue: a change is visible everywhere within one second)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import update

from authz.errors import Unavailable
from authz.fhir_servers.model import FhirServerRow
from authz.storage.recent import A_SECOND, AT_MOST, Recent

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
    monkeypatch.setattr(world.services.fhir_servers.recent, "monotonic", made)
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
    time.seconds = A_SECOND - 0.01
    assert enabled(servers)
    time.seconds = A_SECOND
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
            recent.forget()  # another thread commits while this one is reading
        return value

    recent: Recent[str] = Recent(A_SECOND, lambda: 0.0)
    assert [recent.get("it", read), recent.get("it", read), recent.get("it", read)] == ["old", "new", "new"]


def test_nothing_is_made_up_when_it_can_not_be_read_again() -> None:
    """Fail closed: what is older than a second is not believed because the database is away."""
    time, answers = Time(), iter(["read"])

    def read() -> str:
        for answer in answers:
            return answer
        raise Unavailable("away")

    recent: Recent[str] = Recent(A_SECOND, time)
    assert recent.get("it", read) == "read"
    time.seconds = A_SECOND
    with pytest.raises(Unavailable):
        recent.get("it", read)


def test_no_more_is_remembered_than_there_is_room_for() -> None:
    """Whoever makes up keys makes this server ask again, and does not fill its memory."""
    recent: Recent[int] = Recent(A_SECOND, lambda: 0.0)
    for key in range(AT_MOST + 1):
        assert recent.get(key, lambda key=key: key) == key  # type: ignore[misc]  # mypy does not see the default
    assert list(recent.known) == [AT_MOST]
