from __future__ import annotations

from typing import TYPE_CHECKING

import click

from authz.cli.context import services
from authz.cli.output import json_option, plain, show, wants_json
from authz.doctor.examine import examine
from authz.doctor.finding import Finding, Severity
from authz.settings import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence


@click.command()
@json_option
@click.pass_context
def doctor(ctx: click.Context) -> None:
    """Look at the running installation from inside and outside, and say what to mend.

    Run it on a machine of the server, with its settings. Changes nothing. Exits with 1 if there is an error; what each
    finding means stands in docs/reference/doctor.md.
    """
    try:
        with services(of_any_schema=True) as made:
            found = examine(made)
    except ConfigurationError as error:
        found = [Finding("settings.invalid", "settings", problem) for problem in error.problems]
    if wants_json():
        show({"findings": [finding.as_dict() for finding in found]})
    else:
        tell(found)
    ctx.exit(1 if any(finding.severity is Severity.ERROR for finding in found) else 0)


def tell(found: Sequence[Finding]) -> None:
    for finding in found:
        click.echo(plain(f"{finding.severity.upper():<7}  {finding.id}  {finding.about}: {finding.problem}"))
        click.echo(plain(f"         {finding.fix}"))
    click.echo(f"{len(found)} findings" if found else "Nothing to mend.")
