"""The role that a server serves as: it may do its work, and change nothing of the audit trail (security.md AU-3).

The tables belong to another role, which runs the migrations, `authz audit purge` and the legal holds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import text

from authz.errors import InvalidValue, NotFound
from authz.storage.migrations import one_at_a_time

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

APPEND_ONLY = ("audit_event", "audit_seal", "audit_anchor", "audit_cut")
READ_ONLY = ("alembic_version", "audit_hold", "schema_floor")
EVERYTHING = "SELECT, INSERT, UPDATE, DELETE"


def grant(engine: Engine, role: str) -> None:
    """Give a role that exists what a server needs, in this schema, and for tables that migrations will make.

    Raises InvalidValue for one that could not be kept from anything, and where there are no roles; NotFound.
    """
    if engine.dialect.name != "postgresql":
        raise InvalidValue("only PostgreSQL has roles; in SQLite the triggers of the tables keep the trail")
    quoted = engine.dialect.identifier_preparer.quote_identifier(role)
    with one_at_a_time(engine) as connection:
        check(connection, role)
        schema = engine.dialect.identifier_preparer.quote_identifier(current_schema(connection))
        for words in (
            f"GRANT USAGE ON SCHEMA {schema} TO {quoted}",
            f"GRANT {EVERYTHING} ON ALL TABLES IN SCHEMA {schema} TO {quoted}",
            f"ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT {EVERYTHING} ON TABLES TO {quoted}",
            f"REVOKE ALL ON {', '.join((*APPEND_ONLY, *READ_ONLY))} FROM {quoted}",
            f"GRANT SELECT, INSERT ON {', '.join(APPEND_ONLY)} TO {quoted}",
            f"GRANT SELECT ON {', '.join(READ_ONLY)} TO {quoted}",
        ):
            connection.execute(text(words))


def check(connection: Connection, role: str) -> None:
    asked = text(
        "SELECT rolsuper, pg_has_role(rolname, relowner, 'MEMBER') AS is_owner FROM pg_roles, pg_class"
        " WHERE rolname = :role AND pg_class.oid = 'audit_event'::regclass"
    )
    found = connection.execute(asked, {"role": role}).one_or_none()
    if found is None:
        raise NotFound(f"{role}: there is no such role; make it with CREATE ROLE … LOGIN")
    if found.rolsuper or found.is_owner:
        raise InvalidValue(f"{role} owns the tables, or is a superuser: it could take any right back")


def current_schema(connection: Connection) -> str:
    return str(connection.execute(text("SELECT current_schema()")).scalar_one())
