"""May this search be sent as it is? Its own parameters must keep it within the token (SMART SCP-02, PROC-05)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from authz.enforcement.compartment import ID, MEMBERSHIPS, patient_of_reference
from authz.enforcement.parameters import ANY, INCLUDES, LOCAL_MODIFIERS, Parameter, printable
from authz.enforcement.token import EVERYONE
from authz.scopes import ResourceScope

if TYPE_CHECKING:
    from collections.abc import Iterable

    from authz.enforcement.fhir_request import Access
    from authz.enforcement.records import Records
    from authz.enforcement.token import Reach, Token
    from authz.scopes.constraints import Constraint

ANOTHER = "the search asks for a patient whom this token is not about"
PATIENT_REFERENCE = "Patient"


@dataclass(frozen=True, slots=True)
class Search:
    """A search, or the condition of a conditional write, as seen from one level of scopes."""

    access: Access
    token: Token
    level: str
    records: Records
    bases: tuple[str, ...]

    @property
    def reach(self) -> Reach:
        return self.token.reach(self.level)

    def problem(self) -> str:
        """Why it must not be sent; empty if it may. Raises Undecidable."""
        parameters = [Parameter.parse(pair) for pair in self.access.pairs]
        type_, letters = self.access.type, self.access.letters
        if self.reach == EVERYONE and self.is_whole(type_ or ANY, letters):
            return self.looking_elsewhere(parameters)
        if type_ is None:
            return "a search of all types needs a scope for all types"
        return self.narrow(type_, letters, parameters)

    def is_whole(self, type_: str, letters: Iterable[str]) -> bool:
        """Whether scopes without constraints permit all of this on a type."""
        return all(any(not s.query for s in self.token.held(self.level, type_, letter)) for letter in letters)

    def looking_elsewhere(self, parameters: list[Parameter]) -> str:
        for parameter in parameters:
            for type_ in sorted(parameter.looks_into()):
                if not self.is_whole(type_, "rs"):
                    whole = "all types" if type_ == ANY else type_
                    return f"{printable(parameter.text)} looks into {whole}, which no scope lets this app read"
        return ""

    def narrow(self, type_: str, letters: frozenset[str], parameters: list[Parameter]) -> str:
        reach, within = self.reach, self.access.compartment
        if reach != EVERYONE and type_ != "Patient" and type_ not in MEMBERSHIPS:
            return f"{type_} is not part of a patient's record"
        if reach != EVERYONE and within is not None and within not in reach.patients:
            return ANOTHER
        naming = () if reach == EVERYONE else self.naming(type_)
        telling = [parameter for parameter in parameters if not parameter.is_control]
        for parameter in telling:
            if parameter.code in naming and (problem := self.naming_problem(type_, parameter)):
                return problem
        if naming and not (any(p.code in naming for p in telling) or self.is_within_compartment(type_)):
            return f"the search must name the patient: {naming[0]}=<id>"
        others = [parameter for parameter in telling if parameter.code not in naming]
        for parameter in others:
            if problem := self.foreign(type_, parameter, parameters):
                return problem
        return self.uncovered(type_, letters, [(p.code, frozenset(p.values)) for p in others if p.is_plain])

    def naming(self, type_: str) -> tuple[str, ...]:
        return ("_id",) if type_ == "Patient" else MEMBERSHIPS[type_].parameters

    def naming_problem(self, type_: str, parameter: Parameter) -> str:
        """Every value must plainly be one of our patients, and the FHIR server must look at the parameter."""
        if not self.names_ours(type_, parameter):
            return ANOTHER
        return self.unknown(type_, parameter)

    def names_ours(self, type_: str, parameter: Parameter) -> bool:
        if parameter.chain:
            return False
        bare = type_ == "Patient" or parameter.code == "patient" or parameter.modifier == PATIENT_REFERENCE
        if parameter.modifier and (type_ == "Patient" or parameter.modifier != PATIENT_REFERENCE):
            return False
        ids = [value if bare and ID.fullmatch(value) else self.referenced(type_, value) for value in parameter.values]
        return all(id_ in self.reach.patients for id_ in ids)

    def referenced(self, type_: str, value: str) -> str | None:
        return None if type_ == "Patient" else patient_of_reference(value, self.bases)

    def is_within_compartment(self, type_: str) -> bool:
        """Whether ``Patient/1/Type`` says it all: FHIR's compartment has no other way in than the patient's own."""
        membership = MEMBERSHIPS.get(type_)
        return membership is not None and membership.sole and self.access.compartment in self.reach.patients

    def foreign(self, type_: str, parameter: Parameter, parameters: list[Parameter]) -> str:
        """Why a parameter can't be left to the FHIR server: it looks elsewhere, or nobody knows what it does."""
        if parameter.code in INCLUDES:
            return self.inclusion(type_, parameter, parameters)
        if parameter.looks_into() or parameter.chain or parameter.modifier not in LOCAL_MODIFIERS | {PATIENT_REFERENCE}:
            return f"{printable(parameter.text)} looks beyond the patient's record"
        return self.unknown(type_, parameter)

    def unknown(self, type_: str, parameter: Parameter) -> str:
        if self.records.knows(type_, parameter.code):
            return ""
        return f"the FHIR server does not say that it can search {type_} by {printable(parameter.code)}"

    def inclusion(self, type_: str, parameter: Parameter, parameters: list[Parameter]) -> str:
        """Only what can't be anything but our patient, or our patient's: see ``MEMBERSHIPS``."""
        refusal = f"{parameter.code} may bring what is not of this patient"
        source, _, rest = ",".join(parameter.values).partition(":")
        code, _, target = rest.partition(":")
        if parameter.modifier or parameter.chain or target not in ("", "Patient") or self.reach == EVERYONE:
            return refusal
        membership = MEMBERSHIPS.get(source)
        if membership is None or code not in membership.parameters:
            return refusal
        if parameter.code == "_include":
            named = any(p.code in membership.parameters for p in parameters)
            safe = source == type_ and named and not membership.several and self.is_whole("Patient", "rs")
            return "" if safe else refusal
        safe = type_ == "Patient" and self.records.knows(source, code) and self.is_whole(source, "rs")
        return "" if safe else refusal

    def uncovered(self, type_: str, letters: frozenset[str], constraints: list[Constraint]) -> str:
        """Whether the scopes of this level, taken together, allow what the search's own parameters leave."""
        limiting = {
            name for letter in letters for s in self.token.held(self.level, type_, letter) for name, _ in s.query
        }
        wanted = ResourceScope(self.level, type_, letters, frozenset(c for c in constraints if c[0] in limiting))
        if wanted.covered_by(self.token.opening(type_)):
            return ""
        return f"the search must be limited as the scope is, by {', '.join(sorted(limiting)) or 'its scope'}"
