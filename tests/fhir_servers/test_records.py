"""What people read of a patient or a visit: enough to tell them apart, nothing that deceives."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authz.fhir_servers.records import MAX_SHOWN, EncounterRecord, encounter_record, patient_record, shown
from authz.fhir_servers.times import in_words

MRN = "http://hospital.example/mrn"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=10,
)


def read(**members: Any) -> dict[str, str]:
    record = patient_record({"resourceType": "Patient", "id": "B", **members}, MRN)
    return {"name": record.name, "born": record.birth_date, "sex": record.sex, "mrn": record.mrn, "but": record.remark}


def test_a_patient_is_name_birth_date_sex_and_record_number() -> None:
    whole = {
        "name": [
            {"use": "maiden", "family": "Before"},
            {"use": "usual", "text": "Bobby"},
            {"use": "official", "given": ["Bo", "Erik"], "family": "Berg"},
        ],
        "birthDate": "2019-03-05",
        "gender": "male",
        "identifier": [{"system": "http://state.example/ssn", "value": "123"}, {"system": MRN, "value": "LG-1"}],
    }
    assert read(**whole) == {"name": "Bo Erik Berg", "born": "5 Mar 2019", "sex": "male", "mrn": "LG-1", "but": ""}
    assert read() == {"name": "", "born": "", "sex": "", "mrn": "", "but": ""}


@pytest.mark.parametrize(
    ("identifiers", "system", "shown_as"),
    [
        ([{"system": "http://state.example/ssn", "value": "123"}], MRN, ""),
        ([{"system": "http://state.example/ssn", "value": "123"}], "", ""),
        ([{"type": {"coding": [{"code": "MR"}]}, "value": "7"}], "", "7"),
        ([{"type": {"coding": [{"code": "MR"}]}, "value": "7"}], MRN, ""),
        ([{"use": "old", "system": MRN, "value": "6"}, {"system": MRN, "value": "7"}], MRN, "7"),
        ([{"system": MRN}, {"system": MRN, "value": 7}], MRN, ""),
    ],
)
def test_no_other_identifier_is_shown_than_the_record_number(
    identifiers: list[dict[str, Any]], system: str, shown_as: str
) -> None:
    """A number of the state or of an insurance is not for this page."""
    assert patient_record({"id": "B", "identifier": identifiers}, system).mrn == shown_as


@pytest.mark.parametrize(
    ("members", "remark"),
    [
        ({"active": False}, "record not in use"),
        ({"deceasedBoolean": True}, "deceased"),
        ({"deceasedDateTime": "2020"}, "deceased"),
        ({"link": [{"type": "replaced-by", "other": {"reference": "Patient/C"}}]}, "replaced by another record"),
        ({"link": [{"type": "seealso"}], "active": True, "deceasedBoolean": False}, ""),
    ],
)
def test_what_speaks_against_a_record_is_said(members: dict[str, Any], remark: str) -> None:
    """SCP-06: a record that was merged into another (``Patient.link``) is marked."""
    assert read(**members)["but"] == remark


@pytest.mark.parametrize(
    ("date", "words"),
    [
        ("2019-03-05", "5 Mar 2019"),
        ("2019-03", "Mar 2019"),
        ("2019", "2019"),
        ("2019-03-05T09:30:00+01:00", "5 Mar 2019, 09:30"),
        ("2019-13-05", ""),
        ("5.3.2019", ""),
        ("2019-03-05 <b>", ""),
        (None, ""),
        (2019, ""),
    ],
)
def test_a_date_is_written_so_that_nobody_misreads_it(date: object, words: str) -> None:
    assert in_words(date) == words


@pytest.mark.parametrize(
    ("raw", "safe"),
    [
        ("Bo\u202eBerg", "Bo Berg"),
        ("Bo\nBerg\t ", "Bo Berg"),
        ("Zo\u0308e", "Zöe"),
        ("\u0645\u06cc\u200c\u062e", "\u0645\u06cc\u200c\u062e"),
        ("\ud800", ""),
        (7, ""),
    ],
)
def test_a_text_hides_nothing(raw: object, safe: str) -> None:
    """Characters that turn or hide others could make one name look like another."""
    assert shown(raw) == safe


@given(st.text())
def test_a_text_is_one_bounded_line(raw: str) -> None:
    text = shown(raw)
    assert len(text) <= MAX_SHOWN
    assert text == " ".join(text.split())
    assert shown(text) == text


VISIT = {
    "resourceType": "Encounter",
    "id": "v",
    "status": "in-progress",
    "class": {"code": "IMP", "display": "inpatient encounter"},
    "type": [{"coding": [{"display": "Appendectomy"}]}],
    "period": {"start": "2026-01-03T09:00:00+01:00", "end": "2026-01-03T11:15:00+01:00"},
    "location": [{"location": {"reference": "Location/1"}}, {"location": {"display": "Ward 4"}}],
    "serviceProvider": {"display": "Hospital"},
}


def told(**changes: Any) -> EncounterRecord:
    record = encounter_record(VISIT | changes)
    assert record is not None
    return record


def test_a_visit_is_what_when_and_where() -> None:
    record = told()
    assert (record.title, record.when) == ("Hospital stay: Appendectomy", "3 Jan 2026, 09:00 to 11:15")
    assert (record.place, record.status) == ("Ward 4", "in progress")
    assert told(period={"start": "2026-01-03", "end": "2026-01-05"}).when == "3 Jan 2026 to 5 Jan 2026"
    assert told(period={"start": "2026-01-03"}).when == "since 3 Jan 2026"
    assert told(period={"start": "2026-01-03"}, status="finished").when == "3 Jan 2026"
    assert told(period={"start": "2026-01-03", "end": "2026-01-03"}).when == "3 Jan 2026"
    assert told(period={"end": "2026-01-03"}).when == "until 3 Jan 2026"
    assert told(location=[]).place == "Hospital"


def test_a_visit_of_fhir_r5_is_read_too() -> None:
    r5 = told(**{"class": [{"coding": [{"code": "VR", "display": "virtual"}]}], "type": [], "period": None})
    assert r5.title == "Virtual visit"
    assert told(period=None, actualPeriod={"start": "2026-02-02"}).when == "since 2 Feb 2026"


def test_a_visit_entered_in_error_is_none() -> None:
    assert encounter_record(VISIT | {"status": "entered-in-error"}) is None


@given(st.dictionaries(st.sampled_from([*VISIT, "name", "identifier", "birthDate", "link"]), JSON))
def test_no_resource_is_too_strange_to_be_read(members: dict[str, Any]) -> None:
    """Hypothesis: whatever stands in the members, there is a record and never an error."""
    assert patient_record({**members, "id": "B"}, MRN).id == "B"
    record = encounter_record({**members, "id": "v"})
    assert record is None or record.id == "v"
