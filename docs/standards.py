"""The page that holds two security standards against the tests."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from docs.citations import Citations

STANDARDS = Path(__file__).resolve().parent / "standards.toml"
TESTS = Path(__file__).resolve().parent.parent / "tests"


def read() -> list[dict[str, Any]]:
    standards: list[dict[str, Any]] = tomllib.loads(STANDARDS.read_text())["standard"]
    return standards


def standards_page(citations: Citations) -> str:
    lines = [
        "# Security standards",
        "",
        "What holds each requirement: attack cases and rules, whose tests are named in [tests.md](tests.md) and",
        "[conformance.md](../conformance.md), or tests by their names.",
    ]
    for standard in read():
        lines += ["", f"## {standard['title']}", "", standard["about"], ""]
        lines += ["| section | about | held by |", "|---|---|---|"]
        lines += [
            f"| {id_} | {rule['about']} | {held_by(rule, citations)} |" for id_, rule in standard["rules"].items()
        ]
    return "\n".join(lines) + "\n"


def held_by(rule: dict[str, Any], citations: Citations) -> str:
    if "why_not" in rule:
        return str(rule["why_not"])
    cases = [f"{id_} ({count(len(citations.by_id[id_]))})" for id_ in rule.get("held", ()) if id_ in citations.by_id]
    return ", ".join([*cases, *(f"`{name}`" for name in rule.get("tests", ()))])


def count(tests: int) -> str:
    return "1 test" if tests == 1 else f"{tests} tests"


def missing(citations: Citations) -> Iterator[str]:
    """What is named, and that no test cites or that is not there."""
    for standard in read():
        for id_, rule in standard["rules"].items():
            yield from (f"{id_}: {case}" for case in rule.get("held", ()) if case not in citations.by_id)
            yield from (f"{id_}: {name}" for name in rule.get("tests", ()) if not is_there(name))
            if not {"held", "tests", "why_not"} & rule.keys():
                yield f"{id_}: nothing holds it"


def is_there(name: str) -> bool:
    file, _, test = name.partition("::")
    path = TESTS / file
    return path.exists() and f"def {test}" in path.read_text()
