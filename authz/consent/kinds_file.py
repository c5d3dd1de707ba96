"""The kinds of data of one installation: the built-in ones, changed by a TOML file."""

from __future__ import annotations

import re
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

from authz.consent.catalogue import BUILT_IN, Catalogue, Kind
from authz.scopes import RESOURCE_TYPES, ExtensionScope, UnknownScope, parse_scope
from authz.settings import ConfigurationError

ID = re.compile(r"[A-Za-z0-9-]{1,64}")
MAX_LENGTHS = {"title": 80, "short": 120, "long": 500, "type": 64, "search": 1000, "scope": 200}
KNOWN_TYPES = frozenset[str]().union(*RESOURCE_TYPES.values())


def load(file: str) -> Catalogue:
    """The built-in kinds, and what the tables ``[[kind]]`` of a file add, change or remove by ``id``.

    Raises ConfigurationError naming every problem of the file.
    """
    if not file:
        return Catalogue(BUILT_IN)
    try:
        content = tomllib.loads(Path(file).read_text())
    except (OSError, ValueError) as error:
        raise ConfigurationError([f"consent_kinds: {file}: {error}"]) from error
    entries = content.pop("kind", [])
    problems = [f"{name}: only tables [[kind]] are known" for name in content]
    kinds = {kind.id: kind for kind in BUILT_IN}
    for entry in entries if isinstance(entries, list) else [entries]:
        found = entry_problems(entry)
        problems += found
        if not found:
            apply(kinds, dict(entry))
    problems += [f"{kind.id}: {problem}" for kind in kinds.values() for problem in kind_problems(kind, kinds)]
    if problems:
        raise ConfigurationError([f"consent_kinds: {problem}" for problem in problems])
    return Catalogue(kinds.values())


def entry_problems(entry: Any) -> list[str]:
    """What is wrong with the form of one table."""
    if not isinstance(entry, dict) or not ID.fullmatch(str(entry.get("id", ""))):
        return ["a kind is a table [[kind]] with an id of letters, digits and hyphens"]
    name = entry["id"]
    problems = [f"{name}: {key} is not known" for key in entry if key not in {*MAX_LENGTHS, "id", "remove"}]
    problems += [f"{name}: remove is true or false"] if not isinstance(entry.get("remove", False), bool) else []
    for key, most in MAX_LENGTHS.items():
        value = entry.get(key, "")
        if not isinstance(value, str) or len(value) > most or not value.isprintable():
            problems.append(f"{name}: {key} is one line of at most {most} characters")
    return problems


def apply(kinds: dict[str, Kind], entry: dict[str, Any]) -> None:
    if entry.pop("remove", False):
        kinds.pop(entry["id"], None)
    else:
        kinds[entry["id"]] = replace(kinds.get(entry["id"], Kind(entry["id"], "", "", "")), **entry)


def kind_problems(kind: Kind, kinds: dict[str, Kind]) -> list[str]:
    """Why this is no kind of data."""
    if bool(kind.type) == bool(kind.scope):
        return ["either a type or a scope is needed"]
    problems = [] if kind.title else ["title is missing"]
    if kind.scope and not isinstance(parse_scope(kind.scope), ExtensionScope):
        problems.append("scope is one of your own: a URI, or two underscores and a name")
    meant = kind.within("patient")
    if kind.type and kind.type not in KNOWN_TYPES | {"*"}:
        problems.append(f"{kind.type} is no FHIR resource type")
    elif kind.type and isinstance(meant, UnknownScope):
        problems.append(f"search: {meant.reason}")
    twins = (other.id for other in kinds.values() if other.id < kind.id and is_same(kind, other))
    return problems + [f"is the same data as {other}" for other in twins]


def is_same(kind: Kind, other: Kind) -> bool:
    if kind.scope or other.scope:
        return kind.scope == other.scope
    return kind.type == other.type and kind.within("patient") == other.within("patient")
