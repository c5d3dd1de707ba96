from __future__ import annotations

from pathlib import Path

import click

from authz.cli.context import services
from authz.cli.output import json_option, show
from authz.doctor.bundle import write
from authz.errors import InvalidValue


@click.command("support-bundle")
@click.argument("file", type=click.Path(path_type=Path))
@json_option
def support_bundle(file: Path) -> None:
    """Write a zip file for whoever helps: versions, settings, findings of the doctor, states of stores and keys.

    It holds no secret, no token, no person and no patient; look at it before you send it.
    """
    if file.exists():
        raise InvalidValue(f"{file} is there already")
    with services(of_any_schema=True) as made:
        parts = write(made, file)
    show({"file": str(file), "parts": parts})
