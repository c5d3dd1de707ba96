from __future__ import annotations

from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from authz.audit.event import EventName
from authz.cli.context import record, services, the_fhir_server
from authz.cli.options import options
from authz.cli.output import json_option, show
from authz.cli.people import as_record, check_known, fhir_server_option, the_user
from authz.cli.representation_file import import_file
from authz.errors import InvalidValue, NotFound
from authz.fhir_servers.bundle import FHIR_ID
from authz.storage.turns import of_user
from authz.users.registry import Representation
from authz.users.user import relationship as checked_relationship

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.orm import Session

    from authz.tokens.whose import Ended

file_options = options(
    click.option(
        "--file",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="A .csv or .json file: user, patient, relationship, and if wanted provider, fhir_server, until.",
    ),
    click.option("--replace", is_flag=True, help="The users in the file act for those in the file and nobody else."),
    click.option("--dry-run", is_flag=True, help="Say what the file would change, and change nothing."),
)


@click.command()
@click.argument("name", required=False)
@click.option("--patient", help="The patient's logical id.")
@click.option("--relationship", help="What the person is to the patient, such as parent.")
@click.option("--until", type=click.DateTime(), help="The end, in UTC; default: none.")
@fhir_server_option
@file_options
@json_option
def represent(name: str | None, patient: str | None, *, file: Path | None, **given: Any) -> None:
    """Let a person act for a patient; or many, as a file says."""
    if file is not None:
        if name or patient or any(given[one] for one in ("relationship", "until", "fhir_server")):
            raise InvalidValue("a file says everything itself; give it alone")
        with services() as made:
            show(import_file(made, file, replace=given["replace"], dry_run=given["dry_run"]))
        return
    if given["replace"] or given["dry_run"]:
        raise InvalidValue("--replace and --dry-run go with --file")
    if not name or not patient or not given["relationship"]:
        raise InvalidValue("say a NAME, --patient and --relationship, or a --file")
    until: datetime | None = given["until"]
    represented = Representation(
        patient_id(patient),
        checked_relationship(given["relationship"]),
        None if until is None else until.replace(tzinfo=UTC),
    )
    add_one(name, given["fhir_server"], represented)


def patient_id(text: str) -> str:
    patient = text.removeprefix("Patient/")
    if not FHIR_ID.fullmatch(patient):
        raise InvalidValue(f"{patient}: a patient's id is 1 to 64 letters, digits, hyphens and dots")
    return patient


def add_one(name: str, fhir_server: str | None, represented: Representation) -> None:
    with services() as made:
        server = the_fhir_server(made, fhir_server)
        sub = the_user(made, name).sub
        about = {"sub": sub, "fhir_server": server.name, "patient": represented.patient}

        def change(session: Session) -> list[Ended]:
            made.users.row(session, sub)
            check_known(made, session, sub, server.name)
            made.users.represent(session, sub, server.name, represented)
            record(made, session, EventName.USER_CHANGED, "represents", **about)
            is_over = represented.expires_at is not None and represented.expires_at <= made.now()
            return [(sub, server.name, represented.patient)] if is_over else []

        made.revocation.revoke_patients([of_user(sub)], "represents_no_more", within=change)
        show(as_record(made, sub))


@click.command("stop-representing")
@click.argument("name")
@click.option("--patient", required=True, help="The patient's logical id.")
@fhir_server_option
@json_option
def stop_representing(name: str, patient: str, fhir_server: str | None) -> None:
    """End that a person may act for a patient; what they granted for that patient is revoked."""
    patient = patient.removeprefix("Patient/")
    with services() as made:
        server = the_fhir_server(made, fhir_server)
        sub = the_user(made, name).sub

        def change(session: Session) -> list[Ended]:
            if not made.users.stop_representing(session, sub, server.name, patient):
                raise NotFound(f"{name} does not act for Patient/{patient}")
            about = {"sub": sub, "fhir_server": server.name, "patient": patient}
            record(made, session, EventName.USER_CHANGED, "represents_no_more", **about)
            return [(sub, server.name, patient)]

        made.revocation.revoke_patients([of_user(sub)], "represents_no_more", within=change)
        show(as_record(made, sub))
