"""PostgreSQL's primary is lost and its replica is promoted, or it hangs, while apps go on (security.md R-08, R-10)."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import pytest

from tests.faults.campaign import Campaign
from tests.faults.site import site
from tests.servers import PostgresServer, postgres_server, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.faults.site import Site

pytestmark = [pytest.mark.postgres, pytest.mark.fault]

SHORT_SECONDS = 3.0
NOTICED_AFTER_SECONDS = 1.0
STATES = "SELECT state, sync_state FROM pg_stat_replication"


@dataclass(frozen=True)
class Pair:
    """A primary, and the replica that a server may find in its place."""

    primary: PostgresServer
    replica: PostgresServer

    def new_database(self) -> str:
        """Its URL, as docs/how-to/stores.md writes it: both hosts, and whichever takes writes is meant."""
        name = self.primary.new_database().rpartition("/")[2]
        hosts = "&".join(f"host=127.0.0.1:{server.port}" for server in (self.primary, self.replica))
        return f"postgresql+psycopg://postgres@/{name}?{hosts}&target_session_attrs=read-write"

    def fail_over(self) -> None:
        self.primary.kill()
        time.sleep(NOTICED_AFTER_SECONDS)
        self.replica.command("SELECT pg_promote()")


@pytest.fixture
def pair() -> Iterator[Pair]:
    """Each commit of the primary waits until the replica has it on disk."""
    with postgres_server(is_durable=True) as primary, postgres_server(is_durable=True, replica_of=primary) as replica:
        primary.command("ALTER SYSTEM SET synchronous_standby_names = '*'")
        primary.command("SELECT pg_reload_conf()")
        wait_until(lambda: primary.command(STATES) == [("streaming", "sync")], "synchronous replication")
        yield Pair(primary, replica)


@contextmanager
def served_by(pair: Pair, folder: Path) -> Iterator[Site]:
    with site(folder, cast("PostgresServer", pair)) as made:  # all that is asked of it is a database
        yield made


def test_the_primary_is_lost_and_its_replica_promoted(pair: Pair, tmp_path: Path) -> None:
    """R-10, I4, I5: with a synchronous replica nothing that was answered is lost, and nothing revoked comes back."""

    lost: list[float] = []

    def fail_over(_: Site) -> None:
        if not lost:
            lost.append(time.monotonic())
            pair.fail_over()
        time.sleep(NOTICED_AFTER_SECONDS)

    with served_by(pair, tmp_path) as running:
        Campaign("R-10 fail-over, synchronous", 15).run(running, fail_over, SHORT_SECONDS)
        assert pair.replica.command("SELECT pg_is_in_recovery()") == [(False,)]
        assert running.truth().tokens


def test_postgres_hangs(tmp_path: Path) -> None:
    """R-08, I8: kill -STOP of the server and all its sessions; nobody waits for them, and no thread is lost."""

    with postgres_server() as postgres, site(tmp_path, postgres) as running:

        def stop(_: Site) -> None:
            with postgres.frozen():
                time.sleep(5)
            time.sleep(1)

        Campaign("R-08 PostgreSQL stopped short", 16).run(running, stop, SHORT_SECONDS)
