"""What only the FHIR server knows, asked through a protocol, so that the decision itself does no input or output."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from authz.enforcement.url import Undecidable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from authz.enforcement.compartment import Resource
    from authz.scopes.constraints import Query

MOST_RESOURCES = 20


@dataclass(frozen=True, slots=True)
class Question:
    """Is this resource now about one of these patients (None: anybody), and does it match the constraints."""

    type: str
    id: str
    patients: frozenset[str] | None
    query: Query = frozenset()


class Records(Protocol):
    """All raise Unavailable if the FHIR server can't be asked; none of them knows of tokens."""

    def knows(self, type_: str, parameter: str) -> bool:
        """Whether the server says that it can search by it: what it does not know it ignores, which limits nothing."""
        ...

    def holds(self, question: Question) -> bool: ...

    def exists(self, type_: str, id_: str) -> bool: ...

    def version(self, type_: str, id_: str, version: str) -> Resource | None: ...


class ManyRecords(Records, Protocol):
    def foresee(self, questions: Sequence[Question]) -> None:
        """These are about to be asked: what can be asked in one go may be."""
        ...


@dataclass(slots=True)
class Gathering:
    """Asks for nothing but what can be searched by: the answer is yes, and what was asked is kept."""

    records: Records
    questions: list[Question] = field(default_factory=list)

    def knows(self, type_: str, parameter: str) -> bool:
        return self.records.knows(type_, parameter)

    def holds(self, question: Question) -> bool:
        self.questions.append(question)
        return True

    def exists(self, *_: str) -> bool:
        return True

    def version(self, *_: str) -> None:
        return None


@dataclass(slots=True)
class Sparing:
    """Asks about no more than ``left`` resources for one request. Raises Undecidable beyond that."""

    records: ManyRecords
    left: int = MOST_RESOURCES

    def foresee(self, questions: Sequence[Question]) -> None:
        self.records.foresee(questions[: self.left])

    def knows(self, type_: str, parameter: str) -> bool:
        return self.records.knows(type_, parameter)

    def holds(self, question: Question) -> bool:
        self.spend()
        return self.records.holds(question)

    def exists(self, type_: str, id_: str) -> bool:
        self.spend()
        return self.records.exists(type_, id_)

    def version(self, type_: str, id_: str, version: str) -> Resource | None:
        self.spend()
        return self.records.version(type_, id_, version)

    def spend(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise Undecidable("the FHIR server would have to be asked too often about this request")
