"""Whatever happens to the short-lived store, a revoked token is dead within a second and a live one lives (decision 2).

The second is the one that every process may go on with an epoch it has read; nothing here waits for anything else.
"""

from __future__ import annotations

import shutil
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import event, select

from authz.tokens.model import HotEpochRow
from tests.live import at_once, live_server
from tests.servers import redis_server, wait_until
from tests.transport import OverHttp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from authz.services import Services
    from tests.live import Live
    from tests.servers import RedisServer
    from tests.world import World

SCOPE = "launch openid fhirUser patient/*.rs online_access"
INACTIVE = {"active": False}
WITHIN_SECONDS = 1.0
LOOKS = 40


@pytest.fixture(scope="module")
def redis_store() -> Iterator[RedisServer]:
    with redis_server("--dbfilename", "dump.rdb") as server:
        yield server


@pytest.fixture(scope="module")
def on_redis(redis_store: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with live_server(tmp_path_factory.mktemp("redis"), redis_url=redis_store.url) as running:
        yield running


@pytest.fixture(scope="module")
def on_a_file(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with live_server(tmp_path_factory.mktemp("file")) as running:
        yield running


def new_tokens(live: Live) -> dict[str, Any]:
    launch = live.ehr.launch("public", "Practitioner/dr", patient="A", launch_url="https://app.example/launch")
    return live.public.tokens(launch["launch"], SCOPE)


def looks(live: Live, token: str) -> list[dict[str, Any]]:
    """Ask often, each time on a connection of its own and several at once, so that both workers answer."""

    def look(_: int) -> dict[str, Any]:
        transport = OverHttp(live.settings.issuer)
        answer = replace(live.fhir_server, transport=transport).introspect(token)
        transport.pool.clear()
        return answer

    with ThreadPoolExecutor(LOOKS // 4) as pool:
        return list(pool.map(look, range(LOOKS)))


def check_story(live: Live, remember: Callable[[], object], lose: Callable[[], object]) -> None:
    """Two tokens become hot, the store is copied, one token is revoked, the store is lost or put back."""
    dead, alive = new_tokens(live), new_tokens(live)
    hot = [looks(live, tokens["access_token"]) for tokens in (dead, alive)]
    assert all(answer["active"] is True for answers in hot for answer in answers)
    remember()
    assert live.public.revoke(dead["refresh_token"]).status == 200
    assert looks(live, dead["access_token"]) == [INACTIVE] * LOOKS
    lose()
    time.sleep(WITHIN_SECONDS)
    assert looks(live, dead["access_token"]) == [INACTIVE] * LOOKS
    assert looks(live, alive["access_token"]) == hot[1]
    assert live.public.refresh(alive["refresh_token"]).status == 200
    assert live.public.refresh(dead["refresh_token"]).json()["error"] == "invalid_grant"


def nothing() -> None:
    """The store is not copied."""


@pytest.mark.redis
def test_a_revoked_token_stays_dead_when_redis_is_restarted_empty(on_redis: Live, redis_store: RedisServer) -> None:
    def restart() -> None:
        (redis_store.folder / "dump.rdb").unlink(missing_ok=True)
        redis_store.restart()

    check_story(on_redis, nothing, restart)
    assert redis_store.command("KEYS", "authz:hot:*")


@pytest.mark.redis
def test_a_revoked_token_stays_dead_when_redis_is_emptied(on_redis: Live, redis_store: RedisServer) -> None:
    check_story(on_redis, nothing, lambda: redis_store.command("FLUSHALL"))


@pytest.mark.redis
def test_a_revoked_token_stays_dead_when_redis_is_restored_from_an_older_dump(
    on_redis: Live, redis_store: RedisServer
) -> None:
    def restore() -> None:
        redis_store.restart()
        assert redis_store.command("KEYS", "authz:hot:*"), "the dump has the copies that must not be believed"
        assert not redis_store.command("KEYS", "authz:dead:*")

    redis_store.command("FLUSHALL")
    check_story(on_redis, lambda: redis_store.command("SAVE"), restore)


@pytest.mark.redis
def test_a_revoked_token_stays_dead_when_older_content_is_restored_into_the_running_redis(
    on_redis: Live, redis_store: RedisServer
) -> None:
    """The same server with the same run id: nothing but its content can be noticed."""
    older: dict[bytes, bytes] = {}

    def remember() -> None:
        older.update({key: redis_store.command("DUMP", key) for key in redis_store.command("KEYS", "*")})

    def restore() -> None:
        redis_store.command("FLUSHALL")
        for key, dumped in older.items():
            redis_store.command("RESTORE", key, 3_600_000, dumped)

    check_story(on_redis, remember, restore)


@pytest.mark.redis
def test_a_token_revoked_while_redis_was_away_is_dead_when_it_is_back_as_it_was(
    on_redis: Live, redis_store: RedisServer
) -> None:
    """No tombstone could be left: the transaction raised the epoch instead."""
    tokens, alive = new_tokens(on_redis), new_tokens(on_redis)
    before = [looks(on_redis, each["access_token"])[0] for each in (tokens, alive)]
    with redis_store.frozen():
        assert on_redis.public.revoke(tokens["refresh_token"]).status == 200
    time.sleep(WITHIN_SECONDS)
    assert looks(on_redis, tokens["access_token"]) == [INACTIVE] * LOOKS
    assert looks(on_redis, alive["access_token"]) == [before[1]] * LOOKS


@pytest.mark.redis
def test_while_redis_is_away_sql_answers(on_redis: Live, redis_store: RedisServer) -> None:
    dead, alive = new_tokens(on_redis), new_tokens(on_redis)
    before = looks(on_redis, alive["access_token"])
    on_redis.public.revoke(dead["refresh_token"])
    redis_store.kill()
    try:
        assert looks(on_redis, dead["access_token"]) == [INACTIVE] * LOOKS
        assert looks(on_redis, alive["access_token"]) == before
    finally:
        redis_store.start()
    wait_until(lambda: is_ready(on_redis), "the server to find Redis again")


def is_ready(live: Live) -> bool:
    url = f"{live.settings.issuer}/readyz"
    return [live.public.transport.send("GET", url).status for _ in range(LOOKS)] == [200] * LOOKS


def copied(store: Path, target: Path) -> None:
    """As a backup takes it, while the server runs."""
    with closing(sqlite3.connect(store)) as source, closing(sqlite3.connect(target)) as copy:
        source.backup(copy)


def test_a_revoked_token_stays_dead_when_the_stores_file_is_deleted(on_a_file: Live) -> None:
    check_story(on_a_file, nothing, on_a_file.settings.short_lived_path.unlink)


def test_a_revoked_token_stays_dead_when_the_stores_file_is_emptied(on_a_file: Live) -> None:
    def empty() -> None:
        with closing(sqlite3.connect(on_a_file.settings.short_lived_path, isolation_level=None)) as store:
            store.execute("DELETE FROM entries")

    check_story(on_a_file, nothing, empty)


def test_a_revoked_token_stays_dead_when_an_older_file_takes_the_stores_place(on_a_file: Live, tmp_path: Path) -> None:
    store, older = on_a_file.settings.short_lived_path, tmp_path / "older.sqlite3"

    def restore() -> None:
        for suffix in ("-wal", "-shm"):
            store.with_name(store.name + suffix).unlink(missing_ok=True)
        shutil.copy(older, store.with_suffix(".new"))
        store.with_suffix(".new").replace(store)

    check_story(on_a_file, lambda: copied(store, older), restore)


def test_a_revoked_token_stays_dead_when_older_content_is_restored_into_the_stores_file(
    on_a_file: Live, tmp_path: Path
) -> None:
    """The file stays the same one, so that nothing but its content can be noticed."""
    store, older = on_a_file.settings.short_lived_path, tmp_path / "older.sqlite3"
    check_story(on_a_file, lambda: copied(store, older), lambda: copied(older, store))


def test_a_later_revocation_does_not_hide_that_the_store_was_put_back(on_a_file: Live, tmp_path: Path) -> None:
    """The revoking process finds that the store does not know the revocation before, and raises the epoch."""
    store, older = on_a_file.settings.short_lived_path, tmp_path / "older.sqlite3"
    another = new_tokens(on_a_file)

    def restore_and_revoke() -> None:
        copied(older, store)
        assert on_a_file.public.revoke(another["refresh_token"]).status == 200

    check_story(on_a_file, lambda: copied(store, older), restore_and_revoke)
    assert looks(on_a_file, another["access_token"]) == [INACTIVE] * LOOKS


def epoch(live: Live) -> int:
    made: Services = live.app.extensions["authz"]
    with live.app.app_context(), made.db.read() as session:
        return session.scalars(select(HotEpochRow.epoch)).one()


def test_revocations_while_others_ask_make_no_other_copy_stale(on_a_file: Live) -> None:
    """The store knows of a revocation before SQL does, so that none is ever taken for a store that was put back."""
    alive = new_tokens(on_a_file)["access_token"]
    looks(on_a_file, alive)
    before = epoch(on_a_file)
    with ThreadPoolExecutor(12) as pool:
        for _ in range(5):
            dead = [new_tokens(on_a_file)["refresh_token"] for _ in range(6)]
            revoke = [partial(on_a_file.public.revoke, token) for token in dead]
            replies = at_once([*revoke, *[partial(on_a_file.fhir_server.ask, alive)] * 6], pool)
            assert [reply.status for reply in replies] == [200] * 12
    time.sleep(WITHIN_SECONDS)
    assert all(answer["active"] is True for answer in looks(on_a_file, alive))
    assert epoch(on_a_file) == before


def bury_and_fail(world: World) -> None:
    with world.services.db.write() as session:
        assert world.services.hot.bury_in(session, {"0" * 64: world.clock() + timedelta(hours=1)})
        raise LookupError


def test_a_revocation_that_was_rolled_back_is_no_loss_and_the_next_one_counts(world: World) -> None:
    launch = world.ehr.launch("public", "Practitioner/dr", patient="A", launch_url="https://app.example/launch")
    tokens = world.public.tokens(launch["launch"], SCOPE)
    hot = world.services.hot
    active = world.fhir_server.introspect(tokens["access_token"])
    before = hot.current_epoch()
    with pytest.raises(LookupError):
        bury_and_fail(world)
    world.clock.forward(seconds=2)
    hot.forget()
    assert world.fhir_server.introspect(tokens["access_token"]) == active
    assert world.public.revoke(tokens["refresh_token"]).status == 200
    hot.forget()
    assert world.fhir_server.introspect(tokens["access_token"]) == INACTIVE
    assert hot.current_epoch() == before


def only_to_be_read(connection: sqlite3.Connection, *_more: object) -> None:
    connection.execute("PRAGMA query_only = ON")


def test_a_new_process_answers_also_while_the_database_can_only_be_read(world: World) -> None:
    """security.md R-24, I8: it can't tell everybody not to believe the copies, so it does not believe them itself."""
    tokens = world.public.tokens(
        world.ehr.launch("public", "Practitioner/dr", patient="A", launch_url="https://app.example/launch")["launch"],
        SCOPE,
    )
    active = world.fhir_server.introspect(tokens["access_token"])
    assert active["active"] is True
    hot = world.services.hot
    before, hot.incarnation = hot.current_epoch(), ""
    event.listen(world.services.db.engine, "checkout", only_to_be_read)
    assert world.public.revoke(tokens["refresh_token"]).status == 503
    assert world.fhir_server.introspect(tokens["access_token"]) == active
    assert (hot.current_epoch(), hot.incarnation) == (before, "")


def test_what_is_revoked_while_the_clock_is_ahead_stays_dead_when_it_is_put_right(world: World) -> None:
    """security.md R-15, I4: over by the wrong clock, the token needs its tombstone all the same."""
    launch = world.ehr.launch("public", "Practitioner/dr", patient="A", launch_url="https://app.example/launch")
    tokens = world.public.tokens(launch["launch"], SCOPE)
    assert world.fhir_server.introspect(tokens["access_token"])["active"] is True
    world.clock.forward(hours=2)
    assert world.public.revoke(tokens["refresh_token"]).status == 200
    world.clock.forward(hours=-2)
    assert world.fhir_server.introspect(tokens["access_token"]) == INACTIVE
