"""What a connection to PostgreSQL may take: time to answer, locks, idleness; and how many there are.

The driver is loaded by SQLAlchemy, and only where it is used: an installation on SQLite has none.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import event
from sqlalchemy.exc import InvalidatePoolError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from psycopg import Connection as DriverConnection
    from psycopg.abc import RV, PQGen
    from sqlalchemy import Connection, Dialect, Engine
    from sqlalchemy.engine import ExceptionContext
    from sqlalchemy.engine.interfaces import DBAPIConnection
    from sqlalchemy.pool import ConnectionPoolEntry

    Driver = DriverConnection[tuple[Any, ...]]

STATEMENT_TIMEOUT_MS = 2_000  # of a statement, and of its wait for a lock: the server ends it
REPLY_SECONDS = 2.5  # for the server to say anything at all: longer than a statement may last
IDLE_IN_TRANSACTION_MS = 10_000  # a machine of ours that vanished must not keep what it had locked
CONNECT_TIMEOUT_SECONDS = 2  # for each host of the URL
KEPT_CONNECTIONS = 20
RECYCLE_SECONDS = 1_800  # before a firewall between forgets them
READ_ONLY = "25006"  # read_only_sql_transaction, which psycopg counts among the internal errors
READ_ONLY_STATUS = b"default_transaction_read_only"
BORN_READ_ONLY = "authz_born_read_only"
ACTIVE = 1  # libpq's PQTRANS_ACTIVE: a command was sent, and its answer has not come
SESSION = {
    "statement_timeout": str(STATEMENT_TIMEOUT_MS),
    "lock_timeout": str(STATEMENT_TIMEOUT_MS),
    "idle_in_transaction_session_timeout": str(IDLE_IN_TRANSACTION_MS),
    "default_transaction_isolation": r"read\ committed",  # each single use is one conditional statement
    "timezone": "UTC",
}
SOCKET = {  # a machine that is gone answers nothing, and TCP alone would try for a quarter of an hour
    "tcp_user_timeout": 2_000,
    "keepalives_idle": 2,
    "keepalives_interval": 1,
    "keepalives_count": 2,
}


def engine_options() -> dict[str, Any]:
    """For ``create_engine``.

    No thread waits for a connection: it has at most two at a time, so a worker has at most twice as many as threads,
    and those of its background work. What PostgreSQL does not give (``max_connections``) is an outage, at once.
    """
    return {
        "pool_size": KEPT_CONNECTIONS,
        "max_overflow": -1,
        "pool_recycle": RECYCLE_SECONDS,
        "connect_args": {
            "connect_timeout": CONNECT_TIMEOUT_SECONDS,
            "options": " ".join(f"-c {name}={value}" for name, value in SESSION.items()),
            **SOCKET,
        },
    }


def prepare(engine: Engine) -> None:
    """Let no connection of this engine wait for ever, nor stay with a server that takes no writes any more."""

    @event.listens_for(engine, "do_connect")
    def connect(dialect: Dialect, _entry: ConnectionPoolEntry, words: list[Any], named: dict[str, Any]) -> Driver:
        made: Driver = impatient(dialect.loaded_dbapi.Connection).connect(*words, **named)
        return made

    @event.listens_for(engine, "connect")
    def on_connect(connection: DBAPIConnection, record: ConnectionPoolEntry) -> None:
        record.info[BORN_READ_ONLY] = takes_no_writes(connection)

    @event.listens_for(engine, "checkout")
    def on_checkout(connection: DBAPIConnection, record: ConnectionPoolEntry, _proxy: object) -> None:
        if takes_no_writes(connection) and not record.info[BORN_READ_ONLY]:
            raise InvalidatePoolError  # whoever only reads would go on reading old rows

    @event.listens_for(engine, "handle_error")
    def on_error(context: ExceptionContext) -> None:
        if getattr(context.original_exception, "sqlstate", None) == READ_ONLY:
            context.is_disconnect = True  # the pool is left, and the next connection finds who takes writes now


def takes_no_writes(connection: DBAPIConnection) -> bool:
    """As the server said with its last reply, unasked (from PostgreSQL 14 on; an older one says nothing)."""
    said: bytes | None = cast("Driver", connection).pgconn.parameter_status(READ_ONLY_STATUS)
    return said == b"on"


def impatient(plain: type[Driver]) -> type[Driver]:
    """The driver's connection, which gives up when the server says nothing for ``patience`` seconds.

    A server that hangs, a network that swallows, a synchronous replica that is away: nothing else ends the wait for
    them, neither ``statement_timeout``, which the server minds, nor TCP, which is answered by the kernel.
    """

    class Impatient(plain):  # type: ignore[misc,valid-type]  # a class that is known when the driver is loaded
        patience: float | None = REPLY_SECONDS

        def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:
            answered = False
            try:
                found: RV = super().wait(gen, interval=interval, timeout=timeout or self.patience)
                answered = True
                return found
            finally:
                if not answered and self.pgconn.transaction_status == ACTIVE:
                    self.pgconn.finish()  # a late reply must never be taken for the answer to something else

    return Impatient


@contextmanager
def unhurried(connection: Connection) -> Iterator[None]:
    """For the work of a deployment, which may take as long as it takes."""
    driver: Any = connection.connection.driver_connection
    patience, driver.patience = driver.patience, None
    try:
        yield
    finally:
        driver.patience = patience
