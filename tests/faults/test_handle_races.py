"""Handles with two workers, twelve at once, and a store that vanishes: one for each grant, and dead when ended."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from tests.live import at_once, live_server
from tests.messaging import MESSAGES, SCOPE, Window
from tests.servers import postgres_server, redis_server
from tests.transport import OverHttp
from tests.world import APP, EVERYTHING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.live import Live
    from tests.servers import RedisServer

INACTIVE = {"active": False}
RACERS = 12
ROUNDS = 10
LAUNCH = {"patient": "A", "launch_url": f"{APP}/launch"}


@dataclass(frozen=True)
class Site:
    live: Live
    store: RedisServer | None
    window: Window

    def looks(self, handle: str) -> list[dict[str, Any]]:
        """Each on a connection of its own, so that both workers answer."""

        def look(_: int) -> dict[str, Any]:
            transport = OverHttp(self.live.settings.issuer)
            answer: dict[str, Any] = replace(self.window, ehr=replace(self.live.ehr, transport=transport)).check(handle)
            transport.pool.clear()
            return answer

        with ThreadPoolExecutor(8) as pool:
            return list(pool.map(look, range(16)))


PAIRS = [
    pytest.param("sqlite"),
    pytest.param("production", marks=[pytest.mark.postgres, pytest.mark.redis]),
]


@pytest.fixture(scope="module", params=PAIRS)
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with ExitStack() as stack:
        database, store = "", None
        if request.param == "production":
            database = stack.enter_context(postgres_server()).new_database()
            store = stack.enter_context(redis_server())
        folder = tmp_path_factory.mktemp(request.param)
        live = stack.enter_context(live_server(folder, database, store.url if store else ""))
        with live.app.app_context():
            made = live.app.extensions["authz"]
            with made.db.write() as session:
                made.clients.update(session, "public", {"scope": f"{EVERYTHING} {MESSAGES}"}, {})
        yield Site(live, store, Window(live.ehr, live.public))
        lines = [json.loads(line) for line in live.log.read_text().splitlines()]
        assert [line for line in lines if line["level"] not in {"INFO", "WARNING"}] == []
        assert "swm_" not in live.log.read_text()


@pytest.fixture(scope="module")
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(RACERS) as threads:
        yield threads


@pytest.mark.race
@pytest.mark.parametrize("number", range(ROUNDS))
def test_parallel_refreshes_never_make_two_handles(site: Site, pool: ThreadPoolExecutor, number: int) -> None:
    """10.8 (12), WM-09: of twelve refreshes whichever succeed say the same handle, and it is good."""
    _, first = site.window.opened(**LAUNCH)
    replies = at_once([partial(site.live.public.refresh, first["refresh_token"])] * RACERS, pool)
    handles = {reply.json()["smart_web_messaging_handle"] for reply in replies if reply.status == 200}
    assert {reply.status for reply in replies} == {200, 400}
    assert handles == {first["smart_web_messaging_handle"]}
    assert site.looks(first["smart_web_messaging_handle"])[0]["active"] is True


@pytest.mark.race
@pytest.mark.parametrize("number", range(ROUNDS))
def test_of_twelve_windows_one_gets_the_handle(site: Site, pool: ThreadPoolExecutor, number: int) -> None:
    """web-messaging 10.1 (window): first use binds, in a race too, and for good."""
    handle = site.window.handle(**LAUNCH)
    names = [f"w-{racer}" for racer in range(RACERS)]
    told = at_once([partial(site.window.is_active, handle, origin=APP, window=name) for name in names], pool)
    assert sum(told) == 1
    assert [site.window.is_active(handle, origin=APP, window=name) for name in names] == told


@pytest.mark.race
@pytest.mark.parametrize("number", range(ROUNDS))
def test_a_session_that_ends_during_a_refresh_leaves_no_handle(
    site: Site, pool: ThreadPoolExecutor, number: int
) -> None:
    """WM-06, web-messaging 2.5: whichever comes first, afterwards the handle is dead; and nobody waits in a circle."""
    scope = SCOPE.replace("online_access", "offline_access")
    _, tokens = site.window.opened(scope, session=f"race-{number}", **LAUNCH)
    handle = tokens["smart_web_messaging_handle"]
    refresh = partial(site.live.public.refresh, tokens["refresh_token"])
    end = partial(site.live.ehr.end_session, f"race-{number}")
    revoke = partial(site.window.revoke, ehr_session=f"race-{number}")
    replies = at_once([refresh, end, revoke, refresh, end, revoke], pool)
    assert [reply.status for reply in replies if reply.status >= 500] == []
    assert site.looks(handle) == [INACTIVE] * 16


def test_what_one_worker_ends_no_worker_believes(site: Site) -> None:
    """WM-06, decision 2: hot in the store for both, then ended by the EHR, by the app, and with its session."""
    for end in ("handle", "app", "session"):
        _, tokens = site.window.opened(session=f"end-{end}", **LAUNCH)
        handle = tokens["smart_web_messaging_handle"]
        assert all(answer["active"] is True for answer in site.looks(handle))
        if end == "handle":
            assert site.window.revoke(handle=handle).status == 200
        elif end == "app":
            assert site.live.public.revoke(tokens["refresh_token"]).status == 200
        else:
            assert site.live.ehr.end_session(f"end-{end}").status == 204
        assert site.looks(handle) == [INACTIVE] * 16


def test_the_store_may_vanish_and_sql_still_knows(site: Site) -> None:
    """Decision 2, WM-06: a handle ended while the store is away stays dead when it is back; a live one lives."""
    handles = [site.window.handle(**LAUNCH) for _ in range(2)]
    assert all(answer["active"] is True for handle in handles for answer in site.looks(handle))
    if site.store is None:
        site.live.settings.short_lived_path.unlink()
        site.window.revoke(handle=handles[0])
    else:
        with site.store.frozen():
            site.window.revoke(handle=handles[0])
            assert site.window.check(handles[0]) == INACTIVE
            assert site.window.check(handles[1])["active"] is True
    time.sleep(1)  # for as long every process may go on with an epoch it has read
    assert site.looks(handles[0]) == [INACTIVE] * 16
    assert all(answer["active"] is True for answer in site.looks(handles[1]))
