from __future__ import annotations

import gc
import sqlite3
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from flask import current_app
from sqlalchemy import create_engine, delete, event, select, text, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from authz.clients.model import SeenAssertionRow
from authz.errors import Unavailable
from authz.storage import connections
from authz.storage.database import changed, insert_once
from authz.storage.sqlite_truth import switch_to_wal
from tests.registries import Registries, database_at, made, postgres_url

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from authz.storage.database import Database

__all__ = ["made", "postgres_url"]


class Watched(sqlite3.Connection):
    """Lets the file's other user go when this one was refused."""

    refused: threading.Event

    def execute(self, *words: Any) -> sqlite3.Cursor:
        try:
            return super().execute(*words)
        except sqlite3.OperationalError:
            self.refused.set()
            raise


def test_who_opens_a_new_file_at_the_same_time_waits_for_the_other(tmp_path: Path) -> None:
    """Several processes may start at once; SQLite itself refuses the switch to WAL without waiting."""
    file = tmp_path / "new.sqlite3"
    holder = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
    holder.execute("BEGIN EXCLUSIVE")
    connection = sqlite3.connect(file, timeout=0, factory=Watched)
    connection.refused = threading.Event()

    def let_go() -> None:
        connection.refused.wait()
        holder.execute("COMMIT")

    other = threading.Thread(target=let_go)
    other.start()
    switch_to_wal(connection)
    other.join()
    assert connection.refused.is_set()
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()
    holder.close()


def test_a_file_that_stays_locked_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "BUSY_TIMEOUT_MS", 0)
    holder = sqlite3.connect(tmp_path / "new.sqlite3", isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    connection = sqlite3.connect(tmp_path / "new.sqlite3", timeout=0)
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        switch_to_wal(connection)
    connection.close()
    holder.close()


def test_a_key_is_inserted_once(made: Registries) -> None:
    """Decision 1: the gate of everything single-use, on either database."""
    row = {"digest": "a" * 64, "expires_at": made.clock()}
    with made.db.write() as session:
        assert insert_once(session, SeenAssertionRow, **row)
        assert not insert_once(session, SeenAssertionRow, **row)
    with made.db.write() as session:
        assert not insert_once(session, SeenAssertionRow, **row)


def test_of_racing_inserts_one_wins(made: Registries) -> None:
    """Decision 1: of twelve at once exactly one is told that it was first."""
    app = current_app._get_current_object()  # type: ignore[attr-defined]  # werkzeug's proxy has it
    barrier, won = threading.Barrier(12), []

    def insert() -> None:
        with app.app_context():
            barrier.wait()
            with made.db.write() as session:
                won.append(insert_once(session, SeenAssertionRow, digest="a" * 64, expires_at=made.clock()))

    threads = [threading.Thread(target=insert) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(won) == [False] * 11 + [True]


def test_the_number_of_changed_rows_is_told(made: Registries) -> None:
    with made.db.write() as session:
        for digest in "abc":
            insert_once(session, SeenAssertionRow, digest=digest, expires_at=made.clock())
        known = SeenAssertionRow.digest.in_(["a", "b", "x"])
        assert changed(session, update(SeenAssertionRow).where(known).values(expires_at=made.clock())) == 2
        assert changed(session, delete(SeenAssertionRow).where(known)) == 2
        assert changed(session, delete(SeenAssertionRow).where(known)) == 0


@pytest.mark.postgres
def test_a_read_only_database_is_an_outage(made: Registries) -> None:
    """security.md R-11, I8: as after a fail-over to a replica; 503, and not a failure of ours."""
    with pytest.raises(Unavailable):
        delete_read_only(made)


def delete_read_only(made: Registries) -> None:
    with made.db.write() as session:
        session.execute(text("SET TRANSACTION READ ONLY"))
        changed(session, delete(SeenAssertionRow))


def test_a_database_that_goes_away_before_the_roll_back_is_an_outage(
    made: Registries, monkeypatch: pytest.MonkeyPatch
) -> None:
    """security.md R-08, I8: what was read is not answered, and nothing else than Unavailable is raised."""

    close = Session.close

    def lost(session: Session) -> None:
        close(session)
        raise OperationalError("ROLLBACK", {}, ConnectionError())

    monkeypatch.setattr(Session, "close", lost)
    with pytest.raises(Unavailable), made.db.read() as session:
        session.execute(select(SeenAssertionRow))


def test_a_look_from_within_a_transaction_sees_what_it_wrote(made: Registries) -> None:
    """One connection, or two requests that each hold one and wait for a second would wait for ever."""
    find = select(SeenAssertionRow.digest)
    with made.db.write() as session:
        insert_once(session, SeenAssertionRow, digest="a", expires_at=made.clock())
        with made.db.look() as looking:
            assert (looking is session, looking.scalars(find).all()) == (True, ["a"])
        with made.db.read() as reading:
            assert reading.scalars(find).all() == []
    with made.db.look() as looking:
        assert looking.scalars(find).all() == ["a"]


def test_a_row_is_read_once_in_a_transaction(made: Registries) -> None:
    """Whoever asks for it, and whether or not anybody still holds it; a look keeps nothing."""
    with made.db.write() as session:
        insert_once(session, SeenAssertionRow, digest="a", expires_at=made.clock())
    for unit, statements in ((made.db.write, 1), (made.db.read, 2)):
        with unit() as session, counted(made) as counts:
            for _ in range(2):
                assert session.get_one(SeenAssertionRow, "a").digest == "a"
                gc.collect()
        assert len(counts) == statements


@contextmanager
def counted(made: Registries) -> Iterator[list[str]]:
    """The statements but those that begin and end a transaction."""
    texts: list[str] = []

    def heard(_c: object, _cursor: object, text: str, *_: object) -> None:
        texts.append(text)

    event.listen(made.db.engine, "before_cursor_execute", heard)
    yield texts
    event.remove(made.db.engine, "before_cursor_execute", heard)


@pytest.mark.postgres
def test_a_connection_that_rested_and_died_is_replaced_before_its_use(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Issue 8.3: pre-pinged; one that was used a moment ago may fail once, and takes the others with it."""
    with database_at(postgres_url) as db:
        for rested, is_lost in ((0.0, False), (60.0, True)):
            monkeypatch.setattr(connections, "RESTED_SECONDS", rested)
            assert answers(db)
            terminate_all(db)
            if is_lost:
                with pytest.raises(Unavailable):
                    answers(db)
            assert answers(db)


def answers(db: Database) -> bool:
    with db.read() as session:
        return session.scalar(select(1)) == 1


def terminate_all(db: Database) -> None:
    """As a server does that restarts."""
    others = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    engine = create_engine(db.engine.url, poolclass=NullPool)
    with engine.connect() as connection:
        connection.execute(text(f"SELECT pg_terminate_backend(pid) {others}"))
