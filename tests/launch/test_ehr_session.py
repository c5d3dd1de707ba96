"""Sessions of EHRs (decisions 3, 10)."""

from __future__ import annotations

from datetime import timedelta
from hashlib import sha256
from typing import TYPE_CHECKING

import pytest

from authz.errors import InvalidRequest
from authz.launch.ehr_session import EhrSessions
from authz.launch.launch import LaunchUnusable, Unusable
from authz.launch.model import EhrSessionRow
from authz.launch.own import OwnLaunches

if TYPE_CHECKING:
    from datetime import datetime

    from tests.launch.conftest import World

DIGEST = sha256(b"s-1").hexdigest()


def end(world: World, session_id: str = "s-1") -> None:
    with world.services.db.write() as session:
        world.services.ehr_sessions.end(session, "hospital", session_id)


def state(world: World, fhir_server: str = "hospital") -> tuple[bool, datetime | None]:
    sessions = world.services.ehr_sessions
    with world.services.db.read() as session:
        return sessions.is_ended(session, fhir_server, DIGEST), sessions.touched_at(session, fhir_server, DIGEST)


def test_a_session_never_heard_of_is_neither_ended_nor_touched(world: World) -> None:
    assert state(world) == (False, None)


def test_a_touch_is_the_time_of_the_last_one(world: World) -> None:
    assert world.services.ehr_sessions.touch("hospital", "s-1")
    world.clock.forward(60)
    assert world.services.ehr_sessions.touch("hospital", "s-1")
    assert state(world) == (False, world.clock())


def test_an_ended_session_never_comes_back(world: World) -> None:
    """Decision 3: a row; to end it again, or to touch it, changes nothing."""
    world.services.ehr_sessions.touch("hospital", "s-1")
    end(world)
    ended_at = world.clock()
    world.clock.forward(60)
    end(world)
    assert not world.services.ehr_sessions.touch("hospital", "s-1")
    assert state(world) == (True, ended_at)
    with world.services.db.read() as session:
        row = session.get(EhrSessionRow, ("hospital", DIGEST))
        assert row is not None
        assert row.ended_at == ended_at


def test_a_session_may_be_ended_before_it_was_heard_of(world: World) -> None:
    end(world)
    assert state(world)[0]
    assert not world.services.ehr_sessions.touch("hospital", "s-1")


def test_the_same_id_at_another_fhir_server_is_another_session(world: World) -> None:
    end(world)
    assert state(world, "lab") == (False, None)


def test_of_a_session_only_the_digest_is_kept(world: World) -> None:
    assert EhrSessions.digest("s-1") == DIGEST
    world.services.ehr_sessions.touch("hospital", "s-1")
    with world.services.db.read() as session:
        assert [row.session_digest for row in session.query(EhrSessionRow)] == [DIGEST]


def test_a_launch_and_its_use_show_that_the_person_is_at_work(world: World) -> None:
    """Decision 10: an app opened in the session keeps online access of the others alive."""
    start = world.clock()
    _, launch = world.create(session="s-1")
    assert state(world) == (False, start)
    world.clock.forward(100)
    with world.services.db.write() as session:
        world.services.launches.spend(session, launch, "0" * 32)
    assert state(world) == (False, start + timedelta(seconds=100))


def test_no_launch_is_made_in_an_ended_session(world: World) -> None:
    end(world)
    with pytest.raises(InvalidRequest) as refused:
        world.create(session="s-1")
    assert refused.value.description == "session: this EHR session has ended"
    assert world.events("event") == []


def test_a_session_that_ends_meanwhile_stops_the_launch(world: World) -> None:
    """The use waits for whoever ends the session, and the other way round; so nothing slips through."""
    _, launch = world.create(session="s-1")
    end(world)
    with pytest.raises(LaunchUnusable) as refused, world.services.db.write() as session:
        world.services.launches.spend(session, launch, "0" * 32)
    assert refused.value.reason is Unusable.SESSION_ENDED
    assert OwnLaunches(world.services.launches).look_up(world.ehr, launch.launch_id) is None
