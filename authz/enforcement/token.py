"""What a token may do, as the decision needs it: scopes, the patient in context, the user and how far they see."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from authz.enforcement.compartment import concerns

if TYPE_CHECKING:
    from authz.enforcement.compartment import Resource
    from authz.scopes import ResourceScope, ScopeSet
    from authz.users.who_is_who import Telling

LEVELS = ("patient", "user", "system")
Matches = Callable[["Resource", str, frozenset[str]], bool]  # has the resource one of the values of a parameter?


@dataclass(frozen=True, slots=True)
class Reach:
    """Whose records: everyone's and what is no patient's, or those of some patients only."""

    patients: frozenset[str] = frozenset()
    everyone: bool = False

    def holds(self, resource: Resource, bases: tuple[str, ...] = ()) -> bool:
        return self.everyone or concerns(resource, self.patients, bases)


NOBODY = Reach()
EVERYONE = Reach(everyone=True)


@dataclass(frozen=True, slots=True)
class Token:
    """A live token of this FHIR server."""

    scopes: ScopeSet
    patient: str | None = None  # logical id
    fhir_user: str | None = None  # relative reference
    user_reach: Reach = NOBODY  # whose records the user may see at all, whatever an app was granted (SCP-01)
    by_name_only: frozenset[str] = frozenset()  # types that * does not open: state of apps (APS-08)
    telling: Telling = field(default_factory=dict, hash=False)  # what says here who is who: for staff to write

    def reach(self, level: str) -> Reach:
        """How far a level goes (SCP-02); ``system`` has no user: the client itself was authorized for everything."""
        if level == "patient":
            return Reach(frozenset({self.patient})) if self.patient else NOBODY
        if level == "user":
            return self.user_reach
        return EVERYONE if level == "system" else NOBODY

    def held(self, level: str, type_: str, letter: str) -> tuple[ResourceScope, ...]:
        """The scopes of a level that permit an interaction on a type; ``*`` as type: on all of them."""
        return tuple(s for s in self.opening(type_) if s.level == level and s.permits(type_, letter))

    def opening(self, type_: str) -> tuple[ResourceScope, ...]:
        """The scopes that count for a type: all, but one for ``*`` opens no type that must be named."""
        by_name = type_ in self.by_name_only or (type_ == "*" and bool(self.by_name_only))
        return tuple(s for s in self.scopes.resources if not (by_name and s.type == "*"))

    def is_user(self, reference: str) -> bool:
        """Whether scope ``fhirUser`` lets an app read this resource: who its user is (OID-14)."""
        return self.fhir_user == reference and "fhirUser" in self.scopes


def may(token: Token, letter: str, resource: Resource, matches: Matches, bases: tuple[str, ...] = ()) -> bool:
    """Whether the token allows an interaction with this very resource, which is at hand.

    One single scope must allow it: level and constraints of two scopes are never mixed.
    """
    type_ = resource.get("resourceType")
    if not isinstance(type_, str):
        return False
    return any(
        token.reach(level).holds(resource, bases) and all(matches(resource, *constraint) for constraint in scope.query)
        for level in LEVELS
        for scope in token.held(level, type_, letter)
    )
