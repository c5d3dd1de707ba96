"""Which versions of the program a database serves: older ones too, as long as nothing that they need was taken away.

Migrations expand: they add. One that takes something away or asks for more says so (``contracts``), and is the floor
from then on: a program that does not know it must not touch the database (docs/how-to/upgrade.md).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import String, select, update
from sqlalchemy.orm import Mapped, mapped_column

from authz.storage.database import Base

if TYPE_CHECKING:
    from alembic.script import ScriptDirectory
    from sqlalchemy import Connection


class SchemaFloorRow(Base):
    """The one row: the newest revision that every program which uses the database has to know."""

    __tablename__ = "schema_floor"

    id: Mapped[int] = mapped_column(primary_key=True)
    revision: Mapped[str] = mapped_column(String(32))


def read(connection: Connection) -> str | None:
    return connection.scalar(select(SchemaFloorRow.revision))


def write(connection: Connection, scripts: ScriptDirectory) -> None:
    """After an upgrade to the newest revision."""
    floor = next(script.revision for script in scripts.walk_revisions() if hasattr(script.module, "contracts"))
    connection.execute(update(SchemaFloorRow).values(revision=floor))
