"""The truth in a SQLite file: what its connections need, and a copy of it."""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any

from sqlalchemy import event

from authz.storage.connections import BUSY_TIMEOUT_MS, WRITE
from authz.storage.sqlite_file import OWNER_ONLY

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Connection, Engine
    from sqlalchemy.engine.interfaces import DBAPIConnection

SWITCH_AGAIN_SECONDS = 0.01


def prepare(engine: Engine) -> None:
    """WAL, full durability, and BEGIN IMMEDIATE for writers, so that two of them queue instead of failing."""

    @event.listens_for(engine, "do_connect")
    def before_connect(_dialect: object, _record: object, named: list[Any], _options: object) -> None:
        make_private(*named)

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


def make_private(name: str) -> None:
    """A new database is its owner's alone, whatever the umask; its journals get the same mode from SQLite."""
    if name != ":memory:":
        with suppress(OSError):  # it is there already, or can't be made: SQLite says so itself
            os.close(os.open(name, os.O_CREAT | os.O_EXCL | os.O_RDWR, OWNER_ONLY))


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


def copy(engine: Engine, file: Path) -> None:
    """A whole, consistent copy for the eyes of its owner only, while others write."""
    file.touch(mode=OWNER_ONLY, exist_ok=False)
    with closing(engine.raw_connection()) as source, closing(sqlite3.connect(file)) as target:
        driver = source.driver_connection
        assert isinstance(driver, sqlite3.Connection)
        driver.backup(target)
