"""Patients and visits as people tell them apart: name, birth date, sex and record number; when, what and where."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_SHOWN = 120
HIDDEN = frozenset({"Cc", "Cf", "Co", "Cs", "Cn", "Zl", "Zp"})
JOINERS = frozenset("\u200c\u200d")  # part of how names are written
DATE = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d:\d\d).*)?)?)?")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
SEXES = frozenset({"female", "male", "other", "unknown"})
FORMER = frozenset({"old", "maiden", "temp", "anonymous", "nickname"})
CLASSES = {
    "AMB": "Outpatient visit",
    "EMER": "Emergency visit",
    "FLD": "Field visit",
    "HH": "Home visit",
    "IMP": "Hospital stay",
    "ACUTE": "Hospital stay",
    "NONAC": "Hospital stay",
    "OBSENC": "Observation stay",
    "PRENC": "Before admission",
    "SS": "Short stay",
    "VR": "Virtual visit",
}
EARLIEST = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class PatientRecord:
    """What the picker shows of a patient; empty means that the record does not say."""

    id: str
    name: str
    birth_date: str = ""
    sex: str = ""
    mrn: str = ""
    remark: str = ""  # something that speaks against choosing this record


@dataclass(frozen=True, slots=True)
class EncounterRecord:
    id: str
    title: str
    when: str = ""
    place: str = ""
    status: str = ""
    start: datetime = EARLIEST


def patient_record(resource: dict[str, Any], mrn_system: str) -> PatientRecord:
    """A Patient resource; whatever is not as FHIR has it counts as not recorded."""
    return PatientRecord(
        id=resource["id"],
        name=name_of(resource),
        birth_date=in_words(resource.get("birthDate")),
        sex=sex if isinstance(sex := resource.get("gender"), str) and sex in SEXES else "",
        mrn=mrn_of(resource, mrn_system),
        remark=remark_on(resource),
    )


def name_of(resource: dict[str, Any]) -> str:
    names = sorted(dicts(resource.get("name")), key=lambda name: (is_former(name), name.get("use") != "official"))
    for name in names:
        given = [part for part in items(name.get("given")) if isinstance(part, str)]
        parts = [*given, name.get("family") or ""]
        text = shown(name.get("text")) or shown(" ".join(part for part in parts if isinstance(part, str)))
        if text:
            return text
    return ""


def is_former(thing: dict[str, Any]) -> bool:
    return thing.get("use") in FORMER


def mrn_of(resource: dict[str, Any], system: str) -> str:
    """The record number of the hospital; any other identifier (of an insurance, of the state) is nobody's business."""
    found = [one for one in dicts(resource.get("identifier")) if not is_former(one)]
    own = [one for one in found if system and one.get("system") == system]
    marked = [one for one in found if not system and "MR" in codes_of(one.get("type"))]
    return next((text for one in own or marked if (text := shown(one.get("value")))), "")


def remark_on(resource: dict[str, Any]) -> str:
    if any(link.get("type") == "replaced-by" for link in dicts(resource.get("link"))):
        return "replaced by another record"
    if resource.get("active") is False:
        return "record not in use"
    return "deceased" if resource.get("deceasedBoolean") is True or resource.get("deceasedDateTime") else ""


def encounter_record(resource: dict[str, Any]) -> EncounterRecord | None:
    """An Encounter resource of FHIR R4 or R5; None for one that was entered in error."""
    status = resource.get("status")
    if status == "entered-in-error":
        return None
    period = resource.get("period") or resource.get("actualPeriod")
    start, end = (period.get("start"), period.get("end")) if isinstance(period, dict) else (None, None)
    return EncounterRecord(
        id=resource["id"],
        title=title_of(resource),
        when=stretch(in_words(start), in_words(end), is_over=status != "in-progress"),
        place=place_of(resource),
        status=shown(status).replace("-", " "),
        start=moment(start),
    )


def title_of(resource: dict[str, Any]) -> str:
    """What kind of visit: its type, and the class if it says more."""
    kind = next((text for one in dicts(resource.get("type")) if (text := text_of(one))), "")
    classes = [(codes_of(one), text_of(one)) for one in dicts(resource.get("class"))]
    class_ = next((CLASSES.get(code, "") for codes, _ in classes for code in codes if code in CLASSES), "")
    class_ = class_ or next((text for _, text in classes if text), "")
    return ": ".join(part for part in (class_, kind) if part) or "Visit"


def place_of(resource: dict[str, Any]) -> str:
    locations = [one.get("location") for one in dicts(resource.get("location"))]
    references = [one for one in [*locations, resource.get("serviceProvider")] if isinstance(one, dict)]
    return next((text for one in references if (text := shown(one.get("display")))), "")


def stretch(start: str, end: str, *, is_over: bool) -> str:
    if not start:
        return f"until {end}" if end else ""
    if not end:
        return start if is_over else f"since {start}"
    day = start.partition(",")[0]
    return f"{start} to {end.removeprefix(f'{day}, ')}" if end != start else start


def in_words(value: Any) -> str:
    """A FHIR date or dateTime that nobody misreads: "5 Mar 2019", "5 Mar 2019, 09:30", "Mar 2019"; else nothing."""
    match = DATE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        return ""
    year, month, day, clock = match.groups()
    if month and not 1 <= int(month) <= len(MONTHS):
        return ""
    words = " ".join([*([str(int(day))] if day else []), *([MONTHS[int(month) - 1]] if month else []), year])
    return f"{words}, {clock}" if clock else words


def moment(value: Any) -> datetime:
    """For sorting only."""
    match = DATE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        return EARLIEST
    try:
        read = datetime.fromisoformat(value if match[3] else f"{match[1]}-{match[2] or '01'}-01")
    except ValueError:
        return EARLIEST
    return read if read.tzinfo else read.replace(tzinfo=UTC)


def text_of(concept: dict[str, Any]) -> str:
    """The words of a CodeableConcept or a Coding."""
    displays = [coding.get("display") for coding in dicts(concept.get("coding"))]
    return next((text for one in (concept.get("text"), concept.get("display"), *displays) if (text := shown(one))), "")


def codes_of(concept: Any) -> list[str]:
    if not isinstance(concept, dict):
        return []
    codings = [concept, *dicts(concept.get("coding"))]
    return [code for coding in codings if isinstance(code := coding.get("code"), str)]


def shown(value: Any) -> str:
    """A text that is safe to read: one line, without characters that hide or turn others, of bounded length."""
    if not isinstance(value, str):
        return ""
    kept = (c if c in JOINERS or unicodedata.category(c) not in HIDDEN else " " for c in value[: 4 * MAX_SHOWN])
    text = " ".join(unicodedata.normalize("NFC", "".join(kept)).split())
    return text if len(text) <= MAX_SHOWN else f"{text[: MAX_SHOWN - 1]}…"


def items(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def dicts(value: Any) -> Iterator[dict[str, Any]]:
    """The objects of an array, or the one object that stands where FHIR R5 has an array."""
    return (one for one in ([value] if isinstance(value, dict) else items(value)) if isinstance(one, dict))
