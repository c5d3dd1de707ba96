from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any

import click

from authz.audit.event import Peer
from authz.authorize.context import told
from authz.cli.context import operator, services, the_fhir_server
from authz.cli.inspect import inspect
from authz.cli.output import json_option, plain, show, wants_json
from authz.errors import NotFound
from authz.launch.check import Checkup
from authz.launch.request import load
from authz.launch.schema import LAUNCH
from authz.strict_json import NotStrictJson, parse

if TYPE_CHECKING:
    from authz.services import Services


@click.group()
def launch() -> None:
    """Launches, as an EHR makes them."""


launch.add_command(inspect)


@launch.command()
@click.option("--client", "client_id", required=True, help="The app to open.")
@click.option("--fhir-server", help="Its name or base URL; not needed if there is only one.")
@click.option("--user", required=True, help="A login name, or a fhirUser such as Practitioner/prac-1.")
@click.option("--patient", help="Logical id of the patient in context.")
@click.option("--encounter", help="Logical id of the encounter in context.")
@click.option("--fhir-context", multiple=True, help="A relative reference of what else is open; may be repeated.")
@click.option("--need-patient-banner/--no-need-patient-banner", default=None, help="Whether the app must show one.")
@click.option("--intent", help="A word that app and EHR have agreed on.")
@click.option("--app-context", "appContext", help="Handed to the app unchanged, as from a Task or a CDS Hooks card.")
@click.option("--launch-url", help="Which of the app's launch URLs; needed if it has several.")
@json_option
def create(fhir_server: str | None, fhir_context: tuple[str, ...], **given: Any) -> None:
    """Make a launch, and show the address that opens the app with it; it works once."""
    with services() as made:
        request = {name: value for name, value in given.items() if value is not None}
        request["fhir_server"] = base_url(made, fhir_server)
        if fhir_context:
            request["fhirContext"] = [{"reference": reference} for reference in fhir_context]
        peer = Peer(user_agent=f"authz launch create, by {operator()}")
        handle, new = made.launches.create(None, request, peer)
        told = {
            "launch": handle,
            "launch_id": new.launch_id,
            "launch_url": new.url_to_open(handle),
            "expires_in": made.settings.launch_seconds,
        }
    show(told)


@launch.command()
@click.argument("file", type=click.File("rb"))
@click.option("--ehr", "ehr_id", help="As this EHR would send it; otherwise as an operator's.")
@json_option
@click.pass_context
def check(ctx: click.Context, file: IO[bytes], ehr_id: str | None) -> None:
    """Say everything that is wrong with a launch in FILE (or -), as JSON for POST /launch; nothing is made.

    Exit code 0: it would be taken, and is shown as the app would get it. 1: it would be refused.
    """
    with services() as made:
        found, app_gets = checked(made, file.read(), ehr_id)
    if wants_json():
        show({"ok": not found, "problems": found, **({} if found else {"app_gets": app_gets})})
    elif found:
        click.echo("This launch would be refused:")
        for problem in found:
            click.echo(f"- {plain(problem)}")
    else:
        click.echo("This launch would be taken. The app would get:")
        show(app_gets)
    ctx.exit(1 if found else 0)


def checked(made: Services, content: bytes, ehr_id: str | None) -> tuple[list[str], dict[str, Any]]:
    """What is wrong; and if nothing is, what the app would get. Raises NotFound."""
    ehr = None if ehr_id is None else made.ehrs.get(ehr_id)
    if ehr_id is not None and ehr is None:
        raise NotFound(f"{ehr_id}: there is no EHR of this client id")
    try:
        members = parse(content)
    except NotStrictJson as error:
        return [f"it can not be read: {error}"], {}
    if not isinstance(members, dict):
        return ["a launch is a JSON object"], {}
    if found := Checkup(made.launches, members, ehr).problems():
        return found, {}
    vetted = made.launches.directory.vet(load(LAUNCH, members), ehr)
    client = made.launches.directory.client(vetted.asked.client_id, vetted.server)
    return [], told(client, vetted.asked.context.as_parameters())


def base_url(made: Services, given: str | None) -> str:
    """Of the FHIR server named. Raises NotFound and InvalidValue."""
    if given is not None and "://" in given:
        return given
    return the_fhir_server(made, given).base_url
