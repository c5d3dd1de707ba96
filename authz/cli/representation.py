from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from authz.audit.event import EventName
from authz.cli.context import record, services, the_fhir_server
from authz.cli.output import json_option, show
from authz.cli.people import as_record, fhir_server_option, the_user
from authz.errors import InvalidValue, NotFound
from authz.users.registry import Representation

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

FHIR_ID = re.compile(r"[A-Za-z0-9.-]{1,64}")

patient_option = click.option("--patient", required=True, help="The patient's logical id.")


@click.command()
@click.argument("name")
@patient_option
@click.option("--relationship", required=True, help="What the person is to the patient, such as parent.")
@click.option("--until", type=click.DateTime(), help="The end, in UTC; default: none.")
@fhir_server_option
@json_option
def represent(name: str, patient: str, relationship: str, until: datetime | None, fhir_server: str | None) -> None:
    """Let a person act for a patient."""
    patient = patient.removeprefix("Patient/")
    if not FHIR_ID.fullmatch(patient):
        raise InvalidValue(f"{patient}: a patient's id is 1 to 64 letters, digits, hyphens and dots")
    end = None if until is None else until.replace(tzinfo=UTC)
    with services() as made:
        server = the_fhir_server(made, fhir_server)
        sub = the_user(made, name).sub
        with made.db.write() as session:
            made.users.represent(session, sub, server.name, Representation(patient, relationship, end))
            record(
                made, session, EventName.USER_CHANGED, "represents", sub=sub, fhir_server=server.name, patient=patient
            )
        show(as_record(made, sub))


@click.command("stop-representing")
@click.argument("name")
@patient_option
@fhir_server_option
@json_option
def stop_representing(name: str, patient: str, fhir_server: str | None) -> None:
    """End that a person may act for a patient; what they granted for that patient is revoked."""
    patient = patient.removeprefix("Patient/")
    with services() as made:
        server = the_fhir_server(made, fhir_server)
        sub = the_user(made, name).sub

        def change(session: Session) -> None:
            if not made.users.stop_representing(session, sub, server.name, patient):
                raise NotFound(f"{name} does not act for Patient/{patient}")
            about = {"sub": sub, "fhir_server": server.name, "patient": patient}
            record(made, session, EventName.USER_CHANGED, "represents_no_more", **about)

        made.revocation.revoke_patient(sub, server.name, patient, "represents_no_more", within=change)
        show(as_record(made, sub))
