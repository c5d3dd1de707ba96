"""A search request, read once and strictly: what is not understood is refused, never ignored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from demo.fhir_server.errors import FhirError
from demo.fhir_server.parameters import DATE, PARAMETERS, Resource, matches, relative

if TYPE_CHECKING:
    from collections.abc import Iterable

DEFAULT_COUNT, MAX_COUNT = 100, 500
SILENT = {"_format"}  # JSON is the only answer there is


@dataclass(frozen=True, slots=True)
class Search:
    """A type-level search. Repeated parameters must all hold; a comma in a value means "or"."""

    type: str
    criteria: tuple[tuple[str, frozenset[str]], ...]
    sort: str = ""  # an element's name, with a leading "-" for the newest first
    count: int = DEFAULT_COUNT
    offset: int = 0
    as_asked: tuple[tuple[str, str], ...] = ()

    @property
    def named_patients(self) -> frozenset[str]:
        """Every patient this search asks for by name (ids): another patient's name is refused, not just unseen."""
        names = {"patient", "subject"} | ({"_id"} if self.type == "Patient" else set())
        asked = (value for name, values in self.criteria if name in names for value in values)
        return frozenset(value.removeprefix("Patient/") for value in asked)

    def found(self, resources: Iterable[Resource]) -> list[Resource]:
        """The matching resources in order, all pages of them."""
        hits = [r for r in resources if all(matches(r, name, values) for name, values in self.criteria)]
        if not self.sort:
            return hits
        element = self.sort.removeprefix("-")
        hits.sort(key=lambda r: _sort_key(r.get(element)), reverse=self.sort.startswith("-"))
        return hits


def _sort_key(element: Any) -> str:
    if isinstance(element, list):
        element = element[0] if element else ""
    if isinstance(element, dict):
        element = element.get("start") or element.get("family") or ""
    return str(element or "")


def read_search(type_: str, pairs: Iterable[tuple[str, str]], base: str) -> Search:
    """Parse the query; raises FhirError 400 for anything this server does not do."""
    known = PARAMETERS[type_]
    criteria: list[tuple[str, frozenset[str]]] = []
    sort, count, offset = "", DEFAULT_COUNT, 0
    as_asked: list[tuple[str, str]] = []
    for name, value in pairs:
        if name in SILENT:
            continue
        if name == "_count":
            count = min(_number(name, value), MAX_COUNT)
        elif name == "_offset":
            offset = _number(name, value)
            continue
        elif name == "_sort":
            sort = _sort_element(type_, value)
        elif name in known:
            criteria.append((name, _values(known[name].kind, name, value, base)))
        else:
            raise FhirError(400, "not-supported", _why_not(name, type_))
        as_asked.append((name, value))
    return Search(type_, tuple(criteria), sort, count, offset, tuple(as_asked))


def _values(kind: str, name: str, text: str, base: str) -> frozenset[str]:
    values = frozenset(relative(value, base) if kind == "reference" else value for value in text.split(","))
    if not all(values):
        raise FhirError(400, "invalid", f"{name} has an empty value")
    if kind == "date" and not all(DATE.fullmatch(value) for value in values):
        raise FhirError(400, "invalid", f"{name} is not a FHIR date: {text}")
    return values


def _number(name: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 7):
        raise FhirError(400, "invalid", f"{name} must be a number, not {text!r}")
    return int(text)


def _sort_element(type_: str, text: str) -> str:
    parameter = PARAMETERS[type_].get(text.removeprefix("-"))
    if parameter is None or parameter.kind not in ("date", "string"):
        raise FhirError(400, "not-supported", f"{type_} cannot be sorted by {text}")
    return f"-{parameter.element}" if text.startswith("-") else parameter.element


def _why_not(name: str, type_: str) -> str:
    if name in ("_include", "_revinclude") or name.startswith("_has") or "." in name or ":" in name:
        return f"{name}: includes, reverse chaining, chaining and modifiers are refused here"
    return f"{type_} has no search parameter {name} here; there are: {', '.join(sorted(PARAMETERS[type_]))}"
