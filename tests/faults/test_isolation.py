"""Refreshes, revocations and a withdrawn consent about one grant, at each isolation level (security.md R-12).

The server asks for READ COMMITTED by itself; here it is also given the others."""

from __future__ import annotations

import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from authz.tokens.model import GrantRow
from tests.actors import Browser, SmartApp
from tests.faults.load import OneByOne
from tests.faults.site import site
from tests.live import at_once
from tests.world import actors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.faults.site import Site
    from tests.servers import PostgresServer
    from tests.transport import Reply

pytestmark = [pytest.mark.postgres, pytest.mark.fault, pytest.mark.campaign]

SCOPE = "launch/patient openid patient/*.rs offline_access"
EACH, ROUNDS = 4, 12
TRIES = 5
LEVELS = ("read committed", "repeatable read", "serializable")


@pytest.fixture(params=LEVELS)
def running(request: pytest.FixtureRequest, tmp_path: Path, postgres: PostgresServer) -> Iterator[Site]:
    with site(tmp_path, postgres, FAULT_ISOLATION=request.param) as made:
        yield made


@pytest.fixture
def level(request: pytest.FixtureRequest, running: Site) -> str:
    found: str = request.node.callspec.params["running"]
    return found


def deadlocks(running: Site) -> int:
    with running.engine.connect() as rows:
        found: int = rows.exec_driver_sql(
            "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
        ).scalar_one()
        return found


def granted(app: SmartApp, browser: Browser) -> dict[str, Any]:
    page = browser.open(app.authorize_url(scope=SCOPE))
    if 'name="password"' in page.text:
        page = browser.sign_in(page, "alice", "alice-password")
    if page.status == 200:
        page = browser.submit(page, press="allow")
    tokens: dict[str, Any] = app.redeem(page.location_parameters["code"]).json()
    return tokens


def stop_sharing(app: SmartApp, browser: Browser) -> Callable[[], Reply]:
    """The person is about to press the button that takes the consent back."""
    link = re.search(r'href="(/my-apps/[0-9a-f]{32})"', browser.open(f"{app.transport.issuer}/my-apps").text)
    assert link
    confirm = browser.open(f"{app.transport.issuer}{link[1]}/stop")
    return partial(browser.submit, confirm)


def until_told(job: Callable[[], Reply], not_now: list[str]) -> Reply:
    """As a client does that is told to come again: a bounded number of times. ``not_now``: what it was told."""
    for _ in range(TRIES):
        reply = job()
        if reply.status != 503:
            break
        not_now.append(reply.header("retry-after") or "")
    return reply


def test_whoever_comes_first_nothing_of_the_grant_is_alive_afterwards(running: Site, level: str) -> None:
    """R-12, I2, I4, I8: no answer but 200, 400 and 503, which another try cures; no deadlock."""
    cast, ring = actors(OneByOne(running.issuer)), deadlocks(running)
    app, fhir_server, browser = cast["public"], cast["fhir_server"], Browser(OneByOne(running.issuer))
    assert isinstance(app, SmartApp)
    conflicts = 0
    for _ in range(ROUNDS):
        first = granted(app, browser)
        not_now: list[str] = []
        jobs: list[Callable[[], Reply]] = [
            partial(app.refresh, first["refresh_token"]),
            partial(app.revoke, first["refresh_token"]),
        ] * EACH
        jobs.append(stop_sharing(app, browser))
        with ThreadPoolExecutor(len(jobs)) as pool:
            replies = at_once([partial(until_told, job, not_now) for job in jobs], pool)
        statuses = Counter(reply.status for reply in replies)
        assert set(statuses) <= {200, 400}, (statuses, [each.text for each in replies if each.status not in {200, 400}])
        assert {reply.status for reply in [*replies[1:-1:2], replies[-1]]} == {200}, "a revocation was not believed"
        assert all(not_now), "503 without Retry-After"
        conflicts += len(not_now)
        pairs = [first, *(reply.json() for reply in replies[:-1:2] if reply.status == 200)]
        assert len(pairs) <= 3, "more than the successor and one for a lost answer"
        for pair in pairs:
            assert fhir_server.introspect(pair["access_token"]) == {"active": False}  # type: ignore[union-attr]  # actors are typed by their union
            refused = app.refresh(pair["refresh_token"])
            assert (refused.status, refused.json()["error"]) == (400, "invalid_grant")
    with running.engine.connect() as rows:
        assert rows.scalars(select(GrantRow.id).where(GrantRow.revoked_at.is_(None))).all() == []
    assert running.truth().live_refresh == {}
    assert running.errors() == []
    if level == "read committed":  # there whoever is second waits for the first
        assert conflicts == 0
    assert deadlocks(running) == ring
