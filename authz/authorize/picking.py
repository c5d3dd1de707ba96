"""What a page offers to choose from, kept here: nothing that was not on it can be posted (security.md LC-14)."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Self

from authz.fhir_servers.search import PatientQuery
from authz.users.relationships import in_words
from authz.wording import mark

if TYPE_CHECKING:
    from collections.abc import Mapping

SELF = "self"
PARENTS = frozenset({"parent", "mother", "father", "stepparent", "adoptive parent", "foster parent"})
GROUPS = ME, MY_CHILDREN, OTHERS = mark("Me"), mark("My children"), mark("People I look after")


@dataclass(frozen=True, slots=True)
class Choice:
    """A patient or a visit, in the words by which people tell them apart."""

    id: str  # logical id
    name: str
    details: tuple[str, ...] = ()
    remark: str = ""  # speaks against choosing it
    relationship: str = ""  # of a representative to this patient

    @property
    def is_self(self) -> bool:
        return self.relationship == SELF

    @property
    def group(self) -> str:
        """The heading it stands under, where somebody acts for several people; to be translated."""
        if self.is_self:
            return ME
        return MY_CHILDREN if self.relationship.strip().casefold() in PARENTS else OTHERS

    @property
    def as_what(self) -> str:
        return in_words(self.relationship)

    @classmethod
    def from_dict(cls, members: Mapping[str, Any]) -> Self:
        return cls(**{**members, "details": tuple(members["details"])})


@dataclass(frozen=True, slots=True)
class Picking:
    """Where the search stands, and what its page has offered."""

    query: PatientQuery | None = None
    url: str | None = None  # of the results that are shown; None: the first ones
    next_url: str | None = None
    offered: tuple[Choice, ...] = ()

    def chosen(self, key: str) -> Choice | None:
        return next((choice for choice in self.offered if choice.id == key), None)

    def further(self) -> Picking:
        """The results after these."""
        return Picking(self.query, self.next_url or self.url)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, members: Mapping[str, Any]) -> Self:
        query = members["query"]
        return cls(
            query=PatientQuery(**query) if query is not None else None,
            url=members["url"],
            next_url=members["next_url"],
            offered=tuple(map(Choice.from_dict, members["offered"])),
        )
