"""Patients and visits as people tell them apart: name, birth date, sex and record number; when, what and where."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from authz.fhir_servers.times import EARLIEST, in_words, moment, stretch
from authz.wording import gettext, mark, said

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

MAX_SHOWN = 120
HIDDEN = frozenset({"Cc", "Cf", "Co", "Cs", "Cn", "Zl", "Zp"})
JOINERS = frozenset("\u200c\u200d")  # part of how names are written
SEXES = {"female": mark("female"), "male": mark("male"), "other": mark("other"), "unknown": mark("unknown")}
FORMER = frozenset({"old", "maiden", "temp", "anonymous", "nickname"})
CLASSES = {
    "AMB": mark("Outpatient visit"),
    "EMER": mark("Emergency visit"),
    "FLD": mark("Field visit"),
    "HH": mark("Home visit"),
    "IMP": mark("Hospital stay"),
    "ACUTE": mark("Hospital stay"),
    "NONAC": mark("Hospital stay"),
    "OBSENC": mark("Observation stay"),
    "PRENC": mark("Before admission"),
    "SS": mark("Short stay"),
    "VR": mark("Virtual visit"),
}
STATUSES = {  # of FHIR R4 and R5
    "planned": mark("planned"),
    "arrived": mark("arrived"),
    "triaged": mark("triaged"),
    "in-progress": mark("in progress"),
    "onleave": mark("on leave"),
    "on-hold": mark("on hold"),
    "discharged": mark("discharged"),
    "finished": mark("finished"),
    "completed": mark("completed"),
    "cancelled": mark("cancelled"),
    "discontinued": mark("discontinued"),
    "unknown": mark("unknown"),
}


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
        return gettext("replaced by another record")
    if resource.get("active") is False:
        return gettext("record not in use")
    is_deceased = resource.get("deceasedBoolean") is True or resource.get("deceasedDateTime")
    return gettext("deceased") if is_deceased else ""


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
        when=stretch(start, end, is_over=status != "in-progress"),
        place=place_of(resource),
        status=said(STATUSES.get(shown(status), shown(status))),
        start=moment(start),
    )


def title_of(resource: dict[str, Any]) -> str:
    """What kind of visit: its type, and the class if it says more."""
    kind = next((text for one in dicts(resource.get("type")) if (text := text_of(one))), "")
    classes = [(codes_of(one), text_of(one)) for one in dicts(resource.get("class"))]
    class_ = next((CLASSES.get(code, "") for codes, _ in classes for code in codes if code in CLASSES), "")
    class_ = said(class_) or next((text for _, text in classes if text), "")
    if class_ and kind:
        # for translators: such as "Hospital stay: Appendectomy"
        return gettext("%(kind)s: %(reason)s", kind=class_, reason=kind)
    return class_ or kind or gettext("Visit")


def place_of(resource: dict[str, Any]) -> str:
    locations = [one.get("location") for one in dicts(resource.get("location"))]
    references = [one for one in [*locations, resource.get("serviceProvider")] if isinstance(one, dict)]
    return next((text for one in references if (text := shown(one.get("display")))), "")


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
