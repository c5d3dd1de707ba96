"""FHIR's RESTful addresses as a table: method and path below the base, what is done there, what the query may say."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from authz.enforcement.compartment import ID

if TYPE_CHECKING:
    from collections.abc import Collection


class Kind(Enum):
    """What is done (SMART SCP-03)."""

    OPEN = "what everybody may have: discovery"
    READ = "read"
    VREAD = "read of a version"
    HISTORY = "history of a resource"
    SEARCH = "search"
    TYPE_HISTORY = "history of a type or of all"
    CREATE = "create"
    UPDATE = "update"
    PATCH = "patch"
    DELETE = "delete"
    EVERYTHING = "operation $everything"
    EXPORT = "operation $export"


LETTERS = {
    Kind.OPEN: frozenset[str](),
    Kind.READ: frozenset("r"),
    Kind.VREAD: frozenset("r"),
    Kind.HISTORY: frozenset("r"),
    Kind.SEARCH: frozenset("s"),
    Kind.TYPE_HISTORY: frozenset("s"),
    Kind.CREATE: frozenset("c"),
    Kind.UPDATE: frozenset("u"),
    Kind.PATCH: frozenset("ru"),  # the answer may be the whole resource, and a "test" tells what is in it
    Kind.DELETE: frozenset("d"),
    Kind.EVERYTHING: frozenset("rs"),  # AMB-10
    Kind.EXPORT: frozenset("rs"),
}

SHAPES = frozenset({"_format", "_pretty", "_summary", "_elements"})  # how an answer looks, not what is in it
OF_HISTORY = SHAPES | {"_count", "_since", "_at", "_sort"}
ANYTHING = None  # the parameters are judged with the access


@dataclass(frozen=True, slots=True)
class Route:
    """``path`` has literal segments, ``<type>``, ``<id>``, ``<version>`` and ``<compartment>``."""

    method: str
    path: tuple[str, ...]
    kind: Kind
    query: frozenset[str] | None = ANYTHING
    conditional: bool = False  # the query says which resource; without one it is another request


def _route(method: str, path: str, kind: Kind, query: frozenset[str] | None = ANYTHING, **more: bool) -> Route:
    return Route(method, tuple(path.split()), kind, query, **more)


ROUTES = (
    _route("GET", "metadata", Kind.OPEN),
    _route("GET", ".well-known smart-configuration", Kind.OPEN),
    _route("GET", ".well-known smart-configuration.json", Kind.OPEN),
    _route("GET", "", Kind.SEARCH),
    _route("GET", "_history", Kind.TYPE_HISTORY, OF_HISTORY),
    _route("GET", "$export", Kind.EXPORT),
    _route("GET", "Patient $export", Kind.EXPORT),
    _route("GET", "Group <id> $export", Kind.EXPORT),
    _route("GET", "<type>", Kind.SEARCH),
    _route("GET", "<type> _history", Kind.TYPE_HISTORY, OF_HISTORY),
    _route("GET", "<type> <id>", Kind.READ, SHAPES),
    _route("GET", "<type> <id> _history", Kind.HISTORY, OF_HISTORY),
    _route("GET", "<type> <id> _history <version>", Kind.VREAD, SHAPES),
    _route("GET", "Patient <id> $everything", Kind.EVERYTHING),
    _route("GET", "Encounter <id> $everything", Kind.EVERYTHING),
    _route("GET", "Patient <compartment> <type>", Kind.SEARCH),
    _route("POST", "<type> _search", Kind.SEARCH),
    _route("POST", "<type>", Kind.CREATE, SHAPES),
    _route("PUT", "<type> <id>", Kind.UPDATE, SHAPES),
    _route("PATCH", "<type> <id>", Kind.PATCH, SHAPES),
    _route("DELETE", "<type> <id>", Kind.DELETE, SHAPES),
    _route("PUT", "<type>", Kind.UPDATE, conditional=True),
    _route("PATCH", "<type>", Kind.PATCH, conditional=True),
    _route("DELETE", "<type>", Kind.DELETE, conditional=True),
)


def find(method: str, path: tuple[str, ...], types: Collection[str]) -> tuple[Route, dict[str, str]] | None:
    """The route and what stands at its ``<…>``; a literal segment goes before a variable one, as in the table."""
    for route in ROUTES:
        if route.method == method and len(route.path) == len(path):
            named = {name: part for name, part in zip(route.path, path, strict=True) if name.startswith("<")}
            literal = all(name == part or name in named for name, part in zip(route.path, path, strict=True))
            if literal and all(fits(name, part, types) for name, part in named.items()):
                if route.path and route.path[0] in types:
                    named.setdefault("<type>", route.path[0])
                return route, named
    return None


def fits(name: str, part: str, types: Collection[str]) -> bool:
    return part in types if name == "<type>" else ID.fullmatch(part) is not None
