"""PostgreSQL that hangs, keeps a commit to itself, cuts, is full or is reached over TLS (security.md R-08 to R-12)."""

from __future__ import annotations

import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import pytest
from flask import current_app
from sqlalchemy import select, text

from authz.clients.model import SeenAssertionRow
from authz.errors import Unavailable
from authz.storage import migrations, postgres
from authz.storage.database import insert_once
from authz.storage.postgres import KEPT_CONNECTIONS, SESSION, SOCKET
from tests.certificates import encrypted_postgres
from tests.registries import Registries, database_at, registries_at
from tests.servers import PostgresServer, postgres_server, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy.orm import Session

    from authz.storage.database import Database
    from tests.certificates import Certificates

pytestmark = pytest.mark.postgres

SHORT_SECONDS = 0.3
T = TypeVar("T")
OPEN_TRANSACTIONS = (
    "SELECT count(*) FROM pg_stat_activity"
    " WHERE pid <> pg_backend_pid() AND datname = current_database() AND state = 'idle in transaction'"
)


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with postgres_server() as running:
        yield running


@pytest.fixture
def made(server: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registries]:
    """On a database of its own, with little patience."""
    monkeypatch.setattr(postgres, "REPLY_SECONDS", SHORT_SECONDS)
    url = server.new_database()
    with database_at(url) as db:
        migrations.upgrade(db.engine)
    with registries_at(url) as registries:
        yield registries


def value(db: Database, words: str) -> Any:
    with db.read() as session:
        return session.execute(text(words)).scalar_one()


def driver(session: Session) -> Any:
    return session.connection().connection.driver_connection


def remember(made: Registries, digest: str) -> bool:
    with made.db.write() as session:
        return insert_once(session, SeenAssertionRow, digest=digest, expires_at=made.clock())


def is_remembered(made: Registries, digest: str) -> bool:
    with made.db.read() as session:
        return session.get(SeenAssertionRow, digest) is not None


def test_a_connection_carries_its_limits(made: Registries) -> None:
    """security.md R-11: the server ends a statement, a wait for a lock and a transaction that nobody goes on with."""
    with made.db.read() as session:
        shown = {name: session.execute(text(f"SHOW {name}")).scalar_one() for name in SESSION}
        with socket.socket(fileno=socket.dup(driver(session).fileno())) as wire:
            limits = (socket.TCP_USER_TIMEOUT, socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
            told = [wire.getsockopt(socket.IPPROTO_TCP, each) for each in limits]
    assert shown == {
        "statement_timeout": "2s",
        "lock_timeout": "2s",
        "idle_in_transaction_session_timeout": "10s",
        "default_transaction_isolation": "read committed",
        "timezone": "UTC",
    }
    assert told == list(SOCKET.values())


def test_a_server_that_hangs_is_an_outage_and_not_waited_for(server: PostgresServer, made: Registries) -> None:
    """security.md I8: nothing but our own patience ends this wait; the kernel goes on accepting and acknowledging."""
    wires: list[Any] = []

    def ask() -> None:
        with made.db.read() as session:
            wires.append(driver(session))
            with server.frozen():
                session.execute(select(SeenAssertionRow))

    with pytest.raises(Unavailable):
        ask()
    assert wires[0].closed
    assert value(made.db, "SELECT 1") == 1


def test_an_idle_connection_to_a_server_that_hangs_is_given_up(server: PostgresServer, made: Registries) -> None:
    """security.md I8, R-08: the pool's first question is one more that may stay unanswered."""
    assert value(made.db, "SELECT 1") == 1
    with server.frozen(), pytest.raises(Unavailable):
        value(made.db, "SELECT 2")
    assert value(made.db, "SELECT 3") == 3


def test_a_late_reply_is_never_the_answer_to_another_statement(made: Registries) -> None:
    """security.md R-04, 3.3.5: whoever stops waiting closes the connection."""
    wires: list[Any] = []

    def ask() -> None:
        with made.db.read() as session:
            wires.append(driver(session))
            session.execute(text("SELECT 'late' FROM pg_sleep(1)"))

    with pytest.raises(Unavailable):
        ask()
    assert wires[0].closed
    assert [value(made.db, f"SELECT {number}") for number in range(5)] == list(range(5))


def test_a_statement_that_fails_costs_no_connection(made: Registries) -> None:
    """What was answered, with an error or without, leaves nothing on the wire."""
    with made.db.read() as session:
        wire = driver(session)
        with pytest.raises(Exception, match="division by zero"):
            session.execute(text("SELECT 1/0"))
    assert not wire.closed


def test_a_commit_that_waits_for_an_absent_replica_is_an_outage(server: PostgresServer, made: Registries) -> None:
    """security.md 3.3.7, R-09: a synchronous replica is away, and no time-out of the server's ends the wait.

    The outcome is unknown to whoever asked, so it is refused; what was written then counts as used.
    """
    server.command("ALTER SYSTEM SET synchronous_standby_names = 'away'")
    server.command("SELECT pg_reload_conf()")
    try:
        wait_until(lambda: server.command("SHOW synchronous_standby_names") == [("away",)], "the setting")
        with pytest.raises(Unavailable):
            remember(made, "a")
        assert not is_remembered(made, "b")
    finally:
        server.command("ALTER SYSTEM RESET synchronous_standby_names")
        server.command("SELECT pg_reload_conf()")
    wait_until(lambda: is_remembered(made, "a"), "the commit to be let go")
    assert remember(made, "a") is False
    assert remember(made, "b") is True


def test_connections_to_a_server_that_became_read_only_are_left(server: PostgresServer, made: Registries) -> None:
    """security.md R-10: all of the pool, for a read would be of old rows for ever."""
    both_in = threading.Barrier(2, timeout=10)

    def whose() -> int:
        with made.db.read() as session:
            pid: int = session.execute(text("SELECT pg_backend_pid()")).scalar_one()
            both_in.wait()
        return pid

    before = at_once(whose, whose)
    server.command("ALTER SYSTEM SET default_transaction_read_only = on")
    server.command("SELECT pg_reload_conf()")
    try:
        wait_until(lambda: value(made.db, "SHOW default_transaction_read_only") == "on", "the setting")
        with pytest.raises(Unavailable):
            remember(made, "a")
        assert not set(before) & set(at_once(whose, whose))
    finally:
        server.command("ALTER SYSTEM RESET default_transaction_read_only")
        server.command("SELECT pg_reload_conf()")
    wait_until(lambda: value(made.db, "SHOW default_transaction_read_only") == "off", "the setting")
    assert remember(made, "a") is True


def test_who_only_reads_leaves_a_server_that_became_read_only_too(server: PostgresServer, made: Registries) -> None:
    """security.md R-10, I4: else a worker that is asked for nothing but introspection would never hear of a revocation.

    A server that was read-only from the start is kept: reads go on (R-24).
    """
    pid = "SELECT pg_backend_pid()"
    before = value(made.db, pid)
    assert value(made.db, pid) == before
    server.command("ALTER SYSTEM SET default_transaction_read_only = on")
    server.command("SELECT pg_reload_conf()")
    try:
        wait_until(lambda: value(made.db, pid) != before, "another connection")
        after = value(made.db, pid)
        assert [value(made.db, pid) for _ in range(3)] == [after] * 3
    finally:
        server.command("ALTER SYSTEM RESET default_transaction_read_only")
        server.command("SELECT pg_reload_conf()")


def test_a_transaction_that_was_left_alone_is_an_outage(made: Registries) -> None:
    """security.md R-11: the server ended it, and let others have what it had locked."""

    def leave_alone() -> None:
        with made.db.write() as session:
            session.execute(text("SET idle_in_transaction_session_timeout = '20ms'"))
            insert_once(session, SeenAssertionRow, digest="left", expires_at=made.clock())
            wait_until(lambda: value(made.db, OPEN_TRANSACTIONS) == 0, "the server to end it")
            session.execute(select(SeenAssertionRow))

    with pytest.raises(Unavailable):
        leave_alone()
    assert not is_remembered(made, "left")


def test_of_two_that_wait_for_each_other_one_is_refused_and_one_goes_on(made: Registries) -> None:
    """security.md R-12: a deadlock is an outage of a moment, rolled back whole, and never a failure of ours."""
    both_hold = threading.Barrier(2, timeout=10)

    def lock(first: str, second: str) -> str:
        try:
            with made.db.write() as session:
                driver(session).patience = 10  # the server looks for deadlocks after a second
                insert_once(session, SeenAssertionRow, digest=first, expires_at=made.clock())
                both_hold.wait()
                insert_once(session, SeenAssertionRow, digest=second, expires_at=made.clock())
        except Unavailable:
            return "refused"
        return "done"

    assert sorted(at_once(partial(lock, "a", "b"), partial(lock, "b", "a"))) == ["done", "refused"]
    assert is_remembered(made, "a")
    assert is_remembered(made, "b")


def test_no_thread_waits_for_a_connection(made: Registries) -> None:
    """performance.md: their number is bounded by the threads, and by max_connections, never by a queue of ours."""
    many = KEPT_CONNECTIONS + 5
    all_in = threading.Barrier(many, timeout=30)

    def read() -> bool:
        with made.db.read() as session:
            session.execute(text("SELECT 1"))
            all_in.wait()
        return True

    assert at_once(*[read] * many) == [True] * many
    assert made.db.engine.pool.checkedin() == KEPT_CONNECTIONS  # type: ignore[attr-defined]  # of a QueuePool


def at_once(*jobs: Callable[[], T]) -> list[T]:
    """Each in a thread of its own, with the app that Flask-SQLAlchemy's engine belongs to."""
    app = current_app._get_current_object()  # type: ignore[attr-defined]  # werkzeug's proxy has it

    def run(job: Callable[[], T]) -> T:
        with app.app_context():
            return job()

    with ThreadPoolExecutor(len(jobs)) as pool:
        return list(pool.map(run, jobs))


@pytest.fixture(scope="module")
def encrypted() -> Iterator[tuple[PostgresServer, Certificates]]:
    with encrypted_postgres() as found:
        yield found


def test_the_server_is_known_by_its_certificate(encrypted: tuple[PostgresServer, Certificates]) -> None:
    """docs/how-to/production.md: sslmode=verify-full and sslrootcert in database_url."""
    server, certificates = encrypted
    url = server.url.replace("127.0.0.1", "localhost") + f"?sslmode=verify-full&sslrootcert={certificates.authority}"
    with database_at(url) as db:
        assert value(db, "SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()").startswith("TLS")


@pytest.mark.parametrize("wrong", ["authority", "name"])
def test_a_server_that_another_could_be_is_not_spoken_to(
    encrypted: tuple[PostgresServer, Certificates], wrong: str
) -> None:
    """RFC 9525 §6: neither with a certificate of somebody else's, nor with one for another name."""
    server, certificates = encrypted
    host = {"authority": "localhost", "name": "127.0.0.1"}[wrong]
    root = {"authority": certificates.stranger, "name": certificates.authority}[wrong]
    url = server.url.replace("127.0.0.1", host) + f"?sslmode=verify-full&sslrootcert={root}"
    with database_at(url) as db, pytest.raises(Unavailable):
        value(db, "SELECT 1")
