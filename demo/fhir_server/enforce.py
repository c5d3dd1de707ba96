"""May this token do that? The decision is the product's own (``authz.enforcement``); here the records are at hand.

A proxy in front of a FHIR server can only pass a request on or refuse it. This server knows every resource it is about
to touch, so it also narrows a search to what the token may see.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from authz.enforcement.compartment import MEMBERSHIPS, owners, patient_of_reference
from authz.enforcement.token import LEVELS, Token, may
from demo.fhir_server.parameters import matches

if TYPE_CHECKING:
    from demo.fhir_server.parameters import Resource


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
    membership = MEMBERSHIPS.get(type_)
    for owner in owners(resource, membership) if membership else ():
        reference = owner.get("reference") if isinstance(owner, dict) else None
        return (patient_of_reference(reference, ()) or "") if isinstance(reference, str) else ""
    return ""


def decide(token: Token, access: Access) -> Decision:
    """Allow or refuse; a search is narrowed to what the token may see, anything else is all or nothing."""
    if _reads_the_user(token, access):
        return Decision(visible=access.touched)
    levels = [level for level in LEVELS if token.held(level, access.type, access.letter)]
    if not levels:
        return Decision(why=f"no granted scope lets this app do this ({access.letter}) with {access.type}")
    visible = tuple(resource for resource in access.touched if may(token, access.letter, resource, matches))
    if access.letter == "s":
        reaches = [token.reach(level) for level in levels]
        if not all(any(r.everyone or patient in r.patients for r in reaches) for patient in access.named_patients):
            return Decision(why="the search asks for a patient whom this token is not about")
    elif visible != access.touched:
        return Decision(why=f"this {access.type} is outside what the token gives access to")
    return Decision(visible=visible)


def _reads_the_user(token: Token, access: Access) -> bool:
    """Scope ``fhirUser`` lets an app read who its user is: that one resource, and nothing else."""
    touched = [f"{r['resourceType']}/{r['id']}" for r in access.touched] if access.letter == "r" else []
    return len(touched) == 1 and token.is_user(touched[0])
