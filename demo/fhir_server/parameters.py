"""The search parameters of each resource type, and how one value is compared (FHIR R4 "Search")."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

Resource = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Parameter:
    """A search parameter: its kind and the one element it looks at."""

    kind: str  # "token", "reference", "date" or "string"
    element: str


def _token(element: str) -> Parameter:
    return Parameter("token", element)


def _date(element: str) -> Parameter:
    return Parameter("date", element)


def _reference(element: str) -> Parameter:
    return Parameter("reference", element)


def _string(element: str) -> Parameter:
    return Parameter("string", element)


SUBJECT = {"patient": _reference("subject"), "subject": _reference("subject")}
PATIENT = {"patient": _reference("patient")}
NAMED = {"name": _string("name"), "identifier": _token("identifier")}

PARAMETERS: dict[str, dict[str, Parameter]] = {
    "Patient": NAMED | {"birthdate": _date("birthDate"), "gender": _token("gender"), "active": _token("active")},
    "Observation": SUBJECT
    | {"category": _token("category"), "code": _token("code"), "date": _date("effectiveDateTime")}
    | {"status": _token("status")},
    "Condition": SUBJECT
    | {"category": _token("category"), "code": _token("code"), "clinical-status": _token("clinicalStatus")}
    | {"onset-date": _date("onsetDateTime"), "recorded-date": _date("recordedDate")},
    "Encounter": SUBJECT | {"status": _token("status"), "class": _token("class"), "date": _date("period")},
    "AllergyIntolerance": PATIENT
    | {"code": _token("code"), "clinical-status": _token("clinicalStatus"), "category": _token("category")}
    | {"date": _date("recordedDate")},
    "MedicationRequest": SUBJECT
    | {"status": _token("status"), "intent": _token("intent"), "code": _token("medicationCodeableConcept")}
    | {"authoredon": _date("authoredOn")},
    "Immunization": PATIENT
    | {"status": _token("status"), "vaccine-code": _token("vaccineCode"), "date": _date("occurrenceDateTime")},
    "ServiceRequest": SUBJECT
    | {"status": _token("status"), "intent": _token("intent"), "category": _token("category")}
    | {"code": _token("code"), "authored": _date("authoredOn")},
    "Practitioner": NAMED | {"active": _token("active")},
    "PractitionerRole": {"practitioner": _reference("practitioner"), "organization": _reference("organization")}
    | {"specialty": _token("specialty")},
    "Organization": {"name": _string("name"), "type": _token("type")},
    "RelatedPerson": PATIENT | {"name": _string("name")},
    "Person": {"name": _string("name")},
}
for _parameters in PARAMETERS.values():
    _parameters["_id"] = _token("id")

DATE = re.compile(
    r"(eq|gt|ge|lt|le)?(\d{4}(?:-\d\d(?:-\d\d)?)?|\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?(?:Z|[+-]\d\d:\d\d))"
)


def relative(reference: str, base: str) -> str:
    """``Patient/pat-1`` for a reference into this server, whole or not; any other reference stays as it is."""
    return reference.removeprefix(f"{base}/")


def period_of(text: Any) -> tuple[datetime, datetime]:
    """The stretch of time that a FHIR date or dateTime names; raises ValueError."""
    if not isinstance(text, str):
        raise ValueError("not a FHIR date")  # noqa: TRY004 - for the caller it is one more text that is no date
    if "T" in text:
        start = datetime.fromisoformat(text)
        return start, start + timedelta(seconds=1)
    year, _, rest = text.partition("-")
    month, _, day = rest.partition("-")
    start = datetime(int(year), int(month or 1), int(day or 1), tzinfo=UTC)
    if day:
        return start, start + timedelta(days=1)
    if month:
        return start, (start + timedelta(days=32)).replace(day=1)
    return start, start.replace(year=start.year + 1)


def matches(resource: Resource, name: str, values: frozenset[str]) -> bool:
    """Whether the resource has one of the values; a parameter that is not known here matches nothing."""
    parameter = PARAMETERS.get(resource.get("resourceType", ""), {}).get(name)
    if parameter is None or not all(values):
        return False
    element = resource.get(parameter.element)
    return element is not None and any(_matches_one(parameter.kind, element, value) for value in values)


def _matches_one(kind: str, element: Any, value: str) -> bool:
    members = element if isinstance(element, list) else [element]
    if kind == "token":
        return any(_token_matches(member, value) for member in members)
    if kind == "reference":
        return any(isinstance(member, dict) and _reference_matches(member, value) for member in members)
    if kind == "date":
        return any(_date_matches(member, value) for member in members)
    return any(_string_matches(member, value) for member in members)


def _token_matches(member: Any, value: str) -> bool:
    """``code``, ``system|code``, ``|code`` (no system) or ``system|`` (any code of it)."""
    if isinstance(member, bool):
        return value == ("true" if member else "false")
    if isinstance(member, str):
        return value == member
    if not isinstance(member, dict):
        return False
    codings = member.get("coding", [member])
    system, bar, code = value.rpartition("|")
    for coding in codings if isinstance(codings, list) else ():
        if not isinstance(coding, dict):
            continue
        has_code = not code or code in (coding.get("code"), coding.get("value"))
        has_system = not bar or coding.get("system", "") == system
        if has_code and has_system and (code or system):
            return True
    return False


def _reference_matches(member: dict[str, Any], value: str) -> bool:
    """A bare id means any type: each of our reference parameters points to one type only."""
    reference = member.get("reference")
    return isinstance(reference, str) and (reference == value or ("/" not in value and reference.endswith(f"/{value}")))


def _string_matches(member: Any, value: str) -> bool:
    """A part of the text that starts a word, in any case."""
    if isinstance(member, dict):
        given = member.get("given")
        texts = [*(given if isinstance(given, list) else []), member.get("family"), member.get("text")]
    else:
        texts = [member]
    words = " ".join(text for text in texts if isinstance(text, str)).casefold()
    return f" {words}".find(f" {value.casefold()}") >= 0


def _date_matches(member: Any, value: str) -> bool:
    match = DATE.fullmatch(value)
    if match is None:
        return False
    try:
        low, high = period_of(match[2])
        start, end = _stretch(member)
        answers = {
            "eq": low <= start and end <= high,
            "gt": end > high,
            "ge": end > low,
            "lt": start < low,
            "le": start < high,
        }
    except (ValueError, TypeError, OverflowError):  # no date at all, or a time without a zone
        return False
    return answers[match[1] or "eq"]


def _stretch(member: Any) -> tuple[datetime, datetime]:
    """A date, a dateTime or a Period; a Period that is still open has no end. Raises ValueError."""
    if isinstance(member, dict):
        return period_of(member.get("start"))[0], period_of(member.get("end", "9998-12-31"))[1]
    return period_of(member)
