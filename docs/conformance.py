"""The conformance page: words of our own, then each rule with the tests that hold it, or why there are none."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from docs.citations import Citations

TEMPLATE = Path(__file__).resolve().parent / "conformance.template.md"
PLACE = "<!-- rules -->"
OPEN = "**open**"


def conformance_page(citations: Citations) -> str:
    rules = citations.rules
    lines = []
    for section in rules.sections:
        lines += [f"### {section.title}", "", "| id | about | held by |", "|---|---|---|"]
        lines += [row(id_, about, held_by(id_, citations)) for id_, about in section.rules.items()]
        lines.append("")
    return TEMPLATE.read_text().replace(PLACE, "\n".join(lines).rstrip())


def held_by(id_: str, citations: Citations) -> str:
    tests = citations.by_id.get(id_)
    if tests:
        return names(tests)
    return citations.rules.why_not.get(id_, OPEN)


def cases_page(citations: Citations) -> str:
    """The attack cases that tests cite."""
    lines = [
        "# Attack cases and the tests that hold them",
        "",
        "Made from the docstrings of the tests. The rules are in [conformance.md](../conformance.md).",
        "",
        "| id | about | held by |",
        "|---|---|---|",
    ]
    found = [(id_, title) for id_, title in citations.rules.cases.items() if id_ in citations.by_id]
    lines += [row(id_, title, names(citations.by_id[id_])) for id_, title in found]
    return "\n".join(lines) + "\n"


def names(tests: list[str]) -> str:
    return "<br>".join(f"`{name}`" for name in sorted(tests))


def row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"
