from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click
from flask import Flask

from authz.audit.event import Event, EventName
from authz.audit.trail import local_trail
from authz.cli.context import operator, services
from authz.cli.noted import noted
from authz.cli.output import json_option, show
from authz.errors import InvalidValue
from authz.settings import Settings
from authz.storage import migrations, revisions, service_role, sqlite_truth
from authz.storage.database import Database
from authz.tokens.restored import after_restore

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Engine
    from sqlalchemy.orm import Session

HOLDS = "place the legal holds anew that were placed after the backup, before anybody runs `authz audit purge`"


@contextmanager
def database() -> Iterator[Database]:
    """The one of the settings; nothing else of the server needs to be there yet, such as keys or Redis."""
    app = Flask("authz")
    found = Database()
    found.init_app(app, Settings.load().database_url)
    with app.app_context():
        try:
            yield found
        finally:
            found.engine.dispose()


@contextmanager
def engine() -> Iterator[Engine]:
    with database() as found:
        yield found.engine


@click.group()
def db() -> None:
    """The database's schema."""


@db.command()
@json_option
def upgrade() -> None:
    """Bring the database to the revision this version needs; safe to run twice, or by two at once."""
    with database() as found:
        trail = local_trail(found, lambda: datetime.now(UTC))

        def note(session: Session, before: str | None, after: str) -> None:
            about = {"operator": operator(), "before": before, "after": after}
            trail.record(session, Event(EventName.SCHEMA_MIGRATED, role="operator", detail=about))

        before = revisions.current(found.engine)
        show({"revision": migrations.upgrade(found.engine, note), "before": before})


@db.command()
@json_option
def current() -> None:
    """Say at which revision the database is, and which one this version needs."""
    with engine() as found:
        show({"revision": revisions.current(found), "newest": revisions.newest()})


@db.command()
@json_option
@click.pass_context
def check(ctx: click.Context) -> None:
    """Exit with 1 unless the database is at the newest revision and agrees with the models."""
    with engine() as found:
        problem = migrations.problem(found)
    show({"ok": problem is None, "problem": problem})
    ctx.exit(0 if problem is None else 1)


@db.command()
@click.argument("file", type=click.Path(exists=False, path_type=Path))
@json_option
def backup(file: Path) -> None:
    """Copy a SQLite database into a new file while the server runs; PostgreSQL has pg_dump."""
    with database() as found:
        if found.engine.dialect.name != "sqlite":
            raise InvalidValue("this is PostgreSQL: use pg_dump")
        if file.exists():
            raise InvalidValue(f"{file} is there already")
        noted(found, EventName.AUDIT_EXPORTED, "backup", file=str(file))
        sqlite_truth.copy(found.engine, file)
    show({"file": str(file), "bytes": file.stat().st_size})


@db.command()
@json_option
def restored() -> None:
    """Say that the database was put back to an earlier time: end every grant, remembered consent and session.

    Before any server starts on it. What was revoked after the backup was made would be alive again. People sign in and
    agree anew; what administrators changed since has to be done again, legal holds first (docs/how-to/backup.md).
    """
    with services() as made:
        ended = after_restore(made.revocation, operator())
    click.echo(HOLDS, err=True)
    show({"grants": ended.grants, "consents": ended.consents, "sessions": ended.sessions})


@db.command("grant-service")
@click.argument("role")
@json_option
def grant_service(role: str) -> None:
    """Give a PostgreSQL role what a server needs to serve: all but changing the audit trail and the schema.

    Run it as the owner of the tables, once; tables of later versions are covered.
    """
    with engine() as found:
        service_role.grant(found, role)
    show({"role": role, "append_only": list(service_role.APPEND_ONLY), "read_only": list(service_role.READ_ONLY)})
