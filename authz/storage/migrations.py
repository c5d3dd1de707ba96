"""Bring a database to the newest revision of the schema; compare it with the models. Servers never load this."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from io import StringIO
from typing import TYPE_CHECKING

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from authz.errors import AuthzError
from authz.storage import schema_floor
from authz.storage.connections import WRITE
from authz.storage.database import unavailable_if_gone
from authz.storage.postgres import unhurried
from authz.storage.revisions import directory, found, newest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Connection, Engine

    Note = Callable[[Session, str | None, str], None]

ADVISORY_LOCK = 0x61757468  # "auth", the same number for every deployer
WAIT_FOR_OTHERS_MS = 60_000  # for another deployer to finish
WAIT_FOR_TABLES_MS = 5_000  # for a table in use: requests queue behind a waiting ALTER


class MigrationFailed(AuthzError):
    """A migration does not fit what it found; nothing was changed."""


def scripts() -> ScriptDirectory:
    return ScriptDirectory(str(directory()))


def upgrade(engine: Engine, note: Note | None = None) -> str:
    """Bring the database to the newest revision, all or nothing; of two callers at once the second finds it done.

    ``note`` writes down, in the same transaction, from which revision to which if there was anything to do.
    Raises Unavailable and MigrationFailed.
    """
    try:
        with one_at_a_time(engine) as connection:
            before = found(connection)
            command.upgrade(config(connection), "head")
            schema_floor.write(connection, scripts())
            if note is not None and before != newest():
                with Session(connection) as session:
                    note(session, before, newest())
                    session.commit()
    except (CommandError, DBAPIError) as error:
        raise MigrationFailed(f"the schema was left as it was: {error}") from error
    return newest()


def problem(engine: Engine) -> str | None:
    """Why the database does not fit this version of the program: not upgraded, or not what the models say."""
    with one_at_a_time(engine) as connection:
        try:
            command.check(config(connection))
        except CommandError as error:
            return str(error)
    return None


def config(connection: Connection) -> Config:
    """Alembic's settings; ``migrations/env.py`` finds the connection in its attributes."""
    made = Config(stdout=StringIO())
    made.set_main_option("script_location", str(directory()).replace("%", "%%"))
    made.attributes["connection"] = connection
    return made


@contextmanager
def one_at_a_time(engine: Engine) -> Iterator[Connection]:
    """A transaction that no other deployer's overlaps: an advisory lock, or SQLite's one writer."""
    with ExitStack() as stack:
        with unavailable_if_gone():
            connection = stack.enter_context(engine.connect().execution_options(**{WRITE: True}))
            stack.enter_context(connection.begin())
            if connection.dialect.name == "postgresql":
                stack.enter_context(unhurried(connection))
                connection.execute(text("SET LOCAL statement_timeout = 0"))
                connection.execute(text(f"SET LOCAL lock_timeout = {WAIT_FOR_OTHERS_MS}"))
                connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": ADVISORY_LOCK})
                connection.execute(text(f"SET LOCAL lock_timeout = {WAIT_FOR_TABLES_MS}"))
        yield connection
