from __future__ import annotations

import json
from typing import IO, TYPE_CHECKING, Any

import click

from authz.audit.event import EventName
from authz.cli.context import record, services
from authz.cli.output import json_option, show
from authz.errors import InvalidValue, NotFound
from authz.strict_json import NotStrictJson, parse

if TYPE_CHECKING:
    from authz.fhir_servers.style import Style


@click.group()
def style() -> None:
    """Style documents: colours, sizes and fonts of the EHR that apps may follow."""


@style.command()
@click.argument("fhir_server")
@click.argument("file", type=click.File("rb"))
@json_option
def publish(fhir_server: str, file: IO[bytes]) -> None:
    """Give launches at a FHIR server the style in FILE (or -), where the EHR says none itself.

    Its URL names its content, so apps keep it for ever; issued tokens go on naming the document of their launch.
    """
    try:
        members = parse(file.read())
    except NotStrictJson as error:
        raise InvalidValue(f"the style can not be read: {error}") from error
    with services() as made, made.db.write() as session:
        published = made.styles.publish(session, fhir_server, members)
        detail = {"version": published.version}
        record(made, session, EventName.FHIR_SERVER_CHANGED, "style_published", fhir_server=fhir_server, detail=detail)
    show(as_record(published))


@style.command("show")
@click.argument("fhir_server")
@json_option
def show_(fhir_server: str) -> None:
    """Show the style that launches at a FHIR server get."""
    with services() as made:
        current = made.styles.current(fhir_server)
    if current is None:
        raise NotFound(f"{fhir_server}: launches there get no style")
    show(as_record(current))


@style.command()
@click.argument("fhir_server")
@json_option
def withdraw(fhir_server: str) -> None:
    """Give launches at a FHIR server no style any more; documents published before stay under their URLs."""
    with services() as made, made.db.write() as session:
        if not made.styles.withdraw(session, fhir_server):
            raise NotFound(f"{fhir_server}: launches there get no style")
        record(made, session, EventName.FHIR_SERVER_CHANGED, "style_withdrawn", fhir_server=fhir_server)
    show({"fhir_server": fhir_server, "withdrawn": True})


def as_record(found: Style) -> dict[str, Any]:
    return {"version": found.version, "smart_style_url": found.url, "style": json.loads(found.content)}
