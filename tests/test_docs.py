from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from authz.audit.event import EventName
from docs import events, standards
from docs.citations import Citations, Rules
from docs.generate import DOCS, cited, pages

if TYPE_CHECKING:
    from pathlib import Path

PAGES = (
    "conformance.md",
    "reference/settings.md",
    "reference/events.md",
    "reference/cli.md",
    "reference/launch-record.md",
    "reference/limits.md",
    "reference/openapi.json",
    "reference/tests.md",
    "reference/standards.md",
)
RULES = """
[[section]]
title = "Some"
[section.rules]
DISC-01 = "a"
C01 = "b"
C02 = "c"
REQ-1 = "d"
REQ-12 = "e"
"FIELD token.scope" = "f"
"CAPABILITY launch-ehr" = "g"
CAP-02 = "h"
[section.why_not]
CAP-02 = "speaks to apps"
REQ-1 = "not offered yet"
[[cases]]
prefix = "AZ"
title = "authorization endpoint"
numbers = "01 03"
"""
TESTS = '''
CASES = {"C01": 1, "C02-more": 2}
NOT_IDS = {"DISC-01": 1}

@pytest.mark.parametrize("one", CASES.values(), ids=CASES)
def test_cases(one):
    """REQ-12; AZ-03, AZ-02; FIELD token.scope."""

@pytest.mark.parametrize("one", [pytest.param(1, id="REQ-1 first")])
@pytest.mark.parametrize("two", NOT_IDS)
def test_names(one):
    """ES384, S256, XC01, C011, FIELD
    token.scope and CAPABILITY launch-ehr, FIELD token.nothing"""

def helper():
    """DISC-01"""
'''


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_what_the_code_says(name: str) -> None:
    """`make docs` writes them; a change of a setting, a command, the launch record or a test shows in its page."""
    assert (DOCS / name).read_text() == pages()[name]


def test_every_rule_has_a_test_that_cites_it_or_a_reason_why_not() -> None:
    """And no test cites what is no rule, or what could not be tested."""
    found = cited()
    assert (found.open, found.unknown, found.excused) == ([], [], [])


def test_every_requirement_of_a_security_standard_is_held_or_excused() -> None:
    """OWASP ASVS 5.0 chapter V10, RFC 9700: `docs/standards.toml` names only what tests cite, and tests that exist."""
    assert list(standards.missing(cited())) == []


def test_the_documentation_says_who_is_responsible_for_what() -> None:
    """SCP-06, FCX-08, REQ-22, REQ-68: the effect of `Patient.link`, the roles, the browsers, each one's part."""
    page = " ".join((DOCS / "responsibilities.md").read_text().split())
    for said in (
        "by `Patient.link` that two records are about one person. That has no effect here",
        "There is no list of roles to choose from: an item has the role that the EHR gave it",
        "in any browser that is still maintained",
        "(Internet Explorer) are not supported",
        "**The FHIR server**, or the proxy before it that asks `/forward-auth` | that a token reaches no more than",
        "which may always show less than a token allows",
    ):
        assert said in page
    assert "docs/responsibilities.md" in (DOCS.parent / "README.md").read_text()


def test_an_id_counts_where_a_test_cites_it(tmp_path: Path) -> None:
    """In its docstring and in the names of its cases; what only looks like an id is found out."""
    (tmp_path / "test_it.py").write_text(TESTS)
    found = Citations.read(Rules.load(RULES), tmp_path)
    cases, names = "test_it.py::test_cases", "test_it.py::test_names"
    assert found.by_id == {
        "C01": [cases],
        "C02": [cases],
        "REQ-12": [cases],
        "AZ-02": [cases],
        "AZ-03": [cases],
        "FIELD token.scope": [cases, names],
        "FIELD token.nothing": [names],
        "CAPABILITY launch-ehr": [names],
        "REQ-1": [names],
    }
    assert found.open == ["DISC-01"]
    assert found.unknown == ["AZ-02", "FIELD token.nothing"]
    assert found.excused == ["REQ-1"]


def test_every_picture_is_small_and_stands_on_a_page() -> None:
    """Issue 6: `docs/` shows the main pages; `make pictures` makes them anew."""
    texts = [DOCS.parent / "README.md", *DOCS.rglob("*.md")]
    shown = {name for page in texts for name in re.findall(r"images/([\w-]+\.png)\)", page.read_text())}
    pictures = {file.name: file.stat().st_size for file in (DOCS / "images").iterdir()}
    assert shown == set(pictures)
    assert {name: size for name, size in pictures.items() if size > 60_000} == {}


@pytest.mark.parametrize("name", EventName)
def test_an_event_that_is_told_of_is_written_somewhere(name: EventName) -> None:
    """security.md 4.1: no record is only advertised, and each is explained."""
    assert events.who_writes()[name] != []
    assert events.meanings()[name].endswith(".")
