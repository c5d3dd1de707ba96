from __future__ import annotations

import json
import logging
import re
from dataclasses import fields
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from authz.audit.event import Event, EventName, Peer
from authz.audit.model import AuditEventRow
from authz.errors import Unavailable
from authz.users.model import UserRow

if TYPE_CHECKING:
    from tests.audit.conftest import Archive

EVERYTHING = Event(
    EventName.TOKEN_ISSUED,
    outcome="success",
    reason="because",
    sub="sub-1",
    role="Practitioner",
    client_id="app",
    fhir_server="main",
    aud="https://main.example/fhir",
    patient="P1",
    encounter="E1",
    scope="patient/*.rs",
    grant_id="g" * 32,
    token_id="jti-1",
    launch_id="launch-1",
    support_code="ABCD-1234",
    peer=Peer("192.0.2.1", "browser/1", "request-1"),
    detail={"amr": ["pwd"]},
)


def test_a_record_holds_who_what_when_where_and_why(archive: Archive) -> None:
    """security.md 4.1, "Per record"."""
    archive.own.clock.time = datetime(2026, 3, 1, 9, 0, 0, 123_000, tzinfo=UTC)
    with archive.own.db.write() as session:
        archive.own.trail.record(session, EVERYTHING)
    (record,) = archive.records()
    assert re.fullmatch(r"[0-9a-f]{32}", record.pop("id"))
    assert record == {
        "seq": None,
        "hash": None,
        "previous_hash": None,
        "at": "2026-03-01T09:00:00.123+00:00",
        "event": "token.issued",
        "outcome": "success",
        "reason": "because",
        "sub": "sub-1",
        "role": "Practitioner",
        "client_id": "app",
        "fhir_server": "main",
        "aud": "https://main.example/fhir",
        "patient": "P1",
        "encounter": "E1",
        "scope": "patient/*.rs",
        "grant_id": "g" * 32,
        "token_id": "jti-1",
        "launch_id": "launch-1",
        "support_code": "ABCD-1234",
        "request_id": "request-1",
        "peer": "192.0.2.1",
        "user_agent": "browser/1",
        "node": "node",
        "version": "0",
        "detail": {"amr": ["pwd"]},
    }


def test_no_member_of_an_event_is_forgotten(archive: Archive) -> None:
    row = archive.own.trail.row(EVERYTHING)
    apart = {"event", "peer", "one_by_one"}  # the last is how it is written, and no member of the record
    kept = {name.name: getattr(EVERYTHING, name.name) for name in fields(Event) if name.name not in apart}
    assert {name: getattr(row, name) for name in kept} == kept


def test_entries_of_one_moment_keep_their_order(archive: Archive) -> None:
    """A reader of the trail sees what was refused before what was done about it, however coarse the clock."""
    with archive.own.db.write() as session:
        for turn in range(20):
            archive.own.trail.record(session, Event(EventName.LOGIN, reason=str(turn)))
    assert [record["reason"] for record in archive.records()] == [str(turn) for turn in range(20)]


def test_what_is_not_done_is_not_on_the_trail(archive: Archive) -> None:
    """Decision 5: an event is written in the transaction it reports."""

    def undone() -> None:
        with archive.own.db.write() as session:
            archive.own.trail.record(session, EVERYTHING)
            session.flush()
            raise ChangedMind

    with pytest.raises(ChangedMind):
        undone()
    assert archive.records() == []


class ChangedMind(Exception):
    pass


def test_what_is_not_on_the_trail_is_not_done(archive: Archive) -> None:
    """AU-4: nothing happens without its record. Here a second record of the same id can't be written."""
    first, second = archive.own.trail.row(EVERYTHING), archive.own.trail.row(EVERYTHING)
    second.id = first.id
    with archive.own.db.write() as session:
        session.add(first)

    def unrecorded() -> None:
        with archive.own.db.write() as session:
            archive.own.users.add(session, "somebody", "Some Body")
            session.flush()
            session.add(second)

    with pytest.raises(IntegrityError):
        unrecorded()
    with archive.own.db.read() as session:
        assert session.scalars(select(UserRow)).all() == []


def test_a_refusal_is_kept_by_itself(archive: Archive) -> None:
    archive.own.trail.refused(Event(EventName.TOKEN_REFUSED, "refused", "invalid_grant", client_id="app"))
    assert [(r["event"], r["outcome"], r["reason"]) for r in archive.records()] == [
        ("token.refused", "refused", "invalid_grant")
    ]


def test_a_refusal_that_cannot_be_kept_is_logged_and_stays_a_refusal(
    archive: Archive, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """AU-4: an alarm."""

    def gone() -> None:
        raise Unavailable("the database does not answer")

    monkeypatch.setattr(archive.own.db, "write", gone)
    archive.own.trail.refused(Event(EventName.TOKEN_REFUSED, "refused", "invalid_grant", sub="secret-sub"))
    (logged,) = caplog.records
    assert (logged.levelno, logged.getMessage()) == (
        logging.ERROR,
        "a refusal could not be put on the audit trail: token.refused",
    )


NASTY = 'a\r\nInjected: yes\u2028\u2029\x1b[31m\x7f\t","event":"login","x":"{}\\'


def test_injected_characters_stay_in_one_field(archive: Archive) -> None:
    """AU-7: CR, LF, ANSI, U+2028 and JSON's own characters."""
    event = Event(
        EventName.AUTHORIZE_REFUSED, "refused", NASTY, client_id=NASTY, peer=Peer(None, NASTY), detail={NASTY: NASTY}
    )
    archive.own.trail.refused(event)
    archive.sealer.seal_once()
    (record,) = archive.records(client_id=NASTY)
    assert (record["reason"], record["user_agent"], record["detail"]) == (NASTY, NASTY, {NASTY: NASTY})
    line = json.dumps(record)
    assert line.isascii()
    assert line.isprintable()
    assert json.loads(line) == record
    assert archive.complaint() is None


def test_what_an_outsider_sends_is_cut_to_its_column(archive: Archive) -> None:
    """Else PostgreSQL refuses the record, and NUL besides."""
    long = "\0" + "x" * 1000
    peer = Peer(long, long, long)
    archive.own.trail.refused(
        Event(EventName.LOGIN_FAILED, "refused", long, long, client_id=long, patient=long, encounter=long, peer=peer)
    )
    (record,) = archive.records()
    lengths = {name: len(value) for name, value in record.items() if isinstance(value, str) and "x" in value}
    assert lengths == {
        "reason": 64,
        "sub": 255,
        "client_id": 64,
        "patient": 64,
        "encounter": 64,
        "peer": 64,
        "user_agent": 256,
        "request_id": 64,
    }
    assert "\0" not in json.dumps(record).encode().decode("unicode_escape")


def test_every_column_has_room_for_what_is_kept_in_it(archive: Archive) -> None:
    row = archive.own.trail.row(EVERYTHING)
    for column in AuditEventRow.__table__.columns:
        length = getattr(column.type, "length", None)
        value = getattr(row, column.key)
        assert length is None or value is None or len(value) <= length
