from __future__ import annotations

import json
from typing import Any

import click

from authz.audit.event import EventName
from authz.audit.fhir import audit_event
from authz.audit.search import search
from authz.cli.audit_filters import filters, noted, query
from authz.cli.context import services


@click.command()
@filters
@click.option("--format", "form", type=click.Choice(["jsonl", "fhir"]), default="jsonl", show_default=True)
def export(form: str, **asked: Any) -> None:
    """Print records for a second system, one JSON object a line: as they are, or as FHIR R4 AuditEvent."""
    wanted = query(asked)
    with services() as made:
        noted(made, EventName.AUDIT_EXPORTED, "command", wanted, format=form)
        with made.db.read() as session:
            for found in search(session, wanted):
                line = audit_event(found, made.settings.issuer) if form == "fhir" else found
                click.echo(json.dumps(line))
