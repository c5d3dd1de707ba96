from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from authz.app import create_app
from authz.consent.catalogue import BUILT_IN, Kind
from authz.consent.kinds_file import load
from authz.keyring.secrets import rotate_file
from authz.scopes import ResourceScope, parse_scope
from authz.settings import ROOT, ConfigurationError
from tests.world import Clock, settings_in

if TYPE_CHECKING:
    from pathlib import Path

PROBLEM_LIST = "category=http%3A//terminology.hl7.org/CodeSystem/condition-category|problem-list-item"
GOOD = """
[[kind]]
id = "lab-results"
title = "blood tests"
search = "category=https://codes.example/kinds|LAB,http://terminology.hl7.org/CodeSystem/observation-category|laboratory"

[[kind]]
id = "hiv"
type = "Observation"
search = "category=https://codes.example/kinds|HIV"
title = "HIV results"
short = "Tests for HIV"
long = "Results of tests for HIV and what follows from them."

[[kind]]
id = "photo"
scope = "__profilePhoto.manage"
title = "change your profile photo"

[[kind]]
id = "therapy-results"
remove = true
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "kinds.toml"


def test_without_a_file_the_kinds_are_the_built_in_ones() -> None:
    assert load("").kinds == BUILT_IN


def test_an_installation_renames_adds_and_removes_kinds(file: Path) -> None:
    """N07: the categories are the hospital's decision, not this server's."""
    file.write_text(GOOD)
    found = {kind.id: kind for kind in load(str(file)).kinds}
    before = {kind.id: kind for kind in BUILT_IN}
    assert set(found) == set(before) - {"therapy-results"} | {"hiv", "photo"}
    assert (found["lab-results"].title, found["lab-results"].short) == ("blood tests", before["lab-results"].short)
    lab = found["lab-results"].within("user")
    assert isinstance(lab, ResourceScope)
    assert lab.constraints == (
        (
            "category",
            (
                "http://terminology.hl7.org/CodeSystem/observation-category|laboratory",
                "https://codes.example/kinds|LAB",
            ),
        ),
    )
    assert found["hiv"] == Kind(
        "hiv",
        "HIV results",
        "Tests for HIV",
        "Results of tests for HIV and what follows from them.",
        "Observation",
        "category=https://codes.example/kinds|HIV",
    )
    assert load(str(file)).of_scope("__profilePhoto.manage", "").title == "change your profile photo"


PROBLEMS = {
    "not TOML": ("[[kind]", "Expected"),
    "another table": ('[[kinds]]\nid = "x"', "kinds: only tables [[kind]] are known"),
    "no table": ("kind = 5", "a kind is a table [[kind]] with an id of letters, digits and hyphens"),
    "no id": ('[[kind]]\ntitle = "x"', "a kind is a table [[kind]] with an id of letters, digits and hyphens"),
    "all kinds": ('[[kind]]\nid = "*"\nremove = true', "a kind is a table [[kind]] with an id"),
    "unknown member": ('[[kind]]\nid = "x"\ncolour = "red"', "x: colour is not known"),
    "remove": ('[[kind]]\nid = "x"\nremove = "yes"', "x: remove is true or false"),
    "two lines": (
        '[[kind]]\nid = "x"\ntype = "Goal"\ntitle = "a\\nb"',
        "x: title is one line of at most 80 characters",
    ),
    "too long": (f'[[kind]]\nid = "x"\nshort = "{"x" * 121}"', "x: short is one line of at most 120 characters"),
    "no text": ('[[kind]]\nid = "x"\nlong = 5', "x: long is one line of at most 500 characters"),
    "no title": ('[[kind]]\nid = "x"\ntype = "Basic"', "x: title is missing"),
    "neither": ('[[kind]]\nid = "x"\ntitle = "x"', "x: either a type or a scope is needed"),
    "both": ('[[kind]]\nid = "Goal"\nscope = "__x"', "Goal: either a type or a scope is needed"),
    "unknown type": ('[[kind]]\nid = "x"\ntype = "Obs"\ntitle = "x"', "x: Obs is no FHIR resource type"),
    "search": (
        '[[kind]]\nid = "x"\ntype = "Observation"\ntitle = "x"\nsearch = "_count=5"',
        "x: search: _count shapes a search result",
    ),
    "scope": ('[[kind]]\nid = "x"\ntitle = "x"\nscope = "patient/*.rs"', "x: scope is one of your own"),
    "the same data": (
        f'[[kind]]\nid = "zz"\ntype = "Condition"\ntitle = "x"\nsearch = "{PROBLEM_LIST}"',
        "zz: is the same data as problem-list",
    ),
    "the same scope": (
        '[[kind]]\nid = "a"\ntitle = "x"\nscope = "__x"\n[[kind]]\nid = "b"\ntitle = "y"\nscope = "__x"',
        "b: is the same data as a",
    ),
}


@pytest.mark.parametrize(("content", "problem"), PROBLEMS.values(), ids=PROBLEMS)
def test_a_file_that_is_wrong_is_refused_with_the_reason(file: Path, content: str, problem: str) -> None:
    file.write_text(content)
    with pytest.raises(ConfigurationError) as refused:
        load(str(file))
    assert any(problem in line for line in refused.value.problems), refused.value.problems


def test_the_example_of_the_how_to_works(file: Path) -> None:
    page = (ROOT / "docs" / "how-to" / "consent.md").read_text()
    file.write_text(page.partition("```toml\n")[2].partition("```")[0])
    found = {kind.id: kind for kind in load(str(file)).kinds}
    assert (found["hiv"].title, found["photo"].scope) == ("HIV results", "__profilePhoto.manage")
    assert found["lab-results"].title == "blood and urine tests"
    assert "therapy-results" not in found


def test_every_problem_is_told_at_once(file: Path) -> None:
    file.write_text('[[kind]]\nid = "x"\ntype = "Obs"\n[[kind]]\nid = "y"\ncolour = 1\n[other]\n')
    with pytest.raises(ConfigurationError) as refused:
        load(str(file))
    assert refused.value.problems == [
        "consent_kinds: other: only tables [[kind]] are known",
        "consent_kinds: y: colour is not known",
        "consent_kinds: x: title is missing",
        "consent_kinds: x: Obs is no FHIR resource type",
    ]


def test_a_server_with_such_a_file_does_not_start(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, consent_kinds=str(tmp_path / "missing.toml"))
    rotate_file(settings.keys_dir / "secrets.json", Clock()())
    with pytest.raises(ConfigurationError, match=r"consent_kinds: .*missing\.toml"):
        create_app(settings)


def test_a_search_may_be_spelled_in_any_way() -> None:
    found = load("").of_data(
        parse_scope(  # type: ignore[arg-type]  # a resource scope
            "patient/Observation.r?category=http%3A%2F%2Fterminology.hl7.org/CodeSystem/observation-category%7Claboratory"
        )
    )
    assert found is not None
    assert found.id == "lab-results"
