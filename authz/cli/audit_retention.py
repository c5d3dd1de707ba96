from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

from authz.audit.event import EventName
from authz.audit.retention import Held, Retention, active_holds
from authz.cli.audit_filters import TIME, between, utc
from authz.cli.context import operator, record, services
from authz.cli.options import options
from authz.cli.output import json_option, show, show_list
from authz.errors import InvalidValue
from authz.storage.witness import is_trusted

if TYPE_CHECKING:
    from datetime import datetime

    from authz.audit.model import AuditHoldRow
    from authz.services import Services

COLUMNS = ("id", "reason", "patient", "user", "client", "since", "until", "placed_at")

about = options(
    click.option("--patient", help="By logical id."),
    click.option("--user", "sub", help="By sub."),
    click.option("--client", "client_id"),
    between,
)


@click.command()
@click.option("--before", type=TIME, help="Only what is older than this.")
@click.option("--dry-run", "is_rehearsal", is_flag=True, help="Say what would be removed.")
@json_option
def purge(before: datetime | None, *, is_rehearsal: bool) -> None:
    """Remove records whose time is over (audit_retention_days) and that no hold keeps; the chain stays whole.

    On PostgreSQL run it as the owner of the tables: the role that serves may not delete.
    """
    with services() as made:
        days = made.settings.audit_retention_days
        kept_until = made.now() - timedelta(days=days)
        limit = utc(before) or kept_until
        if limit > kept_until:
            raise InvalidValue(f"records are kept for {days} days (audit_retention_days)")
        with made.db.read() as session:
            if not is_trusted(session, made.now()):
                raise InvalidValue("this machine's clock is ahead of the database's: set it first")
        found = retention(made).purge(limit, operator(), is_rehearsal=is_rehearsal)
    show({"removed": found.removed, "held": found.held, "before": limit.isoformat(timespec="seconds")})


@click.command()
@click.option("--reason", required=True, help="Why, for whoever reads it later: a matter, a case number.")
@about
@json_option
def hold(reason: str, **what: Any) -> None:
    """Keep records beyond their time: those of which all that is said here is true."""
    held = Held(**what | {name: utc(what[name]) for name in ("since", "until")})
    with services() as made, made.db.write() as session:
        row = retention(made).hold(session, held, reason)
        record(made, session, EventName.AUDIT_HOLD, "placed", detail={"hold": row.id, "why": reason})
    show(as_record(row))


@click.command()
@json_option
def holds() -> None:
    """The legal holds there are."""
    with services() as made, made.db.read() as session:
        show_list([as_record(row) for row in active_holds(session)], COLUMNS)


@click.command()
@click.argument("hold_id")
@json_option
def lift(hold_id: str) -> None:
    """End a legal hold; what is older than its time goes with the next purge."""
    with services() as made, made.db.write() as session:
        row = retention(made).lift(session, hold_id)
        record(made, session, EventName.AUDIT_HOLD, "lifted", detail={"hold": row.id})
    show(as_record(row))


def retention(made: Services) -> Retention:
    return Retention(made.trail, made.keyring)


def as_record(row: AuditHoldRow) -> dict[str, Any]:
    times = {name: getattr(row, name) for name in ("since", "until", "placed_at")}
    told = {name: value.isoformat(timespec="seconds") if value else None for name, value in times.items()}
    return {
        "id": row.id,
        "reason": row.reason,
        "patient": row.patient,
        "user": row.sub,
        "client": row.client_id,
        **told,
    }
