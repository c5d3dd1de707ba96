from __future__ import annotations

import hashlib
import json
import threading
from typing import TYPE_CHECKING, Any

import pytest
from flask import current_app
from sqlalchemy import select, text

from authz.audit import sealer as module
from authz.audit.chain import LATER
from authz.audit.event import Event, EventName
from authz.audit.model import AuditAnchorRow, AuditEventRow, AuditSealRow
from authz.audit.order import ORDER
from authz.errors import Unavailable

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from tests.audit.conftest import Archive

SEALS = AuditEventRow.id == AuditSealRow.event_id


def test_records_are_numbered_in_the_order_of_their_time(archive: Archive) -> None:
    """Decision 5, security.md 4.1: a monotonic sequence."""
    archive.happen(5)
    assert archive.sealer.seal_once() == 5
    assert [number for number, _ in archive.chain()] == [1, 2, 3, 4, 5]
    assert [record["seq"] for record in archive.records()] == [1, 2, 3, 4, 5]


def test_nothing_is_sealed_twice(archive: Archive) -> None:
    archive.happen(2)
    assert [archive.sealer.seal_once() for _ in range(2)] == [2, 0]
    archive.happen(1)
    assert [archive.sealer.seal_once(), archive.another_sealer().seal_once()] == [1, 0]
    assert [number for number, _ in archive.chain()] == [1, 2, 3]


def test_a_link_is_the_hash_of_the_link_before_and_the_whole_record(archive: Archive) -> None:
    """Computed by hand, as whoever holds an export can do it."""
    archive.happen(2, sub="someone", detail={"ü": 1, "a": [True, None]})
    archive.sealer.seal_once()
    with archive.own.db.read() as session:
        events = session.scalars(select(AuditEventRow).order_by(*ORDER)).all()
        hashes = list(session.scalars(select(AuditSealRow.hash).order_by(AuditSealRow.seq)))
    previous = "0" * 64
    for event, found in zip(events, hashes, strict=True):
        members: dict[str, Any] = {column.key: getattr(event, column.key) for column in AuditEventRow.__table__.columns}
        members = {name: value for name, value in members.items() if value is not None or name not in LATER}
        members["at"] = event.at.isoformat(timespec="microseconds")
        canonical = json.dumps(members, sort_keys=True, separators=(",", ":"))
        previous = hashlib.sha256((previous + canonical).encode()).hexdigest()
        assert found == previous


def test_a_pass_takes_at_most_a_batch(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BATCH", 3)
    archive.happen(7)
    assert [archive.sealer.seal_once() for _ in range(4)] == [3, 3, 1, 0]
    assert archive.complaint() is None


def test_a_record_committed_late_is_sealed_after_those_before_it(archive: Archive) -> None:
    """Its time is older, its number is higher: the sequence says when it was committed."""
    late = archive.own.trail.row(Event(EventName.LOGOUT))
    archive.happen(2)
    archive.sealer.seal_once()
    with archive.own.db.write() as session:
        session.add(late)
    assert archive.sealer.seal_once() == 1
    assert archive.chain()[-1] == (3, late.id)


@pytest.mark.parametrize("step", [{"hours": -2}, {"hours": 2}, {"days": -400}])
def test_a_stepped_clock_is_visible_and_the_sequence_continues(archive: Archive, step: dict[str, float]) -> None:
    """AU-8: the clock is put back, or forward."""
    archive.happen(1)
    archive.sealer.seal_once()
    before = archive.own.clock()
    archive.own.clock.move(**step)
    archive.happen(1)
    assert archive.sealer.seal_once() == 1
    with archive.own.db.read() as session:
        times = list(session.scalars(select(AuditEventRow.at).join(AuditSealRow, SEALS).order_by(AuditSealRow.seq)))
    assert (times[1] > before) == (archive.own.clock() > before)
    assert archive.complaint() is None


def test_after_a_clock_was_ahead_nothing_stays_unsealed(archive: Archive) -> None:
    """AU-8: seals from the future do not hide the present."""
    archive.own.clock.move(hours=5)
    archive.happen(1)
    archive.sealer.seal_once()
    archive.own.clock.move(hours=-5)
    archive.happen(3)
    assert archive.sealer.seal_once() == 3
    assert archive.verified().unsealed == 0


def test_what_was_left_from_before_a_restart_is_sealed(archive: Archive) -> None:
    """I7, AU-5: a process that died left records without a seal, however old they are by now."""
    archive.happen(2)
    archive.sealer.seal_once()
    archive.happen(2)
    archive.own.clock.move(days=3)
    archive.happen(1)
    assert archive.another_sealer().seal_once() == 3
    assert archive.verified().unsealed == 0


class TestLookingBack:
    """Decision 5: nothing that is committed stays unsealed, and no look at the trail grows with it."""

    @pytest.fixture
    def left_behind(self, archive: Archive) -> Archive:
        """Three records of a machine whose clock is a day behind, among others that are sealed."""
        archive.own.clock.move(days=-1)
        archive.happen(3, reason="behind")
        archive.own.clock.move(days=1)
        archive.happen(4)
        with archive.own.db.write() as session:
            rows = session.scalars(select(AuditEventRow).where(AuditEventRow.reason.is_(None))).all()
            session.add(AuditSealRow(seq=1, event_id=rows[-1].id, hash="0" * 64, sealed_at=archive.own.clock()))
        return archive

    def test_the_usual_look_goes_back_a_little(self, left_behind: Archive) -> None:
        assert left_behind.sealer.seal_once() == 3

    @pytest.mark.parametrize("window", [1, 2, 3, 100])
    def test_once_in_each_process_the_whole_trail_is_looked_through(
        self, left_behind: Archive, monkeypatch: pytest.MonkeyPatch, window: int
    ) -> None:
        monkeypatch.setattr(module, "WINDOW", window)
        left_behind.sealer.seal_once()
        sealed = 0
        while not left_behind.sealer.has_looked_at_all:
            sealed += left_behind.sealer.look_back()
        assert sealed == 3
        assert left_behind.verified().unsealed == 0

    def test_a_window_with_more_than_a_batch_is_looked_at_again(
        self, left_behind: Archive, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module, "BATCH", 2)
        assert [left_behind.sealer.look_back() for _ in range(3)] == [2, 2, 2]

    def test_a_backlog_is_sealed_to_its_end(self, archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
        """A key that was away for an hour: the records of that hour are older than any usual look goes back."""
        archive.happen(1)
        archive.sealer.seal_once()
        monkeypatch.setattr(module, "BATCH", 2)
        for _ in range(6):
            archive.own.clock.move(minutes=20)
            archive.happen(1)
        assert [archive.sealer.seal_once() for _ in range(4)] == [2, 2, 2, 0]


class TestAnchors:
    def test_the_first_link_is_anchored(self, archive: Archive) -> None:
        archive.happen(1)
        archive.sealer.seal_once()
        assert archive.anchored() == [1]

    def test_an_anchor_is_the_server_s_signature_over_number_and_hash(self, archive: Archive) -> None:
        archive.happen(3)
        archive.sealer.seal_once()
        with archive.own.db.read() as session:
            (anchor,) = session.scalars(select(AuditAnchorRow)).all()
            seal = session.get_one(AuditSealRow, 3)
        claims = archive.keyring.verify(anchor.signature, "authz-audit-anchor+jwt")
        assert claims == {"seq": 3, "hash": seal.hash, "iat": int(archive.own.clock().timestamp())}

    def test_every_hundredth_link_is_anchored(self, archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "ANCHOR_EVERY", 4)
        for _ in range(10):
            archive.happen(1)
            archive.sealer.seal_once()
        assert archive.anchored() == [1, 5, 9]

    def test_a_minute_after_the_last_anchor_the_next_link_is_anchored(self, archive: Archive) -> None:
        archive.happen(1)
        archive.sealer.seal_once()
        archive.happen(1)
        archive.sealer.seal_once()
        archive.own.clock.move(seconds=60)
        archive.sealer.seal_once()
        assert archive.anchored() == [1, 2]

    def test_where_nothing_happened_nothing_is_anchored(self, archive: Archive) -> None:
        archive.sealer.seal_once()
        archive.happen(1)
        archive.sealer.seal_once()
        archive.own.clock.move(days=1)
        archive.sealer.seal_once()
        assert archive.anchored() == [1]


class TestRun:
    def test_it_seals_until_it_is_told_to_stop(self, archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "BATCH", 2)
        archive.happen(5)
        archive.sealer.run(Told(passes=1))
        assert len(archive.chain()) == 5

    def test_a_database_that_is_away_is_tried_again(
        self, archive: Archive, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        archive.happen(1)
        seal_once = archive.sealer.seal_once
        answers = iter([False, True])

        def away_at_first() -> int:
            if not next(answers, True):
                raise Unavailable("the database does not answer")
            return seal_once()

        monkeypatch.setattr(archive.sealer, "seal_once", away_at_first)
        archive.sealer.run(Told(passes=2))
        assert len(archive.chain()) == 1
        assert [record.getMessage() for record in caplog.records] == [
            "the audit trail could not be sealed; trying again"
        ]

    def test_a_key_that_is_away_is_tried_again(self, archive: Archive, caplog: pytest.LogCaptureFixture) -> None:
        active = archive.keyring.keys().active
        assert active is not None
        file = archive.keyring.directory / f"{active.kid}.pem"
        file.rename(file.with_suffix(".away"))
        archive.keyring.forget()
        archive.keyring.private.clear()
        archive.happen(1)
        archive.sealer.run(Told(passes=1))
        assert archive.chain() == []
        assert caplog.messages == ["the audit trail could not be sealed; trying again"]

    def test_it_is_at_most_a_second_behind(self) -> None:
        """Decision 5."""
        assert module.PAUSE_SECONDS < 1


class Told(threading.Event):
    """Says to go on for some passes, without letting time pass."""

    def __init__(self, passes: int) -> None:
        super().__init__()
        self.passes = passes

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout == module.PAUSE_SECONDS
        self.passes -= 1
        return self.passes < 0


def test_of_several_sealers_one_works_and_the_chain_is_whole(archive: Archive) -> None:
    """Decision 5: one in every process, at the same time; on PostgreSQL those who come second go away."""
    archive.happen(60)
    everyone = [archive.another_sealer() for _ in range(4)]
    errors: list[Exception] = []
    app = current_app._get_current_object()  # type: ignore[attr-defined]  # as Flask documents for threads

    def work(sealer: module.Sealer) -> None:
        with app.app_context():
            for _ in range(5):
                try:
                    sealer.seal_once()
                except Unavailable as error:
                    errors.append(error)

    threads = [threading.Thread(target=work, args=[sealer]) for sealer in everyone]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert [number for number, _ in archive.chain()] == list(range(1, 61))
    assert archive.complaint() is None


@pytest.mark.postgres
@pytest.mark.parametrize("made", ["postgres"], indirect=True)
def test_while_another_process_seals_this_one_does_not_wait(archive: Archive) -> None:
    """Decision 5: an advisory lock, tried and not waited for."""
    archive.happen(1)
    with archive.own.db.write() as other:
        lock(other)
        assert archive.sealer.seal_once() == 0
    assert archive.sealer.seal_once() == 1


def lock(session: Session) -> None:
    session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": module.LOCK})


def test_a_seal_is_kept_only_with_its_batch(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sealer that dies halfway leaves no gap."""
    archive.happen(3)

    def dies(*_: object) -> None:
        raise RuntimeError

    with monkeypatch.context() as patch:
        patch.setattr(archive.sealer, "anchor", dies)
        with pytest.raises(RuntimeError):
            archive.sealer.seal_once()
    assert archive.chain() == []
    assert archive.sealer.seal_once() == 3
