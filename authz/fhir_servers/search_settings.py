"""How a FHIR server's patients are searched: the names of its parameters, and how much at a time."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from authz.errors import InvalidValue

if TYPE_CHECKING:
    from collections.abc import Mapping

PARAMETER = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,62}(?::[a-z]{1,20})?")  # with a modifier: name:contains
SYSTEM = re.compile(r"[a-z][a-z0-9+.-]*:[!#-;=?-\[\]_a-z~]{1,250}", re.IGNORECASE)  # a URI, and no "|"
MAX_LETTERS = 10
MAX_PAGE = 50


@dataclass(frozen=True, slots=True)
class SearchSettings:
    """An empty parameter means that people can't search by it."""

    name: str = "name"
    birthdate: str = "birthdate"
    identifier: str = "identifier"
    mrn_system: str = ""  # of the medical record numbers people type and read; empty: any
    minimum_letters: int = 2  # of a name
    page_size: int = 20

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def search_settings(given: Mapping[str, Any]) -> SearchSettings:
    """What an administrator wrote, on top of the defaults; numbers may be text. Raises InvalidValue."""
    defaults = SearchSettings().as_dict()
    known = {field.name for field in fields(SearchSettings)}
    problems = [f"{name}: patients are searched by {', '.join(sorted(known))}" for name in given if name not in known]
    values = defaults | {name: value for name, value in given.items() if name in known}
    for name, most in (("minimum_letters", MAX_LETTERS), ("page_size", MAX_PAGE)):
        text = str(values[name])
        if not (text.isascii() and text.isdigit() and len(text) < len("1000") and 1 <= int(text) <= most):
            problems.append(f"{name}: a number from 1 to {most}")
        else:
            values[name] = int(text)
    problems += [
        f"{name}: must be the name of a search parameter, or empty"
        for name in ("name", "birthdate", "identifier")
        if values[name] and not (isinstance(values[name], str) and PARAMETER.fullmatch(values[name]))
    ]
    if not any(values[name] for name in ("name", "birthdate", "identifier")):
        problems.append("name, birthdate or identifier: people must be able to search by one of them")
    if values["mrn_system"] and not (isinstance(values["mrn_system"], str) and SYSTEM.fullmatch(values["mrn_system"])):
        problems.append("mrn_system: must be a URI")
    if problems:
        raise InvalidValue("; ".join(problems))
    return SearchSettings(**values)
