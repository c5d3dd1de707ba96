"""Small builders for FHIR R4 resources, so that the records read like a list of facts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datetime import date

Resource = dict[str, Any]

LOINC = "http://loinc.org"
SNOMED = "http://snomed.info/sct"
ATC = "http://www.whocc.no/atc"
CVX = "http://hl7.org/fhir/sid/cvx"
UCUM = "http://unitsofmeasure.org"
TERMINOLOGY = "http://terminology.hl7.org/CodeSystem"
MRN = "http://lakeside.example/mrn"


@dataclass(frozen=True, slots=True)
class Code:
    system: str
    code: str
    display: str


@dataclass(frozen=True, slots=True)
class Measure:
    """What a measurement measures: its code, its unit, its category."""

    code: Code
    unit: str
    category: str = "laboratory"
    low: float | None = None
    high: float | None = None


def concept(code: Code) -> dict[str, Any]:
    return {"coding": [{"system": code.system, "code": code.code, "display": code.display}], "text": code.display}


def term(system: str, code: str) -> dict[str, Any]:
    """A CodeableConcept of one of HL7's own code systems."""
    return {"coding": [{"system": f"{TERMINOLOGY}/{system}", "code": code}]}


def to(reference: str, display: str = "") -> dict[str, str]:
    return {"reference": reference, "display": display} if display else {"reference": reference}


def clock(day: date, hour: int = 9) -> str:
    """A FHIR instant on that day, in UTC."""
    return f"{day.isoformat()}T{hour:02d}:00:00Z"


def observation(key: str, patient: str, measure: Measure, value: float, day: date) -> Resource:
    """One measurement; an interpretation is given if the value is outside the reference range."""
    resource: Resource = {
        "resourceType": "Observation",
        "id": key,
        "status": "final",
        "category": [term("observation-category", measure.category)],
        "code": concept(measure.code),
        "subject": to(f"Patient/{patient}"),
        "effectiveDateTime": clock(day),
        "performer": [to("Practitioner/prac-3", "Lena Fischer, RN")],
        "valueQuantity": {"value": value, "unit": measure.unit, "system": UCUM, "code": measure.unit},
    }
    limits = {"low": measure.low, "high": measure.high}
    known = {name: {"value": limit, "unit": measure.unit} for name, limit in limits.items() if limit is not None}
    if known:
        resource["referenceRange"] = [known]
        flag = "L" if value < (measure.low or value) else "H" if value > (measure.high or value) else "N"
        resource["interpretation"] = [term("v3-ObservationInterpretation", flag)]
    return resource
