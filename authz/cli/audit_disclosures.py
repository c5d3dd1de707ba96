from __future__ import annotations

import csv
import sys
from typing import Any

import click

from authz.audit.disclosures import COLUMNS, disclosures
from authz.audit.event import EventName
from authz.cli.audit_filters import between, noted, query
from authz.cli.context import services
from authz.cli.output import json_option, plain, show_list

SHOWN = ("at", "fhir_server", "client_id", "sub", "role", "scope", "purpose", "why")


@click.command("disclosures")
@click.option("--patient", required=True, help="By logical id.")
@click.option("--fhir-server", "fhir_server", help="Where several have a patient of this id.")
@between
@click.option("--csv", "as_csv", is_flag=True, help="Comma-separated values, to hand over.")
@json_option
def disclosures_(*, as_csv: bool, **asked: Any) -> None:
    """Account for disclosures: which app got access to a patient's records, when, through whom, and why."""
    wanted = query(asked)
    with services() as made:
        noted(made, EventName.AUDIT_READ, "disclosures", wanted)
        with made.db.read() as session:
            found = list(disclosures(session, wanted))
    if not as_csv:
        show_list(found, SHOWN)
        return
    rows = csv.writer(sys.stdout, lineterminator="\r\n")  # RFC 4180
    rows.writerow(COLUMNS)
    rows.writerows([cell(entry[name]) for name in COLUMNS] for entry in found)


def cell(value: Any) -> str:
    """One line, and nothing that a spreadsheet takes for a formula."""
    text = plain(value)
    return f"'{text}" if text[:1] in ("=", "+", "-", "@") else text
