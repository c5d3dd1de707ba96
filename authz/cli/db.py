from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click
from flask import Flask

from authz.audit.event import Event, EventName
from authz.audit.trail import local_trail
from authz.cli.context import operator
from authz.cli.output import json_option, show
from authz.settings import Settings
from authz.storage import migrations, service_role
from authz.storage.database import Database

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Engine
    from sqlalchemy.orm import Session


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

        before = migrations.current(found.engine)
        show({"revision": migrations.upgrade(found.engine, note), "before": before})


@db.command()
@json_option
def current() -> None:
    """Say at which revision the database is, and which one this version needs."""
    with engine() as found:
        show({"revision": migrations.current(found), "newest": migrations.newest()})


@db.command()
@json_option
@click.pass_context
def check(ctx: click.Context) -> None:
    """Exit with 1 unless the database is at the newest revision and agrees with the models."""
    with engine() as found:
        problem = migrations.problem(found)
    show({"ok": problem is None, "problem": problem})
    ctx.exit(0 if problem is None else 1)


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
