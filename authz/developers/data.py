"""A handful of kinds of data to choose from, so that nobody ticks hundreds of boxes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from authz.scopes import ScopeSet

if TYPE_CHECKING:
    from collections.abc import Iterable

    from authz.consent.catalogue import Catalogue
    from authz.developers.kinds import KindOfApp
    from authz.fhir_servers.registry import FhirServer

EVERYTHING = "everything"
GROUPS: dict[str, tuple[str, tuple[str, ...]]] = {
    "who": ("Who the patient is", ("Patient",)),
    "illnesses": (
        "Illnesses and allergies",
        ("Condition", "AllergyIntolerance", "Immunization", "FamilyMemberHistory"),
    ),
    "results": ("Results and measurements", ("Observation", "DiagnosticReport", "ImagingStudy")),
    "medicines": ("Medicines", ("MedicationRequest", "MedicationStatement", "MedicationDispense", "Medication")),
    "visits": ("Visits and appointments", ("Encounter", "Appointment", "Practitioner", "Organization", "Location")),
    "treatment": ("Treatment and plans", ("Procedure", "ServiceRequest", "CarePlan", "CareTeam", "Goal")),
    "documents": ("Documents and forms", ("DocumentReference", "Binary", "QuestionnaireResponse", "Questionnaire")),
    "insurance": ("Insurance and bills", ("Coverage", "ExplanationOfBenefit")),
    EVERYTHING: ("Everything in the record", ("*",)),
}
READ_ONLY = frozenset(  # an app that adds to a record does not change who people and places are
    {"Patient", "Medication", "Practitioner", "Organization", "Location", "Binary", "Questionnaire"}
)
LETTERS = {"no": "rs", "add": "crs", "change": "crus"}  # of a scope, by what the app may do


@dataclass(frozen=True, slots=True)
class Group:
    """A box of the form."""

    id: str
    title: str
    short: str  # what is in it, in the words of the consent page


def groups(server: FhirServer, catalogue: Catalogue) -> list[Group]:
    return [
        Group(id_, title, ", ".join(catalogue.of_type(type_).title for type_ in types))
        for id_ in GROUPS
        for title, types in [(GROUPS[id_][0], types_of([id_], server))]
        if types
    ]


def types_of(chosen: Iterable[str], server: FhirServer) -> list[str]:
    """The resource types of these groups at this FHIR server; everything stands for all of them."""
    ids = [id_ for id_ in GROUPS if id_ in set(chosen)]
    if EVERYTHING in ids:
        return ["*"]
    return [type_ for id_ in ids for type_ in GROUPS[id_][1] if type_ in server.resource_types]


def record_scopes(level: str, types: Iterable[str], writes: str) -> list[str]:
    """``patient/Condition.crs patient/Patient.rs``: what is chosen and no more."""
    return [f"{level}/{type_}.{LETTERS['no' if type_ in READ_ONLY else writes]}" for type_ in types]


def writes_offered(kind: KindOfApp, server: FhirServer) -> list[str]:
    """What the users of such an app may pass on at most (decision 16): nobody is asked about what they can't get."""
    if not kind.has_people:
        return list(LETTERS)
    return [name for name, letters in LETTERS.items() if any_may(kind, letters, server)]


def any_may(kind: KindOfApp, letters: str, server: FhirServer) -> bool:
    """Whether some kind of record may be used so by some of its users."""
    ceilings = (server.scope_ceilings.get(type_, ScopeSet()) for type_ in kind.user_types)
    granted = (scope for ceiling in ceilings for scope in ceiling.resources if scope.level in kind.levels)
    return any(set(letters) <= scope.interactions for scope in granted)
