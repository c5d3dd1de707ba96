"""Which revisions of the schema this program knows, which one a database has, and whether they fit.

A server asks at its start and at each ``/readyz``: the files are read once, as text, and Alembic, which runs them to
change schemas (``authz.storage.migrations``), is not loaded.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import inspect, text

from authz.storage import schema_floor
from authz.storage.database import unavailable_if_gone

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

PACKAGE = Path(__file__).resolve().parent.parent
PLACES = (PACKAGE / "migrations", PACKAGE.parent / "migrations")  # in the wheel; in the source tree
WRITTEN = re.compile(r'^(revision|down_revision) = (?:"(\w+)"|None)$', re.MULTILINE)
STANDS_AT = text("SELECT version_num FROM alembic_version")


def directory() -> Path:
    """Where the migration files are."""
    return next(place for place in PLACES if (place / "env.py").exists())


@cache
def follows() -> dict[str, str | None]:
    """Each revision, and the one before it. The order of their numbers need not be that."""
    files = [file.read_text() for file in directory().glob("versions/*.py")]
    written = [dict(WRITTEN.findall(file)) for file in files]
    return {names["revision"]: names["down_revision"] or None for names in written}


def newest() -> str:
    """The revision that this version of the program brings a database to."""
    (head,) = follows().keys() - follows().values()
    return head


def current(engine: Engine) -> str | None:
    """The database's revision; None before the first upgrade. Raises Unavailable if it does not answer."""
    with unavailable_if_gone(), engine.connect() as connection:
        return found(connection)


def found(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.scalar(STANDS_AT)
    return revision


def misfit(engine: Engine) -> str | None:
    """Why this version of the program may not work with the database; None if it may. Raises Unavailable.

    It may be newer: an upgrade comes before the servers that need it, and older ones serve on meanwhile.
    """
    with unavailable_if_gone(), engine.connect() as connection:
        revision = found(connection)
        if revision == newest():
            return None
        if revision is None or revision in follows():
            return f"the database is at revision {revision}, this version needs {newest()}: authz db upgrade"
        if schema_floor.read(connection) in follows():
            return None
    return f"the database is at revision {revision}, for a newer version: this one ends at {newest()}"
