"""May this token do that? One pure function decides it (SMART 2.2 "Scopes for requesting FHIR resources").

A scope counts only if level, type, letter and every constraint fit the very resource. No match is a refusal.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from demo.fhir_server.parameters import matches

if TYPE_CHECKING:
    from authz.scopes import ResourceScope, ScopeSet
    from demo.fhir_server.parameters import Resource

# the one element that puts a resource of this type into a patient's compartment; types not listed are in none
COMPARTMENT = {
    "Observation": "subject",
    "Condition": "subject",
    "Encounter": "subject",
    "MedicationRequest": "subject",
    "ServiceRequest": "subject",
    "AllergyIntolerance": "patient",
    "Immunization": "patient",
    "RelatedPerson": "patient",
}


@dataclass(frozen=True, slots=True)
class Reach:
    """Whose records a person may see at all, whatever an app was granted."""

    patients: frozenset[str] = frozenset()
    everyone: bool = False

    def holds(self, resource: Resource) -> bool:
        return self.everyone or patient_of(resource) in self.patients


@dataclass(frozen=True, slots=True)
class Grant:
    """What a token carries: scopes, the patient's id, the user (``Practitioner/prac-1``) and how far that user sees."""

    scopes: ScopeSet
    patient: str | None = None
    fhir_user: str | None = None
    reach: Reach = Reach()

    def level_reach(self, level: str) -> Reach:
        """How far a level goes; ``system`` has no user: the client itself was authorized for everything."""
        if level == "patient":
            return Reach(frozenset({self.patient})) if self.patient else Reach()
        if level == "user":
            return self.reach
        return Reach(everyone=level == "system")


@dataclass(frozen=True, slots=True)
class Access:
    """What a request does: a letter of ``cruds`` to a type, and the resources it touches.

    These are the one that is read or deleted, the old and the new state of an update, the new one of a create, and
    every candidate of a search.
    """

    letter: str
    type: str
    touched: tuple[Resource, ...] = ()
    named_patients: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Decision:
    """``why`` is empty if the access is allowed; ``visible`` is what a search may then see."""

    visible: tuple[Resource, ...] = ()
    why: str = ""


def patient_of(resource: Resource) -> str:
    """The id of the patient this resource belongs to, empty if it belongs to none."""
    type_ = resource.get("resourceType", "")
    if type_ == "Patient":
        return str(resource.get("id", ""))
    holder = resource.get(COMPARTMENT.get(type_, ""))
    reference = holder.get("reference") if isinstance(holder, dict) else None
    if not isinstance(reference, str) or not reference.startswith("Patient/"):
        return ""
    return reference.removeprefix("Patient/")


def decide(grant: Grant, access: Access) -> Decision:
    """Allow or refuse; a search is narrowed to what the token may see, anything else is all or nothing."""
    if _reads_the_user(grant, access):
        return Decision(visible=access.touched)
    fitting = tuple(scope for scope in grant.scopes.resources if scope.permits(access.type, access.letter))
    if not fitting:
        return Decision(why=f"no granted scope lets this app do this ({access.letter}) with {access.type}")
    visible = tuple(resource for resource in access.touched if _allowed(grant, fitting, resource))
    if access.letter == "s":
        reaches = [grant.level_reach(scope.level) for scope in fitting]
        if not all(any(r.everyone or patient in r.patients for r in reaches) for patient in access.named_patients):
            return Decision(why="the search asks for a patient whom this token is not about")
    elif visible != access.touched:
        return Decision(why=f"this {access.type} is outside what the token gives access to")
    return Decision(visible=visible)


def _allowed(grant: Grant, fitting: tuple[ResourceScope, ...], resource: Resource) -> bool:
    """One single scope must allow the resource: level and constraints of two scopes are never mixed."""
    return any(
        grant.level_reach(scope.level).holds(resource)
        and all(matches(resource, name, values) for name, values in scope.query)
        for scope in fitting
    )


def _reads_the_user(grant: Grant, access: Access) -> bool:
    """Scope ``fhirUser`` lets an app read who its user is: that one resource, and nothing else."""
    if access.letter != "r" or grant.fhir_user is None or "fhirUser" not in grant.scopes:
        return False
    return [f"{r['resourceType']}/{r['id']}" for r in access.touched] == [grant.fhir_user]
