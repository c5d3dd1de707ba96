"""Many at once about one registration (security.md R-14): quota and decisions hold on both databases."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import timedelta
from threading import Barrier
from typing import TYPE_CHECKING

import pytest

from authz.clients.model import ClientRow
from authz.registration.decision import AlreadyDecided, Reviewer
from authz.registration.initial_tokens import NewInitialToken
from authz.registration.model import InitialAccessTokenRow, RegistrationRow
from tests.servers import postgres_server
from tests.vendor import METADATA, Vendor, bearer
from tests.world import build, settings_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.world import World

pytestmark = pytest.mark.race

RACERS = 8
ROUNDS = 8


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp(request.param)
    with ExitStack() as stack:
        changes = {"registrations_per_hour": "10000", "unapproved_apps": "10000"}
        if request.param == "postgres":
            changes["database_url"] = stack.enter_context(postgres_server()).new_database()
        made = build(settings_in(folder, **changes))
        stack.enter_context(made.app.app_context())
        with made.services.db.write() as session:
            made.services.fhir_servers.update(session, "main", {"registration": "open"})
        yield made
        made.services.db.engine.dispose()
        made.services.backend.close()


def at_once(world: World, act: Callable[[int], str]) -> Counter[str]:
    together = Barrier(RACERS)

    def one(number: int) -> str:
        with world.app.app_context():
            together.wait()
            return act(number)

    with ThreadPoolExecutor(RACERS) as pool:
        return Counter(pool.map(one, range(RACERS)))


def test_of_eight_registrations_with_one_token_the_quota_gets_in(world: World) -> None:
    """RG-01: consumed by one conditional UPDATE in the transaction that registers."""
    for _ in range(ROUNDS):
        new = NewInitialToken("Acme", world.clock() + timedelta(days=1), quota=3)
        with world.services.db.write() as session:
            row, token = world.services.registration.initial_tokens.issue(session, new)
        vendor = Vendor(world.transport)
        answers = at_once(world, lambda _: str(vendor.send(METADATA, bearer(token)).status))  # noqa: B023  used here
        assert answers == {"201": 3, "401": RACERS - 3}
        with world.services.db.read() as session:
            assert session.get_one(InitialAccessTokenRow, row.id).used == 3


def test_of_eight_decisions_one_is_made_and_both_rows_agree(world: World) -> None:
    """An approval, a refusal and the time that has come, all at once: the client is what the registration says."""
    review, automatic = world.services.registration.review, world.services.registration.automatic
    for _ in range(ROUNDS):
        client_id = Vendor(world.transport).register()["client_id"]
        before = review.show(client_id)  # after a refusal the next one is held as soon as it comes
        with world.services.db.write() as session:
            session.get_one(ClientRow, client_id).approves_at = world.clock()

        def decide(number: int, client_id: str = client_id, seen: int = before.seen) -> str:
            by = Reviewer(f"n{number}")
            try:
                if number % 3 == 0:
                    return "decided" if automatic.approve(client_id) else "told"
                if number % 3 == 1:
                    review.approve(client_id, by, seen=seen)
                else:
                    review.decline(client_id, by, "no", seen=seen)
            except AlreadyDecided:
                return "told"
            return "decided"

        answers = at_once(world, decide)
        shown = review.show(client_id)
        assert answers["decided"] == len(shown.history) - len(before.history) >= 1
        with world.services.db.read() as session:
            client, registration = session.get_one(ClientRow, client_id), session.get_one(RegistrationRow, client_id)
            assert (client.approved, client.approves_at) == (registration.state == "approved", None)
            assert shown.history[-1].what == registration.state
