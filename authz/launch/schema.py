"""What an EHR may write about a launch: the same members over HTTP and straight into Redis (decision 4)."""

from __future__ import annotations

import re
from typing import Any

from marshmallow import EXCLUDE, INCLUDE, Schema, ValidationError, fields, validates_schema
from marshmallow.validate import Length

from authz.launch.fields import (
    ABSOLUTE_URI,
    FHIR_ID,
    LABEL,
    PRINTABLE,
    RELATIVE_REFERENCE,
    TYPE_NAME,
    LongText,
    StrictBoolean,
    Text,
    Url,
    WholeNumber,
    messages,
)

MAX_ITEMS = 50  # of fhirContext
MAX_APP_CONTEXT = 16_384


def told(text: str, example: object) -> dict[str, object]:
    """What the reference page says of a member."""
    return {"description": text, "example": example}


class FhirContextSchema(Schema):
    """One item of ``fhirContext``; further members may follow (FCX-01)."""

    error_messages = {"type": "must be an object"}  # noqa: RUF012  how marshmallow has it

    reference = Text(RELATIVE_REFERENCE, "must be a relative reference such as ImagingStudy/123")
    canonical = Text(ABSOLUTE_URI, "must be a canonical URL")
    identifier = fields.Dict(
        keys=fields.String(), validate=Length(1), error_messages=messages("must be a FHIR Identifier, an object")
    )
    type = Text(TYPE_NAME, "must be the name of a FHIR resource type")
    role = Text(re.compile(f"launch|(?:{ABSOLUTE_URI.pattern})"), "must be an absolute URI, or left out for launch")

    @validates_schema
    def check(self, item: dict[str, Any], **_: Any) -> None:
        """FCX-01, FCX-06. Raises ValidationError."""
        if not item.keys() & {"reference", "canonical", "identifier"}:
            raise ValidationError("needs a reference, a canonical or an identifier")
        referred = item.get("reference", "").partition("/")[0]
        types = {referred, item.get("type", "")} - {""}
        if referred and len(types) > 1:
            raise ValidationError("type and reference name different resource types")
        if types & {"Patient", "Encounter"} and item.get("role", "launch") == "launch":
            raise ValidationError("the launch's own patient and encounter are the members patient and encounter")


class LaunchSchema(Schema):
    """A launch as ``POST /launch`` takes it. Members outside are extensions, looked at by ``load``."""

    client_id = Text(PRINTABLE, "must be a client_id", required=True, metadata=told("The app to open.", "growth-chart"))
    fhir_server = Text(
        ABSOLUTE_URI,
        "must be a base URL",
        required=True,
        metadata=told(
            "Base URL of the FHIR server; the app gets it as `iss` and must send the same as `aud`.",
            "https://fhir.hospital.example/r4",
        ),
    )
    user = Text(
        PRINTABLE,
        "must be a login name or a fhirUser",
        required=True,
        metadata=told(
            "Who opens the app: a login name here (not of somebody who is known at other FHIR servers only), or the "
            "person's FHIR resource (Patient, Practitioner, PractitionerRole, RelatedPerson or Person), relative or "
            "absolute under the base URL.",
            "Practitioner/prac-1",
        ),
    )
    launch_url = Text(
        ABSOLUTE_URI,
        "must be one of the app's launch URLs",
        metadata=told(
            "Which of the app's registered launch URLs to open; needed if it has several.",
            "https://growth.example/launch.html",
        ),
    )
    patient = Text(
        FHIR_ID, "must be the logical id of a Patient", metadata=told("Logical id of the patient.", "child-1")
    )
    encounter = Text(
        FHIR_ID, "must be the logical id of an Encounter", metadata=told("Logical id of the encounter.", "visit-7")
    )
    fhir_context = fields.List(
        fields.Nested(FhirContextSchema(unknown=INCLUDE), error_messages=messages("must be an object")),
        data_key="fhirContext",
        validate=Length(max=MAX_ITEMS, error=f"at most {MAX_ITEMS} items"),
        error_messages=messages("must be an array of objects"),
        metadata=told(
            f"What else was open (SMART 2.2 fhirContext), at most {MAX_ITEMS} items: each has `reference` (relative), "
            "`canonical` or `identifier`, and may have `type` and `role`.",
            [{"reference": "ImagingStudy/img-3"}],
        ),
    )
    need_patient_banner = StrictBoolean(
        error_messages=messages("must be true or false, a JSON boolean"),
        metadata=told("Whether the app has to show which patient it is about; a JSON boolean.", False),
    )
    intent = Text(
        LABEL,
        "must be 1 to 256 characters without < and >",
        metadata=told("A word that app and EHR have agreed on.", "reconcile-medications"),
    )
    smart_style_url = Url(
        metadata=told(
            "A JSON file of the EHR's colours and fonts; left out: the one published by `authz style publish`, if any.",
            "https://ehr.example/style-3.json",
        )
    )
    tenant = Text(
        LABEL,
        "must be 1 to 256 characters without < and >",
        metadata=told("The organization within the EHR.", "ward-north"),
    )
    app_context = LongText(
        MAX_APP_CONTEXT,
        data_key="appContext",
        metadata=told("Passed through to the app unchanged, as in CDS Hooks and Task launches.", '{"card":"c-12"}'),
    )
    session = Text(
        PRINTABLE,
        "must be 1 to 1024 printable characters",
        metadata=told(
            "Id of the person's session at the EHR; `POST /ehr-session/end` ends it. Long and random: all EHRs of a "
            "FHIR server share these ids, and whoever knows one can end it.",
            "s-81af02",
        ),
    )
    web_messaging_origin = Text(
        PRINTABLE,
        "must be an origin such as https://ehr.example",
        metadata=told(
            "Origin of the EHR's window, one of those registered for the FHIR server. Left out: no messaging scopes.",
            "https://ehr.example",
        ),
    )
    auth_time = WholeNumber(
        metadata=told(
            "When the person signed in at the EHR, in seconds since 1970; else when the launch was made.", 1_790_000_000
        )
    )


class RecordSchema(LaunchSchema):
    """A launch as it lies in the store."""

    exp = WholeNumber(
        required=True,
        metadata=told("When it ends, in seconds since 1970: at most 300 s ahead.", 1_790_000_300),
    )


LAUNCH = LaunchSchema(unknown=EXCLUDE)
RECORD = RecordSchema(unknown=EXCLUDE)
