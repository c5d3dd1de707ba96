from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from authz.audit.event import EventName
from authz.cli.context import operator, record, services
from authz.cli.output import json_option, show, show_list
from authz.clients.legacy import MEANINGS, Legacy, members, switch_off, switch_on

if TYPE_CHECKING:
    from authz.clients.model import ClientRow

COLUMNS = ("client_id", "switch", "since", "by", "reason")
switch_argument = click.argument("switch", type=click.Choice([switch.value for switch in Legacy]))


@click.group()
def legacy() -> None:
    """What is forgiven to apps written for an older SMART; each is a departure from the specification."""


@legacy.command(help="Forgive an app what it can't do right: " + "; ".join(f"{s}: {m}" for s, m in MEANINGS.items()))
@click.argument("client_id")
@switch_argument
@click.option("--reason", required=True, help="Why, and until when; kept with the date and your name.")
@json_option
def allow(client_id: str, switch: str, reason: str) -> None:
    with services() as made, made.db.write() as session:
        row = made.clients.row(session, client_id)
        switch_on(row, Legacy(switch), made.now(), operator(), reason)
        detail = {"switch": switch, "why": reason.strip()}
        record(made, session, EventName.CLIENT_CHANGED, "legacy_allowed", client_id=client_id, detail=detail)
        show({"client_id": client_id, "legacy": members(row)})


@legacy.command()
@click.argument("client_id")
@switch_argument
@json_option
def remove(client_id: str, switch: str) -> None:
    """Forgive it no longer; what was granted by it stays."""
    with services() as made, made.db.write() as session:
        row = made.clients.row(session, client_id)
        switch_off(row, Legacy(switch))
        detail = {"switch": switch}
        record(made, session, EventName.CLIENT_CHANGED, "legacy_removed", client_id=client_id, detail=detail)
        show({"client_id": client_id, "legacy": members(row)})


@legacy.command("list")
@click.argument("client_id", required=False)
@json_option
def list_(client_id: str | None) -> None:
    """Show who is forgiven what, since when, by whom, and why."""
    with services() as made, made.db.read() as session:
        ids = [client_id] if client_id else [client.client_id for client in made.clients.all()]
        show_list([one for found in ids for one in records(made.clients.row(session, found))], COLUMNS)


def records(row: ClientRow) -> list[dict[str, Any]]:
    return [{"client_id": row.client_id, "switch": name, **noted} for name, noted in members(row).items()]
