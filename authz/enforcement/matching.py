"""Does a resource match a scope's constraint? Told only where it takes no search engine; else it does not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authz.enforcement.compartment import Resource

# token parameters that look at the element of (nearly) the same name, whatever the type; a type that has the parameter
# elsewhere has no such element, and then does not match
ELEMENTS = {
    "category": "category",
    "class": "class",
    "clinical-status": "clinicalStatus",
    "code": "code",
    "identifier": "identifier",
    "intent": "intent",
    "status": "status",
    "type": "type",
    "vaccine-code": "vaccineCode",
    "verification-status": "verificationStatus",
}


def matches(resource: Resource, name: str, values: frozenset[str]) -> bool:
    """Whether the resource has one of the values (FHIR search: token)."""
    element = resource.get(ELEMENTS.get(name, ""))
    return any(is_token(system, code, value) for system, code in tokens(element) for value in values)


def matches_wholly(resource: Resource, name: str, values: frozenset[str]) -> bool:
    """Whether it has one of the values and nothing else: no coding by which others find it too, none unreadable."""
    element = resource.get(ELEMENTS.get(name, ""))
    found = list(tokens(element))
    return len(found) == codings(element) > 0 and all(any(is_token(*one, value) for value in values) for one in found)


def codings(element: Any) -> int:
    """How many codes there are, readable or not."""
    items = element if isinstance(element, list) else [element]
    inner = [item["coding"] if isinstance(item, dict) and "coding" in item else [item] for item in items]
    return sum(len(coding) if isinstance(coding, list) else 1 for coding in inner)


def tokens(element: Any) -> Iterator[tuple[str, str]]:
    """System and code of everything coded in it: code, Coding, CodeableConcept, Identifier, and lists of these."""
    for item in element if isinstance(element, list) else [element]:
        if isinstance(item, str):
            yield "", item
        elif isinstance(item, dict) and isinstance(item.get("coding"), list):
            yield from (found for coding in item["coding"] for found in tokens(coding) if isinstance(coding, dict))
        elif isinstance(item, dict):
            system, code = item.get("system", ""), item.get("code", item.get("value"))
            if isinstance(system, str) and isinstance(code, str):
                yield system, code


def is_token(system: str, code: str, value: str) -> bool:
    """``code``, ``system|code``, ``|code`` (no system) or ``system|`` (any code of it)."""
    wanted_system, bar, wanted_code = value.rpartition("|")
    if "\\" in value or not (wanted_system or wanted_code):
        return False
    return wanted_code in ("", code) and (not bar or wanted_system == system)
