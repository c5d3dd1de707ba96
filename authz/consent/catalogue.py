"""Which kinds of data people read about and choose from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache, cached_property
from typing import TYPE_CHECKING

from authz.consent.categories import CATEGORIES
from authz.consent.kinds import TYPES
from authz.consent.words import OWN_LONG, UNKNOWN_LONG, UNKNOWN_SHORT, own, spelled_apart
from authz.scopes import ResourceScope, parse_scope
from authz.wording import said

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from authz.scopes import Scope


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of data, or one permission of the installation's own, in a person's words."""

    id: str
    title: str  # as in the middle of a sentence
    short: str
    long: str
    type: str = ""  # FHIR resource type, or "*"; empty for a permission of the installation's own
    search: str = ""  # what finds it among the resources of its type: "category=…"
    scope: str = ""  # the installation's own

    def in_words(self) -> Kind:
        """In the reader's language; the installation's own words stay as they are."""
        return replace(self, title=said(self.title), short=said(self.short), long=said(self.long))

    def within(self, level: str) -> Scope:
        """Everything that may be done with such data at a level; an UnknownScope if ``type`` or ``search`` is wrong."""
        return understood(f"{level}/{self.type}.cruds" + (f"?{self.search}" if self.search else ""))

    def parameters(self) -> set[str]:
        """The search parameters that find it."""
        data = self.within("patient")
        return {name for name, _ in data.query} if isinstance(data, ResourceScope) else set()


understood = cache(parse_scope)  # the same few scopes, of tables and of a file, at every page


class Catalogue:
    """All kinds of one installation."""

    def __init__(self, kinds: Iterable[Kind]) -> None:
        self.kinds = tuple(kinds)
        found = ((kind, kind.within("patient")) for kind in self.kinds if kind.type)
        self.by_data = {(kind.type, data.query): kind for kind, data in found if isinstance(data, ResourceScope)}
        self.by_scope = {kind.scope: kind for kind in self.kinds if kind.scope}

    def limited_by(self, parameters: Collection[str]) -> Catalogue:
        """Without the kinds that are found by other search parameters: where they aren't enforced, nothing is left."""
        return Catalogue(kind for kind in self.kinds if not kind.search or kind.parameters() <= set(parameters))

    def of_type(self, resource_type: str) -> Kind:
        """A type without words of its own is spelled apart."""
        title = spelled_apart(resource_type)
        unknown = Kind(resource_type, title, UNKNOWN_SHORT, UNKNOWN_LONG, type=resource_type)
        return self.by_data.get((resource_type, frozenset()), unknown)

    def of_data(self, data: ResourceScope) -> Kind | None:
        """The kind that is exactly this, however its search is spelled."""
        return self.by_data.get((data.type, data.query))

    def of_value(self, resource_type: str, name: str, value: str) -> Kind | None:
        """The category that a search for this value means; a code without its system may stand for any of them."""
        exact = self.by_data.get((resource_type, frozenset({(name, frozenset({value}))})))
        same_code = (
            kind
            for kind in self.categories(resource_type)
            if kind.search.startswith(f"{name}=") and kind.search.endswith(f"|{value}")
        )
        return exact or next(same_code, None)

    def categories(self, resource_type: str) -> tuple[Kind, ...]:
        """The finer kinds of a type, in the order of the table."""
        return tuple(kind for kind in self.kinds if kind.type == resource_type and kind.search)

    @cached_property
    def types(self) -> tuple[Kind, ...]:
        """The types that have words, by title."""
        whole = (kind for kind in self.kinds if kind.type not in ("", "*") and not kind.search)
        return tuple(sorted(whole, key=lambda kind: kind.title.lower()))

    def of_scope(self, scope: str, organization: str) -> Kind:
        """A permission of the installation's own; one without words is named as it is spelled."""
        return self.by_scope.get(scope) or Kind(scope, own(organization, scope), "", OWN_LONG, scope=scope)


BUILT_IN = (
    *(Kind(type_, *words, type=type_) for type_, words in TYPES.items()),
    *(Kind(id_, *words, type=type_, search=search) for id_, (type_, search, words) in CATEGORIES.items()),
)
