"""The truth: engine and sessions of Flask-SQLAlchemy, handed out as units of work."""

from __future__ import annotations

from contextlib import closing, contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import DateTime, Engine, MetaData, event, insert, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import DeclarativeBase, sessionmaker
from sqlalchemy.types import TypeDecorator

from authz.errors import Unavailable
from authz.storage import postgres
from authz.storage.connections import BUSY_TIMEOUT_MS, WRITE, prepare

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from flask import Flask
    from sqlalchemy import CursorResult, Dialect, Executable, Insert, Table
    from sqlalchemy.orm import Session

KEPT = "authz_kept"
INSTANCE_STATE = "_sa_instance_state"


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_label)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class UtcDateTime(TypeDecorator[datetime]):
    """An aware datetime, stored in UTC; a naive one is refused."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a stored time must be aware")
        utc = value.astimezone(UTC)
        return utc if dialect.name == "postgresql" else utc.replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002  the base class's signature
        if value is None or value.tzinfo is not None:
            return value
        return value.replace(tzinfo=UTC)


class Database:
    """Units of work on the engine that Flask-SQLAlchemy keeps for the app.

    Raises Unavailable when the database does not answer, is locked or read-only.
    """

    def __init__(self) -> None:
        self.extension = SQLAlchemy(model_class=Base)
        self.writing: ContextVar[Session | None] = ContextVar("writing", default=None)
        self.reading: dict[str, Any] = {}

    def init_app(self, app: Flask, url: str) -> None:
        parsed = make_url(url)
        options: dict[str, Any] = {"hide_parameters": True}
        if parsed.get_backend_name() == "sqlite":
            if parsed.database and parsed.database != ":memory:":
                path = Path(parsed.database).resolve()  # Flask-SQLAlchemy would look below its instance folder
                path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                parsed = parsed.set(database=str(path))
            options["max_overflow"] = -1  # threads bound their number (see postgres.engine_options)
            options["connect_args"] = {"timeout": BUSY_TIMEOUT_MS / 1000}
        else:
            self.reading = {"isolation_level": "AUTOCOMMIT"}  # as READ COMMITTED, without BEGIN and ROLLBACK
            options |= postgres.engine_options()
        app.config["SQLALCHEMY_DATABASE_URI"] = parsed
        app.config["SQLALCHEMY_ENGINE_OPTIONS"] = options
        self.extension.init_app(app)
        with app.app_context():
            self.engine: Engine = self.extension.engine
        prepare(self.engine)
        self.readers = sessionmaker(self.engine, expire_on_commit=False)
        self.writers = sessionmaker(self.engine, expire_on_commit=False)
        event.listen(self.writers, "loaded_as_persistent", keep)

    @contextmanager
    def write(self) -> Iterator[Session]:
        """One transaction: commits at the end, rolls back if anything is raised; a row is read once in it."""
        with opened(self.writers, {WRITE: True}) as session:
            session.info[KEPT] = []
            before = self.writing.set(session)
            try:
                yield session
                session.commit()
            finally:
                self.writing.reset(before)

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A look at what is committed; nothing is kept. On SQLite its statements see one state.

        On PostgreSQL each sees its own, and none can be streamed (``yield_per``): there is no transaction for a cursor.
        """
        with opened(self.readers, self.reading) as session:
            yield session

    @contextmanager
    def look(self) -> Iterator[Session]:
        """A look from within the transaction that is being written, if there is one: no second connection."""
        session = self.writing.get()
        if session is not None:
            yield session
            return
        with self.read() as session:
            yield session


@contextmanager
def opened(sessions: sessionmaker[Session], options: Mapping[str, Any]) -> Iterator[Session]:
    with (
        unavailable_if_gone(),
        closing(sessions()) as session,
    ):  # closing rolls back: the database may be gone only then
        session.connection(execution_options=options)
        yield session


def keep(session: Session, row: object) -> None:
    """A session itself holds its rows weakly, and would read again what nobody else holds."""
    if KEPT in session.info:
        session.info[KEPT].append(row)


@contextmanager
def unavailable_if_gone() -> Iterator[None]:
    """Turn what drivers raise when a database is gone, locked or read-only into Unavailable."""
    try:
        yield
    except (OperationalError, InterfaceError, PoolTimeout) as error:
        raise Unavailable("the database does not answer") from error
    except DBAPIError as error:
        if error.connection_invalidated:
            raise Unavailable("the database went away") from error
        raise


def one_at_a_time(session: Session, number: int) -> None:
    """Wait for whoever does the same with this number, until this transaction ends; SQLite's writers queue anyway."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": number})


INSERTS: dict[str, Callable[..., Any]] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}


def insert_once(session: Session, table: type[Base], **values: object) -> bool:
    """Insert a row whose key is the single-use gate; False if that key is already there.

    A concurrent insert of the same key is waited for, so of two racing transactions at most one gets True.
    """
    insert = INSERTS[session.get_bind().dialect.name]
    return changed(session, insert(table).values(**values).on_conflict_do_nothing()) == 1


def insert_now(session: Session, *rows: Base) -> None:
    """Insert rows of one kind past the session's unit of work, which costs twice as much; nobody changes them here.

    What they refer to must be there: what was added before is written first.
    """
    if session.new:
        session.flush()
    values = [{name: value for name, value in vars(row).items() if name != INSTANCE_STATE} for row in rows]
    session.execute(plain_insert(type(rows[0])), values if len(values) > 1 else values[0])


@cache
def plain_insert(kind: type[Base]) -> Insert:
    return insert(cast("Table", kind.__table__))


def changed(session: Session, statement: Executable, values: dict[str, Any] | None = None) -> int:
    """Run an INSERT, UPDATE or DELETE and say how many rows it changed: the gate of everything single-use."""
    options = {"preserve_rowcount": True}  # without it -1 for an INSERT
    result = session.execute(statement, values, execution_options=options)
    return cast("CursorResult[Any]", result).rowcount
