"""The file that says who acts for whom, as it is read."""

from __future__ import annotations

import csv
import json
from datetime import UTC, datetime
from io import StringIO

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from authz.errors import InvalidValue
from authz.users.representatives_file import COLUMNS, MAX_BYTES, MAX_ROWS, RepresentativesFile, Row, read
from authz.users.user import Representation

HEADER = "user,patient,relationship,until\n"
words = st.text(st.characters(categories=["L", "N", "P"]), min_size=1, max_size=20)
ids = st.from_regex(r"[A-Za-z0-9.-]{1,64}", fullmatch=True)
rows = st.lists(
    st.fixed_dictionaries(
        {
            "user": words,
            "patient": ids,
            "relationship": words,
            "provider": st.just("") | words,
            "fhir_server": st.just("") | words,
            "until": st.just("") | st.datetimes(timezones=st.just(UTC)).map(lambda t: t.isoformat(timespec="seconds")),
        }
    ),
    max_size=5,
)


def as_csv(entries: list[dict[str, str]]) -> bytes:
    out = StringIO(newline="")
    writer = csv.DictWriter(out, COLUMNS)
    writer.writeheader()
    writer.writerows(entries)
    return out.getvalue().encode()


@given(rows)
def test_what_is_written_is_read(entries: list[dict[str, str]]) -> None:
    """Issue 6.3: the same from CSV and from JSON, and nothing is lost."""
    from_csv, from_json = read("a.csv", as_csv(entries)), read("a.json", json.dumps(entries).encode())
    assert from_csv.problems == from_json.problems == ()
    said = [(r.user, r.provider, r.fhir_server, r.represented.patient) for r in from_json.rows]
    assert said == [(e["user"], e["provider"], e["fhir_server"], e["patient"]) for e in entries]
    assert [r.represented for r in from_csv.rows] == [r.represented for r in from_json.rows]
    ends = [r.represented.expires_at for r in from_json.rows]
    assert ends == [datetime.fromisoformat(e["until"]) if e["until"] else None for e in entries]
    assert [r.number for r in from_csv.rows] == list(range(2, len(entries) + 2))


@given(st.sampled_from(["a.csv", "a.json"]), st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
@example("a.csv", b'user,patient,relationship\n"a\x00",b,c\n')
@example("a.csv", b'user,patient,relationship\n"a')
@example("a.json", b'[{"user": 1}]')
@example("a.csv", b"user,patient,relationship,until\na,b,c,0001-01-01T00:00+14:00\n")
def test_whatever_it_holds_it_is_read_or_refused(name: str, data: bytes) -> None:
    """Issue 6.3: no other failure, and no row without user, patient and relationship."""
    try:
        found = read(name, data)
    except InvalidValue:
        return
    for row in found.rows:
        assert row.user
        assert row.represented.patient
        assert row.represented.relationship


def test_every_problem_is_named_with_its_line() -> None:
    """Issue 6.3: an operator mends a file once."""
    text = f"{HEADER}a,child,parent,\n,,,\nb,x/y,parent,2030-02-30\n\nc,child\nd,child,{'p' * 65},2030-01-31\n"
    found = read("a.csv", text.encode())
    assert [row.number for row in found.rows] == [2]
    with pytest.raises(InvalidValue) as refused:
        found.refuse([(2, "there is no such user")])
    assert refused.value.description.split("; ") == [
        "line 2: there is no such user",
        "line 3: patient is missing",
        "line 3: relationship is missing",
        "line 3: user is missing",
        "line 4: a patient's id is 1 to 64 letters, digits, hyphens and dots",
        "line 4: until looks like 2030-01-31, or 2030-01-31T18:00:00+01:00",
        "line 6: it does not have the columns user, patient, relationship, provider, fhir_server, until",
        "line 7: a relationship is 1 to 64 visible characters",
    ]


def test_a_day_begins_in_utc_and_a_zone_is_honoured() -> None:
    """Issue 6.3: as ``--until``."""
    text = f"{HEADER}a,Patient/x,parent,2030-01-31\na,y,parent,2030-01-31T18:00:00+01:00\n"
    assert read("a.csv", text.encode()) == RepresentativesFile(
        "line",
        (
            Row(2, "a", Representation("x", "parent", datetime(2030, 1, 31, tzinfo=UTC))),
            Row(3, "a", Representation("y", "parent", datetime(2030, 1, 31, 17, tzinfo=UTC))),
        ),
    )


@pytest.mark.parametrize(
    ("name", "data", "why"),
    [
        ("a.txt", b"", "a.txt: the name of a file ends with .csv or .json"),
        ("a.csv", b"user,patient\n", "line 1: the columns are"),
        ("a.csv", b"user,patient,relationship,e-mail\n", "line 1: the columns are"),
        ("a.csv", b"user,user,patient,relationship\n", "line 1: the columns are"),
        ("a.csv", b"\xff", "the file can't be read as CSV in UTF-8"),
        ("a.json", b"{}", "the file must hold a JSON array"),
        ("a.json", b"[", "the file can't be read: not JSON"),
        ("a.csv", HEADER.encode() + b"a,b,c,\n" * (MAX_ROWS + 1), f"a file has at most {MAX_ROWS} rows"),
        ("a.csv", b" " * (MAX_BYTES + 1), f"a file is at most {MAX_BYTES} bytes"),
    ],
)
def test_what_is_no_such_file_is_refused(name: str, data: bytes, why: str) -> None:
    with pytest.raises(InvalidValue) as refused:
        read(name, data)
    assert refused.value.description.startswith(why)
