"""What is done to a connection of the truth when it is opened, begins a transaction, or has rested in the pool."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from typing import TYPE_CHECKING

from sqlalchemy import event
from sqlalchemy.exc import InvalidatePoolError

from authz.storage import postgres

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Connection, Engine
    from sqlalchemy.engine.interfaces import DBAPIConnection
    from sqlalchemy.pool import ConnectionPoolEntry

BUSY_TIMEOUT_MS = 10_000
SWITCH_AGAIN_SECONDS = 0.01
RESTED_SECONDS = 1.0
SINCE = "authz_resting_since"
WRITE = "authz_write"


def prepare(engine: Engine) -> None:
    if engine.dialect.name == "sqlite":
        prepare_sqlite(engine)
    else:
        try_the_rested(engine)
        postgres.prepare(engine)


def try_the_rested(engine: Engine) -> None:
    """A pooled connection that nobody has used for a second may have died; under load each is alive or was just now.

    ``pool_pre_ping`` does this before every use, for as much as a statement.
    """

    @event.listens_for(engine, "checkin")
    def on_checkin(_connection: DBAPIConnection | None, record: ConnectionPoolEntry) -> None:
        record.info[SINCE] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def on_checkout(connection: DBAPIConnection, record: ConnectionPoolEntry, _proxy: object) -> None:
        since = record.info.get(SINCE)
        if since is None or time.monotonic() - since < RESTED_SECONDS:
            return
        try:
            engine.dialect.do_ping(connection)
        except engine.dialect.loaded_dbapi.Error as error:
            raise InvalidatePoolError from error


def prepare_sqlite(engine: Engine) -> None:
    """WAL, full durability, and BEGIN IMMEDIATE for writers, so that two of them queue instead of failing."""

    @event.listens_for(engine, "connect")
    def on_connect(connection: DBAPIConnection, _record: object) -> None:
        assert isinstance(connection, sqlite3.Connection)
        connection.isolation_level = None  # the driver must not begin on its own
        switch_to_wal(connection)
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")

    @event.listens_for(engine, "begin")
    def on_begin(connection: Connection) -> None:
        write = connection.get_execution_options().get(WRITE)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


def switch_to_wal(connection: sqlite3.Connection) -> None:
    """Only a new file is really switched; of several who open one at once SQLite refuses all but one, unwaited."""
    deadline = time.monotonic() + BUSY_TIMEOUT_MS / 1000
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(SWITCH_AGAIN_SECONDS)
        else:
            return


def copy_sqlite(engine: Engine, file: Path) -> None:
    """A whole, consistent copy for the eyes of its owner only, while others write."""
    file.touch(mode=0o600, exist_ok=False)
    with closing(engine.raw_connection()) as source, closing(sqlite3.connect(file)) as target:
        driver = source.driver_connection
        assert isinstance(driver, sqlite3.Connection)
        driver.backup(target)
