"""The list of what the attack suite must try, and which test tries what."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pytest

FILE = Path(__file__).resolve().parent / "catalogue.toml"
SEVERITIES = "CHML"
ID = re.compile(r"(?<![\w-])(?:(?P<group>[A-Z]{2,3})-)(?P<number>\d\d)(?!\d|-\d)")
RANGE = re.compile(r"(?<![\w-])([A-Z]{2,3})-(\d\d)\.\.(\d\d)(?!\d)")


@dataclass(frozen=True)
class Case:
    id: str
    severity: str
    statement: str


@dataclass(frozen=True)
class Catalogue:
    cases: dict[str, Case]
    titles: dict[str, str]  # of the groups

    @classmethod
    def load(cls) -> Catalogue:
        read: dict[str, dict[str, Any]] = tomllib.loads(FILE.read_text())
        cases = {
            f"{group}-{number}": Case(f"{group}-{number}", *told)
            for group, members in read.items()
            for number, told in members.items()
            if number != "title"
        }
        return cls(cases, {group: members["title"] for group, members in read.items()})

    def severity(self, id_: str) -> str:
        return self.cases[id_].severity

    def cited_by(self, item: pytest.Item) -> list[str]:
        """The cases that a test tries: those in the id of its parameters, or else those of its docstring."""
        callspec = getattr(item, "callspec", None)
        by_parameter = self.cited_in(callspec.id) if callspec is not None else []
        return by_parameter or self.cited_in(getattr(getattr(item, "function", None), "__doc__", None) or "")

    def cited_in(self, text: str) -> list[str]:
        """Ids in the order in which they are named; ``AZ-06..22`` names all between."""
        named = [f"{found['group']}-{found['number']}" for found in ID.finditer(text)]
        for group, first, last in RANGE.findall(text):
            named += [f"{group}-{number:02}" for number in range(int(first), int(last) + 1)]
        return [id_ for id_ in dict.fromkeys(named) if id_ in self.cases]
