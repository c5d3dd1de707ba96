"""For whom a person acts by the word of a FHIR server: RelatedPerson, and Person that links some (SMART CTX-13).

What is not said as FHIR has it does not count: nobody gets at a record by something that could not be understood.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol

from authz.fhir_servers.bundle import SearchFailed, Why
from authz.fhir_servers.records import dicts, shown
from authz.users.fhir_user import GOOD_ENOUGH
from authz.users.relationships import BY_CODE, UNSAID
from authz.users.user import MAX_RELATIONSHIP, Representation, Source

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from authz.audit.event import Peer
    from authz.fhir_servers.server import FhirServer

MOST = 20  # people somebody acts for
FHIR_TIME = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d:\d\d:\d\d)(?:\.\d{1,9})?(Z|[+-]\d\d:\d\d))?)?)?", re.ASCII
)  # FHIR R4 "dateTime"


class ById(Protocol):
    """The resources of these ids that there are. Raises SearchFailed if that can't be told."""

    def __call__(self, resource_type: str, ids: Iterable[str]) -> Mapping[str, dict[str, Any]]: ...


class Meeting(Protocol):
    """Asks a FHIR server for whom a person acts, and writes that down; nothing is raised if there is no answer."""

    def meet(self, server: FhirServer, reference: str | None, client_id: str, peer: Peer | None = None) -> None: ...

    def confirm(self, server: FhirServer, reference: str | None, client_id: str, peer: Peer | None = None) -> None: ...


def read_links(server: FhirServer, reference: str, by_id: ById, now: datetime) -> tuple[Representation, ...]:
    """For whom ``RelatedPerson/r`` or ``Person/p`` acts now. Raises SearchFailed."""
    kind, _, key = reference.partition("/")
    people = related_persons(server, by_id("Person", [key]).get(key)) if kind == "Person" else [key]
    if len(people) > MOST:
        raise SearchFailed(Why.UNUSABLE, f"a Person links more than {MOST} others")
    found = by_id("RelatedPerson", people) if people else {}
    acts = [one for person in people if (one := representation(server, found.get(person), now)) is not None]
    longest = {one.patient: one for one in sorted(acts, key=lasting)}
    patients = by_id("Patient", longest) if longest else {}
    return tuple(one for patient, one in sorted(longest.items()) if is_current(patients.get(patient)))


def lasting(one: Representation) -> tuple[bool, float]:
    return one.expires_at is None, one.expires_at.timestamp() if one.expires_at else 0.0


def related_persons(server: FhirServer, person: dict[str, Any] | None) -> list[str]:
    """Ids of the RelatedPersons that a Person in use links, those that are a guess left out."""
    if person is None or not is_active(person):
        return []
    links = [link for link in dicts(person.get("link")) if is_sure(link.get("assurance"))]
    references = [target(server, link.get("target")) for link in links]
    found = [text.removeprefix("RelatedPerson/") for text in references if text.startswith("RelatedPerson/")]
    return list(dict.fromkeys(found))


def representation(server: FhirServer, person: dict[str, Any] | None, now: datetime) -> Representation | None:
    """What a RelatedPerson is to its patient, if it is in use and its time has come and is not over."""
    if person is None or not is_active(person):
        return None
    kind, _, patient = target(server, person.get("patient")).partition("/")
    period = person.get("period", {})
    if kind != "Patient" or not isinstance(period, dict):
        return None
    try:
        start, end = (bounds(period[name]) if name in period else None for name in ("start", "end"))
    except ValueError:
        return None
    until = end[1] if end else None
    if (start and start[0] > now) or (until and until <= now):
        return None
    return Representation(patient, as_what(person), until, Source.FHIR)


def is_current(patient: dict[str, Any] | None) -> bool:
    """Whether this record is still the patient's: there, in use, and not merged into another (FHIR Patient.link)."""
    if patient is None or not is_active(patient):
        return False
    links = patient.get("link", [])
    return isinstance(links, list) and all(isinstance(one, dict) and one.get("type") != "replaced-by" for one in links)


def is_active(resource: dict[str, Any]) -> bool:
    """FHIR: a record counts as active if it does not say."""
    return resource.get("active", True) is True


def is_sure(assurance: Any) -> bool:
    return assurance is None or (isinstance(assurance, str) and assurance in GOOD_ENOUGH)


def target(server: FhirServer, reference: Any) -> str:
    text = reference.get("reference") if isinstance(reference, dict) else None
    return (server.relative(text) if isinstance(text, str) else None) or ""


def as_what(person: dict[str, Any]) -> str:
    """Words for the first relationship that has some, or a code that has some."""
    for concept in dicts(person.get("relationship")):
        codings = list(dicts(concept.get("coding")))
        texts = [concept.get("text"), *(coding.get("display") for coding in codings), *map(word_for, codings)]
        for text in texts:
            if words := shown(text)[:MAX_RELATIONSHIP].strip():
                return words
    return UNSAID


def word_for(coding: dict[str, Any]) -> str:
    system, code = coding.get("system"), coding.get("code")
    return BY_CODE.get((system, code), "") if isinstance(system, str) and isinstance(code, str) else ""


def bounds(text: Any) -> tuple[datetime, datetime]:
    """When a FHIR dateTime begins, and when it is over: a day as a whole is within it. Raises ValueError."""
    match = FHIR_TIME.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise ValueError("not a FHIR dateTime")
    year, month, day, clock, zone = match.groups()
    try:
        begins = datetime.fromisoformat(f"{year}-{month or '01'}-{day or '01'}T{clock or '00:00:00'}{zone or 'Z'}")
        begins = begins.astimezone(UTC)
        if clock:
            return begins, begins + timedelta(seconds=1)
        if day:
            return begins, begins + timedelta(days=1)
        if month:
            return begins, (begins + timedelta(days=31)).replace(day=1)
        return begins, begins.replace(year=begins.year + 1)
    except OverflowError as cause:
        raise ValueError("beyond the calendar") from cause
