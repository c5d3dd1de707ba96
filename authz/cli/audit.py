from __future__ import annotations

import json
from dataclasses import asdict, replace
from datetime import UTC
from typing import TYPE_CHECKING, Any

import click

from authz.audit.event import EventName
from authz.audit.fhir import audit_event
from authz.audit.search import Query, search
from authz.audit.verify import verify as verify_chain
from authz.cli.context import record, services
from authz.cli.options import options
from authz.cli.output import json_option, show, show_list
from authz.errors import InvalidValue

if TYPE_CHECKING:
    from datetime import datetime

    from authz.services import Services

COLUMNS = ("seq", "at", "event", "outcome", "reason", "client_id", "sub", "patient", "launch_id", "support_code")
BROKEN = ("seq", "at", "reason", "text", "client_id", "sub", "patient", "scope", "grant_id")
TIME = click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S%z"])

filters = options(
    click.option("--user", "sub", help="By sub."),
    click.option("--patient", help="By logical id."),
    click.option("--client", "client_id"),
    click.option("--fhir-server", "fhir_server"),
    click.option("--event", type=click.Choice([name.value for name in EventName])),
    click.option("--break-glass", is_flag=True, help="Protected records that staff opened with a reason."),
    click.option("--outcome", type=click.Choice(["success", "refused"])),
    click.option("--grant", "grant_id"),
    click.option("--token-id", "token_id", help="By jti."),
    click.option("--launch", "launch_id", help="By launch_id."),
    click.option("--support-code", "support_code", help="The code on an error page or in an error_description."),
    click.option("--since", type=TIME, help="From this time on; UTC if it says nothing else."),
    click.option("--until", type=TIME, help="Before this time."),
)


@click.group()
def audit() -> None:
    """The audit trail; whoever reads it is on it."""


@audit.command()
@json_option
def verify() -> None:
    """Walk the chain and its anchors; fails naming the first record that was changed, removed or moved."""
    with services() as made, made.db.read() as session:
        found = verify_chain(session, made.keyring)
    if found.finding is not None:
        raise InvalidValue(f"record {found.finding.seq}: {found.finding.problem}")
    show({"sealed": found.sealed, "unsealed": found.unsealed, "anchors": found.anchors, "intact": True})


@audit.command("search")
@filters
@click.option("--limit", default=1000, show_default=True, type=click.IntRange(1, 100_000))
@json_option
def search_(limit: int, **asked: Any) -> None:
    """Show records, oldest first."""
    with services() as made:
        read(made, asked)
        with made.db.read() as session:
            found = list(search(session, query(asked), limit))
    if asked["break_glass"]:
        found = [one | {"text": one["detail"].get("text")} for one in found]
    show_list(found, BROKEN if asked["break_glass"] else COLUMNS)


@audit.command()
@filters
@click.option("--format", "form", type=click.Choice(["jsonl", "fhir"]), default="jsonl", show_default=True)
def export(form: str, **asked: Any) -> None:
    """Print records for a second system, one JSON object a line: as they are, or as FHIR R4 AuditEvent."""
    with services() as made:
        read(made, asked)
        with made.db.read() as session:
            for found in search(session, query(asked)):
                line = audit_event(found, made.settings.issuer) if form == "fhir" else found
                click.echo(json.dumps(line))


def query(asked: dict[str, Any]) -> Query:
    found = Query(**{name: value for name, value in asked.items() if name != "break_glass"})
    if asked["break_glass"]:
        found = replace(found, event=EventName.GLASS_BROKEN.value)
    return replace(found, since=utc(found.since), until=utc(found.until))


def utc(time: datetime | None) -> datetime | None:
    return time if time is None or time.tzinfo else time.replace(tzinfo=UTC)


def read(made: Services, asked: dict[str, Any]) -> None:
    """Reading is on the trail too (security.md 4.1)."""
    wanted = {name: value for name, value in asdict(query(asked)).items() if value is not None}
    with made.db.write() as session:
        record(made, session, EventName.AUDIT_READ, "read", detail={n: str(value) for n, value in wanted.items()})
