"""What is done to a connection of the truth when it is opened, begins a transaction, or has rested in the pool."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from sqlalchemy import event
from sqlalchemy.exc import InvalidatePoolError

from authz.storage import postgres

if TYPE_CHECKING:
    from sqlalchemy import Engine
    from sqlalchemy.engine.interfaces import DBAPIConnection
    from sqlalchemy.pool import ConnectionPoolEntry

BUSY_TIMEOUT_MS = 10_000
RESTED_SECONDS = 1.0
SINCE = "authz_resting_since"
WRITE = "authz_write"


def prepare(engine: Engine) -> None:
    if engine.dialect.name == "sqlite":
        from authz.storage import sqlite_truth  # noqa: PLC0415  before any request; with PostgreSQL nobody loads it

        sqlite_truth.prepare(engine)
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
