from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from authz.audit.event import EventName
from authz.cli.context import record, services
from authz.cli.db import database
from authz.cli.launch_keys import launch_keys
from authz.cli.noted import noted
from authz.cli.output import json_option, show, show_list
from authz.keyring.rotation import Rotation, all_keys
from authz.keyring.secrets import rotate_file
from authz.settings import Settings

if TYPE_CHECKING:
    from authz.keyring.model import SigningKeyRow
    from authz.services import Services

COLUMNS = ("kid", "state", "alg", "created_at", "activated_at", "retired_at")


@click.group()
def keys() -> None:
    """Signing keys, launch keys, and the secrets of this server."""


keys.add_command(launch_keys)


@keys.command()
@json_option
def generate() -> None:
    """Make the active and the next key, if they are missing."""
    with services() as made, made.db.write() as session:
        rows = rotation(made).generate(session)
        for row in rows:
            record(made, session, EventName.KEY_CHANGED, row.state, detail={"kid": row.kid})
    show_list([as_record(row) for row in rows], COLUMNS)


@keys.command("list")
@json_option
def list_() -> None:
    """Every key, oldest first."""
    with services() as made, made.db.read() as session:
        show_list([as_record(row) for row in all_keys(session)], COLUMNS)


@keys.command()
@click.option("--now", "at_once", is_flag=True, help="Though the next key may not be known everywhere: one was stolen.")
@json_option
def rotate(*, at_once: bool) -> None:
    """Sign with the next key; the old one stays published."""
    with services() as made, made.db.write() as session:
        rows = rotation(made).rotate(session, at_once=at_once)
        for row in rows:
            record(made, session, EventName.KEY_CHANGED, row.state, detail={"kid": row.kid})
    show_list([as_record(row) for row in rows], COLUMNS)


@keys.command(context_settings={"ignore_unknown_options": True})  # a kid may begin with "-"
@click.argument("kid")
@click.option("--now", "at_once", is_flag=True, help="Though tokens it signed may still be in use: it was stolen.")
@json_option
def remove(kid: str, *, at_once: bool) -> None:
    """Publish a key no more and delete its file: what it signed no longer verifies."""
    with services() as made:
        with made.db.write() as session:
            row = rotation(made).remove(session, kid, at_once=at_once)
            record(made, session, EventName.KEY_CHANGED, "removed", detail={"kid": kid})
        rotation(made).delete_file(kid)
    show(as_record(row) | {"state": "removed"})


@keys.command()
@json_option
def secrets() -> None:
    """Make the secrets file, or put a new secret first; restart the server afterwards.

    The one before is still recognised; the second last is dropped, and client secrets made with it end.
    """
    path = Settings.load().keys_dir / "secrets.json"
    if path.exists():  # the first ones are made before there is a database
        with database() as found:
            noted(found, EventName.KEY_CHANGED, "secrets", file=str(path))
    rotate_file(path, datetime.now(UTC))
    show({"file": str(path)})


def rotation(made: Services) -> Rotation:
    return Rotation(made.keyring, made.settings.jwks_max_age_seconds, made.settings.id_token_seconds)


def as_record(row: SigningKeyRow) -> dict[str, Any]:
    times = {name: getattr(row, name) for name in ("created_at", "activated_at", "retired_at")}
    told = {name: value.isoformat(timespec="seconds") if value else None for name, value in times.items()}
    return {"kid": row.kid, "state": row.state, "alg": row.alg, **told}
