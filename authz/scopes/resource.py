from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from authz.scopes.constraints import (
    ConstraintError,
    Query,
    both,
    cases,
    implies,
    matches,
    may_match,
    parse_query,
    print_query,
)
from authz.scopes.scope import Scope
from authz.scopes.unknown import UnknownScope

if TYPE_CHECKING:
    from collections.abc import Sequence

LEVELS = ("patient", "user", "system")
LETTERS = "cruds"
V1 = {"read": frozenset("rs"), "write": frozenset("cud"), "*": frozenset("cruds")}
V1_SPELLING = {letters: word for word, letters in V1.items()}

TYPE = re.compile(r"\*|[A-Z][A-Za-z]+")
IN_ORDER = re.compile(r"(?=[cruds])c?r?u?d?s?")
# a comma that should have been a space hides the next scope in a value (SMART digest S78)
SCOPE_IN_VALUE = re.compile(rf"(?:{'|'.join(LEVELS)})/.*")


@dataclass(frozen=True, slots=True)
class ResourceScope(Scope):
    """``patient/Observation.rs?category=laboratory`` (SMART 2.2 "FHIR Resource Scope Syntax"); ``.read`` of SMART 1.0.

    The type need not exist: which types a FHIR server has is a limit of its own.
    """

    level: str  # "patient", "user" or "system"
    type: str  # a FHIR resource type, or "*": all types, also future ones
    interactions: frozenset[str]  # letters of "cruds"
    query: Query = frozenset()  # percent-decoded; all must match, of a constraint's values any one
    text: str = field(default="", compare=False)  # as requested: SMART 1.0 is answered in SMART 1.0

    def __str__(self) -> str:
        return self.text or self.normal_form

    @property
    def normal_form(self) -> str:
        return self._spelled(print_query(self.query))

    @property
    def constraints(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        r"""For who enforces: each parameter with its alternatives; if a parameter comes twice, both must match.

        A value keeps the escapes of FHIR search: ``a\,b`` is one value with a comma in it.
        """
        return tuple(sorted((name, tuple(sorted(values))) for name, values in self.query))

    @property
    def is_v1(self) -> bool:
        """Whether it is spelled as in SMART 1.0: ``patient/Observation.read``."""
        return not self.query and self.text.rpartition(".")[2] in V1

    @property
    def hint(self) -> str:
        """What looks like a mistake in a scope that is valid, or ``""``."""
        if any(SCOPE_IN_VALUE.fullmatch(value) for _, values in self.query for value in values):
            return "a value looks like a scope: scopes are separated by spaces, not by commas"
        return ""

    def permits(self, resource_type: str, letter: str) -> bool:
        """Whether one interaction (a letter of ``cruds``) on a type is allowed, for resources that match the query."""
        return self.type in ("*", resource_type) and letter in self.interactions

    def only(self, letters: frozenset[str]) -> ResourceScope:
        """The same data, for these of its interactions, in normal form."""
        return replace(self, interactions=self.interactions & letters, text="")

    def covered_by(self, held: Sequence[Scope]) -> bool:
        """Levels never imply one another; ``*`` lies only within ``*``; letters and alternatives may add up."""
        over = [h for h in held if isinstance(h, ResourceScope) and h._same_data(self)]  # noqa: SLF001  # same class
        if self.interactions <= _letters([h for h in over if implies(self.query, h.query)]):
            return True
        near = [h for h in over if may_match(self.query, h.query)]
        if len(near) <= 1 or (ways := cases(self.query, [h.query for h in near])) is None:
            return False  # the comparison above is exact for one scope; alternatives add up only over several
        return all(self.interactions <= _letters([h for h in near if matches(way, h.query)]) for way in ways)

    def narrow(self, allowed: Sequence[Scope]) -> tuple[Scope, ...]:
        """Itself if covered, else its intersection with each, pieces that differ only in letters joined."""
        if self.covered_by(allowed):
            return (self,)
        pieces: dict[tuple[str, Query], ResourceScope] = {}
        for other in allowed:
            if isinstance(other, ResourceScope) and (piece := self._meet(other)):
                key = (piece.type, piece.query)
                letters = _letters([piece, pieces.get(key, piece)])
                pieces[key] = replace(piece, interactions=letters)
        return tuple(self._respell(piece) for piece in pieces.values())

    def _same_data(self, other: ResourceScope) -> bool:
        return self.level == other.level and self.type in ("*", other.type)

    def _meet(self, other: ResourceScope) -> ResourceScope | None:
        """Narrower type, common letters, all constraints of both; None if nothing is left."""
        letters = self.interactions & other.interactions
        if not letters or not (self._same_data(other) or other._same_data(self)):
            return None
        type_ = other.type if self.type == "*" else self.type
        return ResourceScope(self.level, type_, letters, both(self.query, other.query))

    def _respell(self, piece: ResourceScope) -> ResourceScope:
        """Write a piece of this scope as this scope is written: SMART 1.0 stays SMART 1.0 where that can say it."""
        word = V1_SPELLING.get(piece.interactions)
        if self.text.rpartition(".")[2] in V1 and word and not piece.query:
            return replace(piece, text=f"{piece.level}/{piece.type}.{word}")
        if piece.query == self.query:
            return replace(piece, text=piece._spelled(str(self).partition("?")[2]))
        return replace(piece, text=piece.normal_form)

    def _spelled(self, query: str) -> str:
        letters = "".join(letter for letter in LETTERS if letter in self.interactions)
        return f"{self.level}/{self.type}.{letters}" + (f"?{query}" if query else "")


def _letters(scopes: Sequence[ResourceScope]) -> frozenset[str]:
    return frozenset[str]().union(*(scope.interactions for scope in scopes))


def parse_resource(text: str) -> Scope | None:
    level, slash, rest = text.partition("/")
    if not slash:
        dotted = text.partition(".")[0] in LEVELS and text.count(".") > 1
        return UnknownScope(text, "write a slash after the level: patient/Observation.rs") if dotted else None
    if level.lower() not in LEVELS and level != "*":
        return None
    type_, _, suffix = rest.partition(".")
    word, question, query = suffix.partition("?")
    if complaint := _complaint(level, type_, word, constrained=bool(question)):
        return UnknownScope(text, complaint)
    try:
        constraints = parse_query(query) if question else frozenset()
    except ConstraintError as refused:
        return UnknownScope(text, str(refused), refused.code)
    return ResourceScope(level, type_, V1.get(word, frozenset(word)), constraints, text.removesuffix("&"))


def _complaint(level: str, type_: str, word: str, *, constrained: bool) -> str:
    """What breaks the grammar of ``level/type.word``, or ``""``: the first line that holds."""
    well_formed = word in V1 or bool(IN_ORDER.fullmatch(word))
    lower = word.lower()
    problems = (
        (level not in LEVELS, "the level is one of patient, user and system, in lower case"),
        (
            not TYPE.fullmatch(type_),
            "after the level stands a FHIR resource type as FHIR writes it, such as Observation, or *",
        ),
        (word in V1 and constrained, f"{word} takes no search parameters, letters do: {type_}.rs?name=value"),
        (not word, "say what may be done: letters of cruds (create, read, update, delete, search), such as .rs"),
        ("," in word, "scopes are separated by spaces, not by commas"),
        (not well_formed and set(word) <= set(LETTERS), "letters must be in the order cruds, each at most once"),
        (not well_formed and (lower in V1 or IN_ORDER.fullmatch(lower)), "what may be done is written in lower case"),
        (
            not well_formed,
            "only letters of cruds (create, read, update, delete, search) are defined, or read, write, *",
        ),
    )
    return next((sentence for wrong, sentence in problems if wrong), "")
