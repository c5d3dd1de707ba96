"""What a FHIR server says of who acts for whom, as it is read and kept."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authz.fhir_servers.bundle import SearchFailed
from authz.users.relationships import UNSAID
from authz.users.representation_links import bounds, read_links
from authz.users.user import Representation, Source
from tests.policy.test_access import SERVER

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.registries import Registries

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
PATIENT = {"resourceType": "Patient", "id": "c"}
anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=5)
    | st.sampled_from(["Patient/c", "2026", "RelatedPerson/r"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["reference", "start", "end", "text", "target", "type", "coding"]), inner)
    ),
    max_leaves=6,
)
members = st.dictionaries(
    st.sampled_from(["active", "patient", "period", "relationship", "link"]), anything, max_size=5
)


class Records(dict[str, dict[str, Any]]):
    """A FHIR server's resources, by reference."""

    def __call__(self, resource_type: str, ids: Iterable[str]) -> dict[str, dict[str, Any]]:
        return {key: self[f"{resource_type}/{key}"] for key in ids if f"{resource_type}/{key}" in self}


def read(related: dict[str, Any], patient: dict[str, Any] | None = None) -> list[Representation]:
    found = Records({"RelatedPerson/r": related, "Patient/c": PATIENT if patient is None else patient})
    return list(read_links(SERVER, "RelatedPerson/r", found, NOW))


@given(members, members, members)
def test_whatever_the_fhir_server_says_it_is_read_or_does_not_count(
    person: dict[str, Any], related: dict[str, Any], patient: dict[str, Any]
) -> None:
    """Issue 6.3: no other failure, and nobody but the patient that the RelatedPerson names."""
    records = Records({"Person/p": person, "RelatedPerson/r": related, "Patient/c": patient})
    for reference in ("Person/p", "RelatedPerson/r"):
        for one in read_links(SERVER, reference, records, NOW):
            assert related["patient"]["reference"] == "Patient/c"
            assert related.get("active", True) is True
            assert patient.get("active", True) is True
            assert one.expires_at is None or one.expires_at > NOW
            assert 0 < len(one.relationship) <= 64


@pytest.mark.parametrize(
    ("period", "until"),
    [
        ({}, None),
        ({"start": "2026-03-01T12:00:00Z"}, None),
        ({"end": "2026"}, "2027-01-01T00:00:00+00:00"),
        ({"end": "2026-12"}, "2027-01-01T00:00:00+00:00"),
        ({"end": "2026-03-01"}, "2026-03-02T00:00:00+00:00"),
        ({"end": "2026-03-01T13:00:00.5+00:30"}, "2026-03-01T12:30:01+00:00"),
    ],
)
def test_a_period_holds_to_the_end_of_what_it_names(period: dict[str, str], until: str | None) -> None:
    """FHIR Period: the end is within it, as exactly as it was said."""
    (one,) = read({"patient": {"reference": "Patient/c"}, "period": period})
    assert one == Representation("c", UNSAID, datetime.fromisoformat(until) if until else None, Source.FHIR)


@pytest.mark.parametrize(
    "period",
    [{"end": "2026-02"}, {"end": "2026-03-01T12:59:58+01:00"}, {"start": "2026-03-01T12:00:01Z"}, {"end": None}, []],
)
def test_outside_of_it_nobody_acts(period: Any) -> None:
    assert read({"patient": {"reference": "Patient/c"}, "period": period}) == []


@given(st.datetimes(min_value=datetime(1, 1, 2), max_value=datetime(9998, 1, 1)))  # noqa: DTZ001  the zone is added
def test_a_moment_is_within_its_day_month_and_year(moment: datetime) -> None:
    """FHIR dateTime."""
    at = moment.replace(tzinfo=UTC)
    text = at.isoformat(timespec="seconds").replace("+00:00", "Z")
    for length in (4, 7, 10, 20):
        begins, ends = bounds(text[:length])
        assert begins <= at < ends


@pytest.mark.parametrize(
    "text", ["", "20", "2026-13", "2026-02-30", "2026-03-01T12:00", "9999-12-31", "٢٠٢٦", 2026, None]
)
def test_what_is_no_fhir_time_is_refused(text: Any) -> None:
    with pytest.raises(ValueError, match=r"."):
        bounds(text)


def test_of_two_for_one_patient_the_longer_counts() -> None:
    """A guardian until June who is the father as well."""
    to_c = {"patient": {"reference": "Patient/c"}}
    person = {"link": [{"target": {"reference": f"RelatedPerson/{key}"}} for key in "ab"]}
    father = to_c | {"relationship": {"text": "father"}}
    records = Records({"Person/p": person, "Patient/c": PATIENT, "RelatedPerson/a": father})
    records["RelatedPerson/b"] = to_c | {"period": {"end": "2026-06"}}
    assert read_links(SERVER, "Person/p", records, NOW) == (Representation("c", "father", None, Source.FHIR),)


def test_nobody_acts_for_more_than_can_be_asked_about() -> None:
    person = {"link": [{"target": {"reference": f"RelatedPerson/{key}"}} for key in range(21)]}
    with pytest.raises(SearchFailed):
        read_links(SERVER, "Person/p", Records({"Person/p": person}), NOW)


def test_of_two_answers_the_one_asked_for_later_stays(made: Registries) -> None:
    """Issue 6.3: a slow yes does not undo the no that overtook it."""
    made.add_fhir_server(representation_links=True)
    child = Representation("child-1", "father", None, Source.FHIR)
    early, late = made.clock(), made.clock() + timedelta(seconds=1)

    def kept(found: list[Representation], asked_at: datetime) -> tuple[set[str], set[str]]:
        with made.db.write() as session:
            return made.users.acting.keep(session, "main", "RelatedPerson/r", found, asked_at)

    assert kept([child], early - timedelta(hours=1)) == ({"child-1"}, set())
    assert kept([], late) == (set(), {"child-1"})
    assert kept([child], early) == (set(), set())
    assert made.users.acting.linked_to("main", "RelatedPerson/r") == frozenset()
    assert kept([child], late) == ({"child-1"}, set())
    assert made.users.acting.linked_to("main", "RelatedPerson/r") == {"child-1"}
