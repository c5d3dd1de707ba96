from __future__ import annotations

import click

from authz.cli.context import services
from authz.cli.output import json_option, show


@click.command()
@click.option("--dry-run", "is_rehearsal", is_flag=True, help="Say what would go.")
@click.option("--seconds", default=600.0, show_default=True, help="Stop after that; the next run goes on.")
@json_option
def purge(seconds: float, *, is_rehearsal: bool) -> None:
    """Forget tokens, grants and sessions that were over a day or a month ago: how many rows of each table.

    A running server does so every five minutes. Consents, registrations and the audit trail stay.
    """
    with services() as made:
        show(made.purge.over() if is_rehearsal else made.purge.once(seconds=seconds))
