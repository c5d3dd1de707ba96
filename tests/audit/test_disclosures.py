"""The accounting of disclosures (security.md AU-11; 45 CFR 164.528): who, when, to whom, which patient, what, why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from authz.audit import disclosures as module
from authz.audit.disclosures import disclosures
from authz.audit.event import EventName
from authz.audit.search import Query

if TYPE_CHECKING:
    from tests.audit.conftest import Archive

TOKEN: dict[str, Any] = {
    "sub": "s",
    "role": "Practitioner",
    "client_id": "app",
    "fhir_server": "main",
    "patient": "P1",
    "scope": "patient/*.rs",
    "grant_id": "g",
    "token_id": "t1",
}


def told(archive: Archive, **asked: Any) -> list[dict[str, Any]]:
    with archive.own.db.read() as session:
        return list(disclosures(session, Query(**{"patient": "P1", **asked})))


def test_an_entry_says_who_when_to_whom_what_and_why(archive: Archive) -> None:
    """AU-11, every column."""
    archive.happen(1, **TOKEN | {"event": EventName.CONSENT_GRANTED, "token_id": None})
    archive.happen(1, **TOKEN | {"event": EventName.TOKEN_ISSUED})
    assert told(archive) == [
        {
            "at": "2026-03-01T09:00:00.002+00:00",
            "fhir_server": "main",
            "patient": "P1",
            "client_id": "app",
            "sub": "s",
            "role": "Practitioner",
            "scope": "patient/*.rs",
            "purpose": None,
            "why": "the person agreed",
            "grant_id": "g",
            "token_id": "t1",
        }
    ]


def test_a_refresh_discloses_again(archive: Archive) -> None:
    archive.happen(1, **TOKEN | {"event": EventName.TOKEN_ISSUED})
    archive.happen(1, **TOKEN | {"event": EventName.TOKEN_REFRESHED, "token_id": "t2"})
    assert [entry["token_id"] for entry in told(archive)] == ["t1", "t2"]


@pytest.mark.parametrize(
    ("event", "reason", "detail", "why", "purpose"),
    [
        (EventName.CONSENT_SKIPPED, None, {}, "agreed for its staff by the hospital", None),
        (EventName.GLASS_BROKEN, "ETREAT", {"text": "collapsed"}, "emergency access by staff: collapsed", "ETREAT"),
        (EventName.LOGIN, None, {}, "the person had agreed before", None),
    ],
)
def test_the_reason_is_what_the_grant_rests_on(
    archive: Archive,
    event: EventName,
    reason: str | None,
    detail: dict[str, str],
    why: str,
    purpose: str | None,
) -> None:
    archive.happen(1, **TOKEN | {"event": event, "reason": reason, "detail": detail})
    archive.happen(1, **TOKEN | {"event": EventName.CODE_ISSUED})
    archive.happen(1, **TOKEN | {"event": EventName.TOKEN_ISSUED})
    (entry,) = told(archive)
    assert (entry["why"], entry["purpose"]) == (why, purpose)


def test_an_emergency_says_more_than_a_consent(archive: Archive) -> None:
    for event in (EventName.GLASS_BROKEN, EventName.CONSENT_SKIPPED, EventName.TOKEN_ISSUED):
        archive.happen(1, **TOKEN | {"event": event})
    assert [entry["why"] for entry in told(archive)] == ["emergency access by staff"]


def test_a_service_has_its_own_right(archive: Archive) -> None:
    archive.happen(1, **TOKEN | {"event": EventName.TOKEN_ISSUED, "sub": None, "role": None})
    assert [entry["why"] for entry in told(archive)] == ["a service by its own right"]


def test_other_patients_refusals_and_other_events_are_left_out(archive: Archive) -> None:
    archive.happen(1, **TOKEN | {"event": EventName.TOKEN_ISSUED, "patient": "P2"})
    archive.happen(1, **TOKEN | {"event": EventName.TOKEN_REFUSED, "outcome": "refused"})
    archive.happen(1, **TOKEN | {"event": EventName.CODE_ISSUED})
    assert told(archive) == []


def test_a_patient_of_the_same_id_elsewhere_can_be_left_out(archive: Archive) -> None:
    archive.happen(1, **TOKEN | {"event": EventName.TOKEN_ISSUED, "fhir_server": "other"})
    assert len(told(archive)) == 1
    assert told(archive, fhir_server="main") == []


def test_there_is_no_most(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAGE", 2)
    archive.happen(1, **TOKEN | {"event": EventName.CONSENT_GRANTED})
    archive.happen(5, **TOKEN | {"event": EventName.TOKEN_REFRESHED})
    assert [entry["why"] for entry in told(archive)] == ["the person agreed"] * 5
