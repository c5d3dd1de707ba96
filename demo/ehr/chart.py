"""What the EHR's pages show, put together from the hospital's records."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from demo.hospital.build import Resource

Records = "Mapping[tuple[str, str], Resource]"
SPARK_WIDTH, SPARK_HEIGHT = 96, 26


@dataclass(frozen=True, slots=True)
class PatientCard:
    """What identifies a patient on every page, and why they are here."""

    id: str
    name: str
    initials: str
    born: date
    age: str
    sex: str
    mrn: str
    visit: str = ""
    is_here: bool = False


@dataclass(frozen=True, slots=True)
class Result:
    """One kind of measurement with its history; ``points`` is the line of a small picture."""

    name: str
    value: str
    day: str
    flag: str
    is_laboratory: bool
    points: str


@dataclass(frozen=True, slots=True)
class Visit:
    id: str
    day: str
    kind: str
    reason: str
    who: str
    is_open: bool


@dataclass(frozen=True, slots=True)
class Chart:
    """One patient's record."""

    patient: PatientCard
    problems: tuple[tuple[str, str], ...]
    allergies: tuple[tuple[str, bool], ...]  # words, and whether it is dangerous
    medicines: tuple[tuple[str, str], ...]
    vaccinations: tuple[tuple[str, str], ...]
    referrals: tuple[tuple[str, str, str], ...]  # id, what, why
    results: tuple[Result, ...]
    visits: tuple[Visit, ...]

    @property
    def encounter(self) -> str | None:
        """The visit an app is opened for: the open one."""
        return next((visit.id for visit in self.visits if visit.is_open), None)


def age_in_words(born: date, today: date) -> str:
    months = (today.year - born.year) * 12 + today.month - born.month - (today.day < born.day)
    if months < 24:
        return f"{months} months"
    return f"{months // 12} years"


def patient_cards(records: Mapping[tuple[str, str], Resource], today: date) -> list[PatientCard]:
    """All patients, those with an open visit first, then by name."""
    cards = [_card(r, records.values(), today) for (type_, _), r in records.items() if type_ == "Patient"]
    return sorted(cards, key=lambda card: (not card.is_here, card.name.split()[-1], card.name))


def searched(cards: Iterable[PatientCard], text: str) -> list[PatientCard]:
    """By the start of a name, or by any part of the record number."""
    wanted = text.casefold().split()
    return [
        card
        for card in cards
        if all(f" {card.name}".casefold().find(f" {word}") >= 0 or word in card.mrn.casefold() for word in wanted)
    ]


def chart_of(records: Mapping[tuple[str, str], Resource], patient: str, today: date) -> Chart | None:
    """The record of one patient, newest first; None if there is no such patient."""
    found = records.get(("Patient", patient))
    if found is None:
        return None
    own = [r for r in records.values() if _belongs_to(r, patient)]
    return Chart(
        patient=_card(found, own, today),
        problems=tuple((_words(r.get("code")), _day(r.get("onsetDateTime"))) for r in _of(own, "Condition")),
        allergies=tuple(
            (_words(r.get("code")), r.get("criticality") == "high") for r in _of(own, "AllergyIntolerance")
        ),
        medicines=tuple(
            (_words(r.get("medicationCodeableConcept")), _first(r.get("dosageInstruction")).get("text", ""))
            for r in _of(own, "MedicationRequest")
        ),
        vaccinations=tuple(
            (_words(r.get("vaccineCode")), _day(r.get("occurrenceDateTime"))) for r in _of(own, "Immunization")
        ),
        referrals=tuple(
            (r["id"], _words(r.get("code")), _first(r.get("reasonCode")).get("text", ""))
            for r in _of(own, "ServiceRequest")
        ),
        results=tuple(_results(_of(own, "Observation"))),
        visits=tuple(sorted((_visit(r) for r in _of(own, "Encounter")), key=lambda v: v.day, reverse=True)),
    )


def _belongs_to(resource: Resource, patient: str) -> bool:
    holders = (resource.get("subject"), resource.get("patient"))
    return any(isinstance(h, dict) and h.get("reference") == f"Patient/{patient}" for h in holders)


def _of(resources: Iterable[Resource], type_: str) -> list[Resource]:
    return [r for r in resources if r["resourceType"] == type_]


def _card(patient: Resource, resources: Iterable[Resource], today: date) -> PatientCard:
    name = _first(patient.get("name"))
    given, family = " ".join(name.get("given", ())), str(name.get("family", ""))
    born = date.fromisoformat(patient["birthDate"])
    visits = [_visit(r) for r in _of(resources, "Encounter") if _belongs_to(r, patient["id"])]
    here = next((visit for visit in visits if visit.is_open), None)
    return PatientCard(
        id=patient["id"],
        name=f"{given} {family}".strip(),
        initials=f"{given[:1]}{family[:1]}",
        born=born,
        age=age_in_words(born, today),
        sex=str(patient.get("gender", "unknown")),
        mrn=str(_first(patient.get("identifier")).get("value", "")),
        visit=here.reason if here else "",
        is_here=here is not None,
    )


def _visit(resource: Resource) -> Visit:
    who = _first(resource.get("participant")).get("individual", {})
    return Visit(
        id=resource["id"],
        day=_day(resource.get("period", {}).get("start")),
        kind=str(resource.get("class", {}).get("display", "")),
        reason=str(_first(resource.get("reasonCode")).get("text", "")),
        who=str(who.get("display", "")),
        is_open=resource.get("status") == "in-progress",
    )


def _results(observations: Iterable[Resource]) -> Iterable[Result]:
    """Laboratory first; each kind once, with its latest value and the line of all its values."""
    kinds: dict[str, list[Resource]] = {}
    for item in sorted(observations, key=lambda r: str(r.get("effectiveDateTime", ""))):
        if isinstance(item.get("valueQuantity", {}).get("value"), int | float):
            kinds.setdefault(_words(item.get("code")), []).append(item)
    results = []
    for name, items in kinds.items():
        latest = items[-1]
        quantity = latest["valueQuantity"]
        category = _code(_first(latest.get("category")))
        results.append(
            Result(
                name=name,
                value=f"{quantity['value']:g} {quantity.get('unit', '')}".strip(),
                day=_day(latest.get("effectiveDateTime")),
                flag=_code(_first(latest.get("interpretation"))),
                is_laboratory=category == "laboratory",
                points=spark([float(item["valueQuantity"]["value"]) for item in items]),
            )
        )
    return sorted(results, key=lambda result: (not result.is_laboratory, result.name))


def spark(values: list[float]) -> str:
    """Points of a small line, oldest to newest; nothing for a single value."""
    if not any(True for _ in pairwise(values)):
        return ""
    low, high = min(values), max(values)
    step = SPARK_WIDTH / (len(values) - 1)
    return " ".join(
        f"{2 + index * step:.1f},{2 + SPARK_HEIGHT * ((high - value) / (high - low) if high > low else 0.5):.1f}"
        for index, value in enumerate(values)
    )


def _first(value: Any) -> dict[str, Any]:
    first = value[0] if isinstance(value, list) and value else {}
    return first if isinstance(first, dict) else {}


def _code(concept: dict[str, Any]) -> str:
    return str(_first(concept.get("coding")).get("code", ""))


def _words(concept: Any) -> str:
    """A CodeableConcept in words. An app may have written it, so any part of it may be missing."""
    if not isinstance(concept, dict):
        return "not named"
    coding = _first(concept.get("coding"))
    return str(concept.get("text") or coding.get("display") or coding.get("code") or "not named")


def _day(value: Any) -> str:
    return str(value)[:10] if value else ""
