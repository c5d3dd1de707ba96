"""What only the FHIR server knows, asked through a protocol, so that the decision itself does no input or output."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from authz.enforcement.url import Undecidable

if TYPE_CHECKING:
    from authz.enforcement.compartment import Resource
    from authz.scopes.constraints import Query


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


@dataclass(slots=True)
class Sparing:
    """Asks no more than ``left`` times for one request. Raises Undecidable beyond that."""

    records: Records
    left: int = 20

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
