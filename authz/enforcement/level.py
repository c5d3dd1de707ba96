"""One access as seen from the scopes of one level: within whose records, and within which constraints, it stays."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from authz.enforcement.acting import acting_problem
from authz.enforcement.compartment import MEMBERSHIPS
from authz.enforcement.content import names_other_resources, touched
from authz.enforcement.matching import matches, matches_wholly
from authz.enforcement.parameters import ANY, Parameter
from authz.enforcement.records import Question
from authz.enforcement.routes import LETTERS, Kind
from authz.enforcement.search import Search
from authz.enforcement.token import EVERYONE, Reach, Token, may
from authz.scopes import ScopeSet

if TYPE_CHECKING:
    from authz.enforcement.fhir_request import Access
    from authz.enforcement.records import Records
    from authz.enforcement.token import Matches
    from authz.scopes import ResourceScope

OF_EXPORT = frozenset({"_since", "_until", "_outputFormat", "_format"})
OF_EVERYTHING = frozenset({"_since", "_count", "start", "end", "_format"})


@dataclass(frozen=True, slots=True)
class Level:
    """The level has scopes for the type and the letters of the access; ``problem`` says why they do not suffice."""

    token: Token
    level: str
    access: Access
    records: Records
    bases: tuple[str, ...]

    @property
    def reach(self) -> Reach:
        return self.token.reach(self.level)

    @property
    def search(self) -> Search:
        return Search(self.access, self.token, self.level, self.records, self.bases)

    @property
    def letters(self) -> list[str]:
        return sorted(LETTERS[self.access.kind])

    def problem(self) -> str:
        """Why it is not allowed; empty if it is. Raises Undecidable."""
        kind = self.access.kind
        if not self.reach.everyone and not self.reach.patients:
            return "there is nobody in context whose records this token could be about"
        if problem := acting_problem(self.search):
            return problem
        if kind is Kind.SEARCH:
            return self.search.problem()
        if kind in (Kind.EVERYTHING, Kind.EXPORT):
            return self.wholesale()
        if self.access.conditional and (problem := self.search.problem()):
            return problem
        whole = self.reach == EVERYONE and self.search.is_whole(self.access.type or ANY, LETTERS[kind])
        return "" if whole else self.in_part()

    def in_part(self) -> str:
        """Scopes for some patients or with constraints: what is touched is looked at."""
        access = self.access
        if self.reach != EVERYONE and access.type not in (None, "Patient", *MEMBERSHIPS):
            return f"{access.type} is not part of a patient's record"
        if access.kind in (Kind.TYPE_HISTORY, Kind.HISTORY, Kind.VREAD):
            return "" if self.is_the_patient() else self.of_versions()
        if access.id is not None and not self.is_held() and not self.creates_by_update():
            return f"this {access.type} is outside what the token gives access to"
        if access.kind is Kind.PATCH:
            return self.patched()
        return self.written() if access.kind in (Kind.CREATE, Kind.UPDATE) else ""

    def wholesale(self) -> str:
        """``$everything`` and ``$export``: what comes is for the FHIR server to say, so only who may read all may."""
        exports = self.access.kind is Kind.EXPORT
        types: set[str] = set()
        for pair in self.access.pairs:
            parameter = Parameter.parse(pair)
            if exports and parameter.text == "_type":
                types.update(parameter.values)
            elif parameter.text not in (OF_EXPORT if exports else OF_EVERYTHING):
                types.add(ANY)
        level = "system" if exports else self.level
        whole = all(self.search.is_whole(type_, "rs") for type_ in types or {ANY})
        if whole and self.level == level and self.reach == EVERYONE:
            return ""
        levels = "system" if exports else "user or system"
        return f"this operation is for who may read and search everything: {levels}/*.rs"

    def held(self, letter: str) -> tuple[ResourceScope, ...]:
        return self.token.held(self.level, self.access.type or ANY, letter)

    def is_the_patient(self) -> bool:
        """Whether it is the Patient resource itself, of which every version is about the same patient."""
        mine = self.access.type == "Patient" and self.access.id in self.reach.patients
        return mine and any(not scope.query for letter in self.letters for scope in self.held(letter))

    def is_held(self) -> bool:
        """Whether the resource, as it is now, is within a scope for each letter; the FHIR server is asked."""
        return all(self.is_held_for(letter) for letter in self.letters)

    def is_held_for(self, letter: str) -> bool:
        type_, id_ = str(self.access.type), str(self.access.id)
        patients = None if self.reach == EVERYONE else self.reach.patients
        if type_ == "Patient" and patients is not None:
            if id_ not in patients:
                return False
            patients = None
        asked = {Question(type_, id_, patients, scope.query) for scope in self.held(letter)}
        if Question(type_, id_, None) in asked:
            return True
        return any(self.records.holds(question) for question in sorted(asked, key=lambda q: len(q.query)))

    def creates_by_update(self) -> bool:
        """SCP-03: ``u`` includes update-as-create; what is created is judged by its content."""
        return self.access.kind is Kind.UPDATE and not self.records.exists(str(self.access.type), str(self.access.id))

    def of_versions(self) -> str:
        access = self.access
        if access.kind is not Kind.VREAD:
            return "versions may be of another patient than the resource is now: read them one by one"
        old = self.records.version(str(access.type), str(access.id), str(access.version))
        if old is not None and old.get("resourceType") == access.type and self.permits(old):
            return ""
        return f"this version of the {access.type} is outside what the token gives access to"

    def written(self) -> str:
        """What is written must itself be within one scope: nobody moves a resource into another's record.

        State of apps must be within it by each of its codings: by any of them the other apps find it (SMART APS-08).
        """
        access, new = self.access, self.access.body.resource
        if new is None:
            return access.body.unread
        id_ = None if access.kind is Kind.CREATE else new.get("id")  # who creates has no say in the id
        if new.get("resourceType") != access.type or id_ != access.id:
            return "the body must be a resource of the type and id in the address"
        if access.type == "Patient" and access.id is None and self.reach != EVERYONE:
            return "a new Patient is another patient than the one in context"
        if names_other_resources(new):
            return "its references must name resources by type and id"
        if self.permits(new, matches_wholly if access.type in self.token.by_name_only else matches):
            return ""
        return f"the {access.type} in the body is outside what the token gives access to"

    def patched(self) -> str:
        """A JSON Patch that stays away from what decides about access."""
        operations = self.access.body.operations
        if operations is None:
            return self.access.body.unread
        membership = MEMBERSHIPS.get(str(self.access.type))
        elements = [path.partition(".")[0] for path in membership.elements] if membership else []
        if {"", "id", "resourceType", *elements} & touched(operations):
            return "a patch must not touch what says whose the resource is"
        if all(scope.query for scope in self.held("u")):
            return "a patch can't be held against the limits of a scope"
        return "its references must name resources by type and id" if names_other_resources(list(operations)) else ""

    def permits(self, resource: dict[str, Any], fits: Matches = matches) -> bool:
        """Whether this level alone allows it for a resource that is at hand."""
        return all(self.permits_for(letter, resource, fits) for letter in self.letters)

    def permits_for(self, letter: str, resource: dict[str, Any], fits: Matches) -> bool:
        alone = replace(self.token, scopes=ScopeSet.of(*self.held(letter)))
        return may(alone, letter, resource, fits, self.bases)
