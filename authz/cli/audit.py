from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from authz.audit.copies import anchors_of, copied_links
from authz.audit.event import EventName
from authz.audit.search import search
from authz.audit.verify import verify as verify_chain
from authz.cli.audit_disclosures import disclosures_
from authz.cli.audit_export import export
from authz.cli.audit_filters import filters, noted, query
from authz.cli.audit_retention import hold, holds, lift, purge
from authz.cli.context import services
from authz.cli.output import json_option, show, show_list
from authz.errors import InvalidValue

if TYPE_CHECKING:
    from typing import TextIO

COLUMNS = ("seq", "at", "event", "outcome", "reason", "client_id", "sub", "patient", "launch_id", "support_code", "id")
BROKEN = ("seq", "at", "reason", "text", "client_id", "sub", "patient", "scope", "grant_id", "id")


@click.group()
def audit() -> None:
    """The audit trail; whoever reads it is on it."""


for part in (export, disclosures_, purge, hold, holds, lift):
    audit.add_command(part)


@audit.command()
@click.option("--against", type=click.File(), help="Anchors or records exported before; - is stdin.")
@json_option
def verify(against: TextIO | None) -> None:
    """Walk the chain and its anchors; fails naming the first record that was changed, removed or moved.

    Tells besides which records were sealed more than an hour after they were written, if any were.
    """
    elsewhere = copied_links(against) if against else None
    with services() as made:
        noted(made, EventName.AUDIT_READ, "verified")
        with made.db.read() as session:
            found = verify_chain(session, made.keyring, elsewhere)
    if found.finding is not None:
        raise InvalidValue(f"record {found.finding.seq}: {found.finding.problem}")
    counts = {"sealed": found.sealed, "unsealed": found.unsealed, "anchors": found.anchors, "removed": found.removed}
    late = {f"late_{name}": value for name, value in asdict(found.late).items()} if found.late else {}
    show({**counts, "compared": len(elsewhere or {}), "intact": True, **late})


@audit.command()
def anchors() -> None:
    """Print the anchors, one JSON object a line, to keep elsewhere: `verify --against` compares with them."""
    with services() as made:
        noted(made, EventName.AUDIT_EXPORTED, "anchors")
        with made.db.read() as session:
            for anchor in anchors_of(session):
                click.echo(json.dumps(anchor))


@audit.command("search")
@filters
@click.option("--newest-first", "is_newest_first", is_flag=True)
@click.option("--limit", default=1000, show_default=True, type=click.IntRange(1, 100_000))
@json_option
def search_(limit: int, **asked: Any) -> None:
    """Show records, oldest first; the last one's id is where --after goes on."""
    wanted = query(asked)
    with services() as made:
        noted(made, EventName.AUDIT_READ, "read", wanted)
        with made.db.read() as session:
            found = list(search(session, wanted, limit))
    if asked["break_glass"]:
        found = [one | {"text": one["detail"].get("text")} for one in found]
    show_list(found, BROKEN if asked["break_glass"] else COLUMNS)
