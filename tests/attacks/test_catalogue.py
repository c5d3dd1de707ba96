"""The list of attacks is whole, and agrees with the page that says which test holds which rule."""

from __future__ import annotations

from docs.citations import RULES, Rules
from tests.attacks.catalogue import SEVERITIES, Catalogue

CATALOGUE = Catalogue.load()
ELSEWHERE = ("AU-", "R-")  # audit, faults and races: campaigns of their own


def test_every_case_is_in_the_reference_and_no_other() -> None:
    """security.md 2: ids of one are ids of the other."""
    rules = Rules.load(RULES.read_text())
    assert {id_ for id_ in rules.cases if not id_.startswith(ELSEWHERE)} == CATALOGUE.cases.keys()


def test_every_case_has_a_severity_and_a_sentence() -> None:
    for case in CATALOGUE.cases.values():
        assert case.severity in SEVERITIES, case
        assert case.statement.endswith((".", "]")), case


def test_forty_cases_are_our_own_and_say_who_would_try_them() -> None:
    own = [case for case in CATALOGUE.cases.values() if case.id.startswith("OWN-")]
    assert len(own) >= 40
    assert all(case.statement.endswith("]") and "[" in case.statement for case in own)


def test_a_range_names_all_between() -> None:
    assert CATALOGUE.cited_in("AZ-06..10, XX-01, TK-01-02 and OWN-50") == ["AZ-06", "OWN-50", "AZ-07", "AZ-09", "AZ-10"]
