"""Everything that takes back crosses everything that renews, on PostgreSQL, where each waits for the other's rows."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import pytest
from sqlalchemy import select

from authz.consent.withdraw import withdraw_all
from authz.storage.turns import of_user
from authz.tokens.model import GrantRow
from tests.live import at_once
from tests.servers import postgres_server
from tests.world import on_postgres

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy.orm import Session

    from tests.actors import Browser, SmartApp
    from tests.world import World

pytestmark = [pytest.mark.postgres, pytest.mark.race]

ROUNDS = 12
ALONE = "launch/patient patient/*.rs offline_access"
T = TypeVar("T")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with postgres_server() as postgres, on_postgres(tmp_path_factory.mktemp("crossing"), postgres) as made:
        yield made


@pytest.fixture(scope="module")
def alice(world: World) -> Browser:
    """Signed in: to do so again in each round is not allowed."""
    browser = world.browser()
    browser.sign_in(browser.open(world.public.authorize_url(scope=ALONE)), "alice", "alice-password")
    return browser


def agreed(browser: Browser, app: SmartApp) -> dict[str, Any]:
    code = browser.submit(browser.open(app.authorize_url(scope=ALONE)), press="allow").location_parameters["code"]
    tokens: dict[str, Any] = app.redeem(code).json()
    return tokens


def granted(world: World, alice: Browser) -> list[dict[str, Any]]:
    """Two apps of one person, agreed to, and one that an EHR launched."""
    launch = world.ehr.launch("public", "Practitioner/dr", patient="A")["launch"]
    alone = [agreed(alice, app) for app in (world.public, world.confidential)]
    return [*alone, world.public.tokens(launch, "launch patient/*.rs offline_access")]


def cascades(world: World) -> list[Callable[[], int]]:
    """By person, with the consents too; by app; by FHIR server; by grant."""
    revocation, now = world.services.revocation, world.clock()
    with world.services.db.read() as session:
        grants = session.scalars(select(GrantRow).where(GrantRow.revoked_at.is_(None))).all()

    def withdrawing(sub: str, session: Session) -> None:
        withdraw_all(session, now, sub=sub)

    return [
        *(
            partial(revocation.revoke_user, sub, "test", within=partial(withdrawing, sub))
            for sub in sorted({grant.sub for grant in grants if grant.sub})
        ),
        *(partial(revocation.revoke_client, app, "test") for app in ("public", "confidential")),
        partial(revocation.revoke_fhir_server, "main", "test"),
        *(partial(revocation.revoke_grant, grant.id, "test") for grant in grants),
    ]


def within(world: World, job: Callable[[], T]) -> T:
    with world.app.app_context():
        return job()


@pytest.mark.parametrize("number", range(ROUNDS))
def test_none_waits_for_another_in_a_circle(world: World, alice: Browser, number: int) -> None:
    """security.md R-12, I2, I4: rows are locked in one order, so no deadlock refuses anybody; all is dead after."""
    tokens = granted(world, alice)
    apps = [world.public, world.confidential, world.public]
    refreshes = [partial(app.refresh, one["refresh_token"]) for app, one in zip(apps, tokens, strict=True)]
    revocations = [partial(app.revoke, one["refresh_token"]) for app, one in zip(apps, tokens, strict=True)]
    taking_back = cascades(world)
    jobs: list[Callable[[], Any]] = [*refreshes, *revocations, *(partial(within, world, job) for job in taking_back)]
    turned = jobs[number % len(jobs) :] + jobs[: number % len(jobs)]
    with ThreadPoolExecutor(len(jobs)) as pool:
        answers = dict(zip(turned, at_once(turned, pool), strict=True))
    assert {answers[job].status for job in revocations} == {200}
    renewed = [answers[job] for job in refreshes]
    assert {reply.json().get("error", "none") for reply in renewed} <= {"none", "invalid_grant"}
    given = [*tokens, *(reply.json() for reply in renewed if reply.status == 200)]
    assert [world.fhir_server.introspect(one["access_token"]) for one in given] == [{"active": False}] * len(given)


@pytest.mark.parametrize("number", range(ROUNDS))
def test_who_ends_it_for_several_people_waits_in_no_circle(world: World, number: int) -> None:
    """R-12, CTX-13: files that name the same people in another order, an answer of a FHIR server."""
    revocation = world.services.revocation
    launch = world.ehr.launch("public", "Practitioner/dr", patient="A")["launch"]
    tokens = world.public.tokens(launch, "launch patient/*.rs offline_access")
    with world.services.db.read() as session:
        grant = session.scalars(select(GrantRow).where(GrantRow.revoked_at.is_(None))).one()
    subs = [str(grant.sub), *(f"nobody-{one}" for one in range(5))]

    def end(people: list[str]) -> int:
        ended = [(sub, "main", str(grant.context["patient"])) for sub in people]
        return revocation.revoke_patients([of_user(sub) for sub in people], "test", within=lambda _: ended)

    turned = subs[number % len(subs) :] + subs[: number % len(subs)]
    ends = [partial(end, people) for people in (subs, subs[::-1], turned, turned[::-1], subs[:1])]
    jobs: list[Callable[[], int]] = [*ends, partial(revocation.revoke_fhir_server, "main", "test")]
    with ThreadPoolExecutor(len(jobs)) as pool:
        assert sum(at_once([partial(within, world, job) for job in jobs], pool)) == 1
    assert world.fhir_server.introspect(tokens["access_token"]) == {"active": False}
