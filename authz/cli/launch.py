from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from authz.audit.event import Peer
from authz.cli.context import operator, services, the_fhir_server
from authz.cli.inspect import inspect
from authz.cli.output import json_option, show

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


def base_url(made: Services, given: str | None) -> str:
    """Of the FHIR server named. Raises NotFound and InvalidValue."""
    if given is not None and "://" in given:
        return given
    return the_fhir_server(made, given).base_url
