"""Whoever switches an EHR off crosses whoever uses its launches, on PostgreSQL: nothing lives (R-14, MGT-03)."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from authz.launch.launch import LaunchUnusable
from authz.storage.turns import alone, of_client, of_ehr
from tests.backend import register
from tests.flows.test_ehr_gone import SCOPE
from tests.live import at_once
from tests.servers import postgres_server
from tests.world import on_postgres

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy.orm import Session

    from tests.backend import Backend
    from tests.transport import Reply
    from tests.world import World

pytestmark = [pytest.mark.postgres, pytest.mark.race]

ROUNDS = 12
AT_ONCE = 5
SOON = 0.5  # seconds in which nobody gets on who has to wait


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with postgres_server() as postgres, on_postgres(tmp_path_factory.mktemp("gone"), postgres) as made:
        yield made


@pytest.fixture(scope="module")
def speaker(world: World) -> Backend:
    return register(world, "bulk", ("main",))


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2 * AT_ONCE + 1) as threads:
        yield threads


def switch(world: World, session: Session, *, on: bool) -> None:
    world.services.ehrs.set_enabled(session, "ehr-main", enabled=on)


def switch_client(world: World, session: Session, *, on: bool) -> None:
    world.services.clients.set_enabled(session, "bulk", enabled=on)


def off(world: World) -> int:
    with world.app.app_context():
        return world.services.revocation.revoke_ehr("ehr-main", "ehr_disabled", within=partial(switch, world, on=False))


def client_off(world: World) -> int:
    change = partial(switch_client, world, on=False)
    with world.app.app_context():
        return world.services.revocation.revoke_client("bulk", "client_disabled", within=change)


def launched(world: World) -> str:
    return str(world.ehr.launch("public", "Practitioner/dr", patient="A")["launch"])


def codes(replies: list[Reply]) -> list[str]:
    return [code for reply in replies if (code := reply.location_parameters.get("code"))]


def is_dead(world: World, code: str) -> bool:
    answer: dict[str, Any] = world.public.redeem(code).json()
    return answer.get("error") == "invalid_grant"


@pytest.mark.parametrize("number", range(ROUNDS))
def test_of_launches_and_pages_at_once_with_the_end_of_their_ehr_nothing_lives(
    world: World, pool: ThreadPoolExecutor, number: int
) -> None:
    """R-14: whoever was first, what was granted is revoked and what was not is refused."""
    pages = [world.public.launched(launched(world), SCOPE, prompt="consent") for _ in range(AT_ONCE)]
    jobs: list[Callable[[], Any]] = [partial(world.browser().submit, page, press="allow") for page in pages]
    jobs += [partial(world.public.launched, launched(world), SCOPE) for _ in range(AT_ONCE)]
    ending = number % len(jobs)
    jobs.insert(ending, partial(off, world))
    answers = at_once(jobs, pool)
    granted = codes([*answers[:ending], *answers[ending + 1 :]])
    assert answers[ending] == len(granted)
    assert all(is_dead(world, code) for code in granted)
    with world.services.db.write() as session:
        switch(world, session, on=True)


@pytest.mark.parametrize("number", range(ROUNDS))
def test_of_launches_at_once_with_the_end_of_the_client_that_made_them_nothing_lives(
    world: World, pool: ThreadPoolExecutor, speaker: Backend, number: int
) -> None:
    """R-14, decision 17: the same, with the tokens by which it made them."""
    jobs: list[Callable[[], Any]] = [partial(world.public.launched, speaker.launch(), SCOPE) for _ in range(AT_ONCE)]
    ending = number % len(jobs)
    jobs.insert(ending, partial(client_off, world))
    answers = at_once(jobs, pool)
    granted = codes([*answers[:ending], *answers[ending + 1 :]])
    assert answers[ending] == AT_ONCE + len(granted)
    assert all(is_dead(world, code) for code in granted)
    with world.services.db.write() as session:
        switch_client(world, session, on=True)


def waits_for(
    world: World, pool: ThreadPoolExecutor, turn: str, change: Callable[[Session], object], handle: str
) -> LaunchUnusable:
    """What a use of the launch hears that comes while the change is not committed."""
    launch, begun = world.services.launches.read(handle), threading.Event()

    def use() -> None:
        with world.app.app_context(), world.services.db.write() as session:
            begun.set()
            world.services.launches.spend(session, launch, "0" * 32)

    with world.services.db.write() as session:
        alone(session, turn)  # as every command does that ends what came of it
        change(session)
        session.flush()
        using = pool.submit(use)
        assert begun.wait(10)
        with pytest.raises(NotYet):
            using.result(SOON)
    with pytest.raises(LaunchUnusable) as refused:
        using.result(10)
    return refused.value


def test_a_launch_waits_for_whoever_changes_its_ehr(world: World, pool: ThreadPoolExecutor) -> None:
    """Switched off, or bound to another FHIR server alone."""
    for change in (
        partial(switch, world, on=False),
        lambda session: world.services.ehrs.bind(session, "ehr-main", ["other"]),
    ):
        assert waits_for(world, pool, of_ehr("ehr-main"), change, launched(world)).reason == "ehr_gone"
        with world.services.db.write() as session:
            world.services.ehrs.bind(session, "ehr-main", ["main"])
            switch(world, session, on=True)


def test_a_launch_waits_for_whoever_changes_the_client_that_made_it(
    world: World, pool: ThreadPoolExecutor, speaker: Backend
) -> None:
    assert (
        waits_for(world, pool, of_client("bulk"), partial(switch_client, world, on=False), speaker.launch()).reason
        == "ehr_gone"
    )
    with world.services.db.write() as session:
        switch_client(world, session, on=True)


def test_a_change_that_leaves_the_ehr_its_fhir_server_refuses_no_launch(world: World, pool: ThreadPoolExecutor) -> None:
    """``authz ehr update``: what it keeps is not made anew, so whoever waited finds it."""
    launch, begun = world.services.launches.read(launched(world)), threading.Event()

    def use() -> bool:
        with world.app.app_context(), world.services.db.write() as session:
            begun.set()
            world.services.launches.spend(session, launch, "1" * 32)
        return True

    with world.services.db.write() as session:
        alone(session, of_ehr("ehr-main"))
        world.services.ehrs.bind(session, "ehr-main", ["main", "other"])
        using = pool.submit(use)
        assert begun.wait(10)
        with pytest.raises(NotYet):
            using.result(SOON)
    assert using.result(10)
