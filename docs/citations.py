"""Which test cites which rule: by the ids in its docstring, and in the names of its parametrized cases.

An id counts only if `rules.toml` has it; what looks like an id and is not there is a mistake, see `unknown`.
"""

from __future__ import annotations

import ast
import re
import tomllib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

RULES = Path(__file__).resolve().parent / "rules.toml"
TESTS = Path(__file__).resolve().parent.parent / "tests"
NAMED = {"FIELD": r"FIELD \w+\.\w+", "CAPABILITY": r"CAPABILITY [\w-]+"}


@dataclass(frozen=True)
class Section:
    title: str
    rules: dict[str, str]  # id: what it is about
    why_not: dict[str, str]  # id: why no test can hold it


@dataclass(frozen=True)
class Rules:
    sections: tuple[Section, ...]
    cases: dict[str, str]  # id: title of its group

    @classmethod
    def load(cls, text: str) -> Rules:
        read: dict[str, Any] = tomllib.loads(text)
        sections = tuple(Section(one["title"], one["rules"], one.get("why_not", {})) for one in read["section"])
        cases = {f"{c['prefix']}-{number}": c["title"] for c in read["cases"] for number in c["numbers"].split()}
        return cls(sections, cases)

    @property
    def rules(self) -> dict[str, str]:
        return {id_: about for section in self.sections for id_, about in section.rules.items()}

    @property
    def why_not(self) -> dict[str, str]:
        return {id_: reason for section in self.sections for id_, reason in section.why_not.items()}

    @cached_property
    def ids(self) -> frozenset[str]:
        return frozenset(self.rules) | frozenset(self.cases)

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """What looks like one of the ids: the same letters before as many digits."""
        shapes = {NAMED.get(id_.partition(" ")[0]) or re.sub(r"\d", r"\\d", id_) for id_ in self.ids}
        longest_first = sorted(shapes, key=len, reverse=True)
        return re.compile(rf"(?<![\w.-])(?:{'|'.join(longest_first)})(?!\w|-\d|\.\w)")

    def cited_in(self, text: str) -> list[str]:
        return self.pattern.findall(" ".join(text.split()))


@dataclass(frozen=True)
class Citations:
    """The names of the tests that cite each id, known or not."""

    by_id: dict[str, list[str]]
    rules: Rules

    @classmethod
    def read(cls, rules: Rules, folder: Path = TESTS) -> Citations:
        by_id: dict[str, list[str]] = {}
        for file in sorted(folder.rglob("test_*.py")):
            module = ast.parse(file.read_text())
            for test in tests_in(module):
                cited = {id_ for text in said_by(test, module) for id_ in rules.cited_in(text)}
                for id_ in cited:
                    by_id.setdefault(id_, []).append(f"{file.relative_to(folder)}::{test.name}")
        return cls(by_id, rules)

    @property
    def open(self) -> list[str]:
        """Rules without a test and without a reason."""
        return [id_ for id_ in self.rules.rules if id_ not in self.by_id and id_ not in self.rules.why_not]

    @property
    def unknown(self) -> list[str]:
        """Ids that tests cite and nobody knows."""
        return sorted(set(self.by_id) - self.rules.ids)

    @property
    def excused(self) -> list[str]:
        """Rules that have a test although there is a reason why not."""
        return [id_ for id_ in self.rules.why_not if id_ in self.by_id]


def tests_in(module: ast.Module) -> Iterator[ast.FunctionDef]:
    for node in ast.walk(module):
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            yield node


def said_by(test: ast.FunctionDef, module: ast.Module) -> Iterator[str]:
    """The docstring, and the names of the cases: `pytest.param(id=…)`, or the keys of the dict that `ids=` names."""
    yield ast.get_docstring(test) or ""
    for decorator in test.decorator_list:
        for node in ast.walk(decorator):
            if isinstance(node, ast.keyword) and node.arg == "id" and isinstance(node.value, ast.Constant):
                yield str(node.value.value)
            if isinstance(node, ast.keyword) and node.arg == "ids":
                for name in (inner for inner in ast.walk(node.value) if isinstance(inner, ast.Name)):
                    yield from keys_of(name.id, module)


def keys_of(name: str, module: ast.Module) -> Iterator[str]:
    """The keys of a dict that the module assigns to this name."""
    for node in module.body:
        if not isinstance(node, ast.Assign | ast.AnnAssign):
            continue
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        if any(isinstance(t, ast.Name) and t.id == name for t in targets) and isinstance(node.value, ast.Dict):
            yield from (str(key.value) for key in node.value.keys if isinstance(key, ast.Constant))
