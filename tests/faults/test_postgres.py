"""PostgreSQL dies, loses its clients, answers late or not at all, is locked or read-only (security.md R-08..R-12)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import psycopg
import pytest

from tests.faults.campaign import Campaign
from tests.faults.proxy import Mode, Proxy
from tests.faults.site import OTHERS

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.faults.site import Site
    from tests.servers import PostgresServer

pytestmark = [pytest.mark.redis, pytest.mark.postgres, pytest.mark.fault]

SHORT_SECONDS = 9.0
AWAY_SECONDS = 1.5


def proxy(site: Site) -> Proxy:
    assert site.database is not None
    return site.database


def operator(site: Site) -> psycopg.Connection[tuple[object, ...]]:
    """A connection of the operator's own, past the proxy."""
    url = site.settings.database_url.replace("+psycopg", "")
    return psycopg.connect(url, autocommit=True)


def test_postgres_stops_at_once_and_comes_back(running: Site, postgres: PostgresServer) -> None:
    """R-08: pg_ctl stop -m immediate; 503 meanwhile, no grant by halves, the pool recovers."""

    def stop(_: Site) -> None:
        postgres.stop()
        time.sleep(AWAY_SECONDS)
        postgres.start()
        time.sleep(AWAY_SECONDS)

    Campaign("R-08 PostgreSQL stopped", 8).run(running, stop, SHORT_SECONDS)


def test_connections_are_terminated_over_and_over(running: Site) -> None:
    """R-08: pg_terminate_backend in a loop."""

    def terminate(site: Site) -> None:
        with operator(site) as rows:
            rows.execute(OTHERS)
        time.sleep(0.2)

    Campaign("R-08 backends terminated", 9).run(running, terminate, SHORT_SECONDS)


def test_the_answer_to_a_commit_is_lost(running: Site) -> None:
    """R-09: committed or not, the client can't know: 503, and never a second set of tokens."""

    def lose(site: Site) -> None:
        with proxy(site).misbehaving(drop_reply_to=b"COMMIT"):
            time.sleep(0.3)
        time.sleep(1)

    Campaign("R-09 answer to COMMIT lost", 10).run(running, lose, SHORT_SECONDS)
    assert proxy(running).dropped > 0


WAYS: dict[str, Callable[[Proxy], object]] = {
    "slow": lambda proxy: proxy.misbehaving(delay_seconds=0.15),
    "stalled": lambda proxy: proxy.misbehaving(Mode.STALL),
    "reset": lambda proxy: proxy.misbehaving(Mode.RESET),
    "half closed": lambda proxy: proxy.misbehaving(Mode.HALF_CLOSE),
}


@pytest.mark.campaign
@pytest.mark.parametrize("way", WAYS)
def test_the_way_to_postgres_is_bad(running: Site, way: str) -> None:
    """R-08, R-09: a network that delays, swallows or cuts."""

    def misbehave(site: Site) -> None:
        with WAYS[way](proxy(site)):  # type: ignore[attr-defined]  # each is a context manager
            time.sleep(AWAY_SECONDS)
        time.sleep(2)

    Campaign(f"R-08 PostgreSQL {way}", 11).run(running, misbehave)


@pytest.mark.campaign
def test_postgres_becomes_read_only(running: Site) -> None:
    """R-11: writes are refused with 503, reads go on."""

    def freeze(site: Site) -> None:
        with operator(site) as rows:
            name = rows.info.dbname
            rows.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on".encode())
            rows.execute(OTHERS)
            time.sleep(AWAY_SECONDS)
            rows.execute("SET default_transaction_read_only = off")
            rows.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only".encode())
            rows.execute(OTHERS)
        time.sleep(1)

    Campaign("R-11 PostgreSQL read-only", 12).run(running, freeze)


@pytest.mark.campaign
@pytest.mark.parametrize("table", ["access_token", "refresh_token", "audit_event", "grant_record"])
def test_a_table_is_locked(running: Site, table: str) -> None:
    """R-11: LOCK TABLE … ACCESS EXCLUSIVE; lock_timeout makes it a 503 and threads do not pile up."""

    def lock(site: Site) -> None:
        with operator(site) as rows:
            rows.autocommit = False
            rows.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE".encode())
            time.sleep(3)
            rows.rollback()
        time.sleep(2)

    Campaign(f"R-11 {table} locked", 13).run(running, lock)


@pytest.mark.campaign
def test_no_connection_is_left(running: Site) -> None:
    """R-11: somebody else uses up max_connections."""

    def use_up(site: Site) -> None:
        held: list[psycopg.Connection[tuple[object, ...]]] = []
        proxy(site).reset_connections()
        try:
            while True:
                held.append(operator(site))
        except psycopg.OperationalError:
            time.sleep(AWAY_SECONDS)
        finally:
            for each in held:
                each.close()
        time.sleep(2)

    Campaign("R-11 connections used up", 14).run(running, use_up)
