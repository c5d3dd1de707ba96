"""Records of two patients in memory, for decisions without a FHIR server."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from authz.enforcement.compartment import MEMBERSHIPS, concerns
from authz.enforcement.fhir_request import Server
from authz.enforcement.matching import matches
from authz.enforcement.token import EVERYONE, NOBODY, Reach, Token
from authz.scopes import ScopeSet, resource_types

if TYPE_CHECKING:
    from collections.abc import Sequence

    from authz.enforcement.records import Question

BASE = "https://fhir.example/r4"
SERVER = Server(("/r4",), resource_types(["R4"]), (BASE,))
EVERYWHERE = frozenset({"_id", "_lastUpdated", "_tag", "identifier", "code", "category", "status", "date", "name"})
CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"


def observation(id_: str, patient: str, category: str = "laboratory") -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": id_,
        "status": "final",
        "category": [{"coding": [{"system": CATEGORY, "code": category}]}],
        "code": {"text": "weight"},
        "subject": {"reference": f"Patient/{patient}"},
    }


MINE, VITALS, THEIRS = observation("o1", "1"), observation("v1", "1", "vital-signs"), observation("o2", "2")
KEPT = [
    *(MINE, VITALS, THEIRS),
    {"resourceType": "Patient", "id": "1", "active": True, "link": [{"other": {"reference": "Patient/2"}}]},
    {"resourceType": "Patient", "id": "2"},
    {"resourceType": "Practitioner", "id": "dr"},
]


@dataclass
class Memory:
    """``Records`` over a list; versions are told apart by ``version`` as written in ``versions``."""

    resources: list[dict[str, Any]] = field(default_factory=lambda: list(KEPT))
    versions: dict[str, dict[str, Any]] = field(default_factory=dict)
    asked: list[object] = field(default_factory=list)
    deaf_to: frozenset[str] = frozenset()

    def knows(self, type_: str, parameter: str) -> bool:
        membership = MEMBERSHIPS.get(type_)
        own = membership.parameters if membership else ()
        return parameter in EVERYWHERE.union(own, {"performer", "birthdate", "link"}) - self.deaf_to

    def holds(self, question: Question) -> bool:
        self.asked.append(question)
        return any(
            (r["resourceType"], r["id"]) == (question.type, question.id)
            and (question.patients is None or concerns(r, question.patients))
            and all(matches(r, *constraint) for constraint in question.query)
            for r in self.resources
        )

    def foresee(self, questions: Sequence[Question]) -> None:
        """All of it is at hand."""

    def exists(self, type_: str, id_: str) -> bool:
        self.asked.append((type_, id_))
        return any((r["resourceType"], r["id"]) == (type_, id_) for r in self.resources)

    def version(self, type_: str, id_: str, version: str) -> dict[str, Any] | None:
        self.asked.append((type_, id_, version))
        return self.versions.get(f"{type_}/{id_}/{version}")


def token(
    scope: str, *, patient: str | None = "1", user: str | None = "Practitioner/dr", reach: Reach = EVERYONE
) -> Token:
    return Token(ScopeSet.parse(scope), patient, user, reach if user else NOBODY)
