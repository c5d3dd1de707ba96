from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from authz.audit.event import EventName
from authz.cli.context import record, services
from authz.cli.output import json_option, show, show_list
from authz.errors import NotFound
from authz.keyring.launch_keys import all_launch_keys

if TYPE_CHECKING:
    from authz.keyring.model import LaunchKeyRow

COLUMNS = ("kid", "state", "created_at", "retired_at")


@click.group("launch")
def launch_keys() -> None:
    """Keys that EHRs encrypt launches to, published at /launch/jwks."""


@launch_keys.command("list")
@json_option
def list_() -> None:
    """Every key, oldest first."""
    with services() as made, made.db.read() as session:
        show_list([as_record(row) for row in all_launch_keys(session)], COLUMNS)


@launch_keys.command()
@json_option
def rotate() -> None:
    """Make a new current key, the first one too; a retired key still opens what EHRs encrypt to it."""
    with services() as made, made.db.write() as session:
        rows = made.launch_keys.rotate(session)
        for row in rows:
            record(made, session, EventName.KEY_CHANGED, state(row), detail={"kid": row.kid, "use": "enc"})
        show_list([as_record(row) for row in rows], COLUMNS)


@launch_keys.command(context_settings={"ignore_unknown_options": True})  # a kid may begin with a hyphen
@click.argument("kid")
@click.option("--now", "at_once", is_flag=True, help="Though EHRs may still encrypt to it: it was stolen.")
@json_option
def remove(kid: str, *, at_once: bool) -> None:
    """Open nothing with a key any more, and delete its file."""
    with services() as made:
        with made.db.write() as session:
            row = next((row for row in all_launch_keys(session) if row.kid == kid), None)
            if row is None:
                raise NotFound(f"{kid}: there is no launch key of this kid")
            made.launch_keys.remove(session, row, made.settings.jwks_max_age_seconds, at_once=at_once)
            record(made, session, EventName.KEY_CHANGED, "removed", detail={"kid": kid, "use": "enc"})
        (made.launch_keys.directory / f"{kid}.pem").unlink(missing_ok=True)
    show(as_record(row) | {"state": "removed"})


def state(row: LaunchKeyRow) -> str:
    return "current" if row.retired_at is None else "retired"


def as_record(row: LaunchKeyRow) -> dict[str, Any]:
    retired = row.retired_at.isoformat(timespec="seconds") if row.retired_at else None
    return {
        "kid": row.kid,
        "state": state(row),
        "created_at": row.created_at.isoformat(timespec="seconds"),
        "retired_at": retired,
    }
