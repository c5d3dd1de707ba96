"""``authz user represent --file``: all of it or nothing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from authz.cli.representation_file import MANY_PEOPLE, turns_of
from authz.storage.turns import of_fhir_server, of_user

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Cli

HEADER = "user,patient,relationship,until\n"


@pytest.fixture
def subs(hospital: Cli) -> dict[str, str]:
    """Two parents; name -> sub."""
    people = {"ann": "RelatedPerson/r-1", "ben": "RelatedPerson/r-2"}
    return {name: hospital("user", "add", name, "--fhir-user", who)["sub"] for name, who in people.items()}


def written(folder: Path, text: str, name: str = "people.csv") -> tuple[str, ...]:
    (folder / name).write_text(text)
    return ("user", "represent", "--file", str(folder / name))


def represented(hospital: Cli, name: str) -> list[tuple[str, str]]:
    return [(one["patient"], one["relationship"]) for one in hospital("user", "show", name)["represents"]]


def on_trail(hospital: Cli) -> list[tuple[str, str, Any]]:
    found = hospital("audit", "search", "--event", "user.changed")
    return sorted((one["reason"], one["patient"], one["detail"].get("source")) for one in found if one["patient"])


def test_a_file_says_for_whom_people_act(hospital: Cli, subs: dict[str, str], tmp_path: Path) -> None:
    """Issue 6.3: each row with relationship and end; said again it changes nothing and is not on the trail again."""
    command = written(tmp_path, f"{HEADER}ann,child-1,parent,2030-01-31\n{subs['ben']},child-1,guardian,\n")
    child = {"fhir_server": "main", "patient": "child-1"}
    added = [
        {"sub": subs["ann"], **child, "relationship": "parent", "expires_at": "2030-01-31T00:00:00+00:00"},
        {"sub": subs["ben"], **child, "relationship": "guardian", "expires_at": None},
    ]
    told = {"dry_run": True, "added": added, "changed": [], "removed": [], "unchanged": 0, "revoked_grants": 0}
    assert hospital(*command, "--dry-run") == told
    assert (represented(hospital, "ann"), on_trail(hospital)) == ([], [])
    assert hospital(*command) == told | {"dry_run": False}
    assert represented(hospital, "ann") == [("child-1", "parent")]
    assert hospital(*command) == told | {"dry_run": False, "added": [], "unchanged": 2}
    assert on_trail(hospital) == [("represents", "child-1", "file")] * 2


def test_one_wrong_row_and_nothing_is_written(hospital: Cli, subs: dict[str, str], tmp_path: Path) -> None:
    """Issue 6.3: every problem, with its line."""
    rows = "ann,child-1,parent,\nnobody,child-1,parent,\nann,Patient/child-1,aunt,\nben,a/b,parent,\n"
    assert hospital.refused(*written(tmp_path, HEADER + rows)) == {
        "error": "invalid_value",
        "error_description": "line 3: nobody: there is no user of this name or sub; "
        "line 4: it is said before that this user acts for this patient; "
        "line 5: a patient's id is 1 to 64 letters, digits, hyphens and dots",
    }
    assert (represented(hospital, "ann"), on_trail(hospital)) == ([], [])


def test_replace_makes_the_file_the_whole_truth_for_those_in_it(
    hospital: Cli, subs: dict[str, str], tmp_path: Path
) -> None:
    """Issue 6.3: nobody else is concerned."""
    for name in ("ann", "ben"):
        hospital("user", "represent", name, "--patient", "old", "--relationship", "parent")
    command = written(tmp_path, f"{HEADER}ann,child-1,parent,\nann,old,parent,\n")
    assert hospital(*command)["removed"] == []
    told = hospital(*written(tmp_path, f"{HEADER}ann,child-1,mother,\n"), "--replace")
    child = {"sub": subs["ann"], "fhir_server": "main", "patient": "child-1", "expires_at": None}
    assert told == {
        "dry_run": False,
        "added": [],
        "changed": [child | {"relationship": "mother"}],
        "removed": [child | {"patient": "old", "relationship": "parent"}],
        "unchanged": 0,
        "revoked_grants": 0,
    }
    assert represented(hospital, "ann") == [("child-1", "mother")]
    assert represented(hospital, "ben") == [("old", "parent")]
    assert ("represents_no_more", "old", "file") in on_trail(hospital)


def test_somebody_may_be_named_as_their_provider_knows_them(
    hospital: Cli, subs: dict[str, str], tmp_path: Path
) -> None:
    """Issue 6.3: JSON, and who has no login name here."""
    issuer = ("--issuer", "https://id.example", "--client-id", "smart", "--secret-stdin")
    hospital("sign-in-provider", "add", "hospital", *issuer, stdin="a secret of the hospital\n")
    hospital("user", "identify", "ann", "hospital", "e-17")
    row = {"provider": "hospital", "user": "e-17", "patient": "child-1", "relationship": "parent"}
    hospital(*written(tmp_path, json.dumps([row]), "people.json"))
    assert represented(hospital, "ann") == [("child-1", "parent")]
    wrong = [row | {"user": "ann"}, row | {"fhir_server": "elsewhere"}]
    assert hospital.refused(*written(tmp_path, json.dumps(wrong), "people.json"))["error_description"] == (
        "entry 1: ann: nobody is known by this at hospital; entry 2: elsewhere: there is no FHIR server of this name"
    )


def test_many_people_are_held_by_the_turns_of_their_fhir_servers() -> None:
    """security.md R-12: a file of 10,000 rows asks PostgreSQL for no lock for each person."""
    many = [(str(number), "main", "child-1") for number in range(MANY_PEOPLE)]
    assert turns_of(many) == {of_user(sub) for sub, _, _ in many}
    assert turns_of([*many, ("another", "clinic", "x")]) == {of_fhir_server("main"), of_fhir_server("clinic")}


@pytest.mark.parametrize("words", [("ann", "--file"), ("--patient", "x", "--file"), ("--replace",), ("ann",), ()])
def test_a_file_and_one_person_are_not_mixed(
    hospital: Cli, subs: dict[str, str], tmp_path: Path, words: tuple[str, ...]
) -> None:
    path = written(tmp_path, HEADER)[-1]
    words = (*words, path) if words[-1:] == ("--file",) else words
    assert hospital.refused("user", "represent", *words)["error"] == "invalid_value"
