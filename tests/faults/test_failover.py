"""PostgreSQL's primary is lost and its replica is promoted, or it hangs, while apps go on (security.md R-08, R-10)."""

from __future__ import annotations

import os
import signal
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import pytest
from sqlalchemy import text

from authz.tokens.restored import after_restore
from tests.faults.campaign import Campaign
from tests.faults.site import site
from tests.servers import PostgresServer, postgres_server, wait_until
from tests.world import build, settings_in

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.faults.site import Site
    from tests.world import World

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

    def switch_over(self) -> None:
        """As an operator does it: the old primary lives on, and takes no more writes."""
        self.primary.command("ALTER SYSTEM SET default_transaction_read_only = on")
        self.primary.command("SELECT pg_reload_conf()")
        self.promote()

    def promote(self) -> None:
        assert self.replica.command("SELECT pg_promote()") == [(True,)]

    def fail_over(self) -> None:
        self.primary.kill()
        time.sleep(NOTICED_AFTER_SECONDS)
        self.promote()


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


@pytest.fixture
def world(pair: Pair, tmp_path: Path) -> Iterator[World]:
    made = build(settings_in(tmp_path, database_url=pair.new_database()))
    with made.app.app_context():
        yield made
        made.services.db.engine.dispose()
    made.services.backend.close()


def launched(world: World) -> dict[str, Any]:
    launch = world.ehr.launch("public", "Practitioner/dr", patient="A")["launch"]
    return world.public.tokens(launch, "launch patient/*.rs online_access")


def test_a_switch_over_to_the_replica_costs_one_answer_at_most(pair: Pair, world: World) -> None:
    """R-10, I8: the connections to the old primary are alive; they are left when it says so, or refuses a write."""
    first, second = launched(world), launched(world)
    assert world.public.revoke(first["refresh_token"]).status == 200
    pair.switch_over()
    answer = world.public.refresh(second["refresh_token"])
    if answer.status != 200:
        assert (answer.status, answer.json()["error"]) == (503, "temporarily_unavailable")
        assert answer.header("retry-after")
        answer = world.public.refresh(second["refresh_token"])
    third = answer.json()
    assert world.fhir_server.introspect(third["access_token"])["active"] is True
    assert world.fhir_server.introspect(first["access_token"]) == {"active": False}
    assert world.public.revoke(third["refresh_token"]).status == 200
    assert world.fhir_server.introspect(third["access_token"]) == {"active": False}
    with world.services.db.read() as session:
        assert session.execute(text("SELECT inet_server_port()")).scalar_one() == pair.replica.port


def test_what_a_replica_that_was_behind_never_heard_of_is_ended_by_hand(pair: Pair, world: World) -> None:
    """R-10, asynchronous: a revocation of the last moments is lost; ``authz db restored`` lets nothing back."""
    tokens = launched(world)
    pair.primary.command("ALTER SYSTEM RESET synchronous_standby_names")
    pair.primary.command("SELECT pg_reload_conf()")
    wait_until(lambda: pair.primary.command(STATES) == [("streaming", "async")], "asynchronous replication")
    ((sender,),) = pair.primary.command("SELECT pid FROM pg_stat_replication")
    os.kill(sender, signal.SIGSTOP)
    assert world.public.revoke(tokens["refresh_token"]).status == 200
    assert world.fhir_server.introspect(tokens["access_token"]) == {"active": False}
    pair.primary.kill()
    pair.promote()
    wait_until(lambda: world.transport.send("GET", f"{world.issuer}/readyz").status == 200, "the new primary")
    assert world.fhir_server.introspect(tokens["access_token"])["active"] is True
    after_restore(world.services.revocation, "operator")
    assert world.fhir_server.introspect(tokens["access_token"]) == {"active": False}
    assert world.public.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"
    assert world.fhir_server.introspect(launched(world)["access_token"])["active"] is True


def test_postgres_hangs(tmp_path: Path) -> None:
    """R-08, I8: kill -STOP of the server and all its sessions; nobody waits for them, and no thread is lost."""

    with postgres_server() as postgres, site(tmp_path, postgres) as running:

        def stop(_: Site) -> None:
            with postgres.frozen():
                time.sleep(5)
            time.sleep(1)

        Campaign("R-08 PostgreSQL stopped short", 16).run(running, stop, SHORT_SECONDS)
