"""Records go when their time is over, none before, and the chain stays whole (security.md AU-10)."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select, text

from authz.audit import retention as module
from authz.audit.cut import sign_cuts_anew
from authz.audit.event import EventName
from authz.audit.model import AuditCutRow
from authz.audit.retention import Held, Purged, Retention
from authz.errors import InvalidValue, NotFound
from authz.keyring.rotation import Rotation

if TYPE_CHECKING:
    from datetime import datetime

    from tests.audit.conftest import Archive

YEARS = 2192


@pytest.fixture
def aged(archive: Archive) -> Archive:
    """Six records of seven years ago, alternately of two patients, and four of today; all sealed."""
    for number in range(6):
        archive.happen(1, patient=f"P{number % 2}", sub="s", client_id="app")
    archive.sealer.seal_once()
    archive.own.clock.move(days=7 * 366)
    archive.happen(4, patient="P1")
    archive.another_sealer().seal_once()
    return archive


def retention(archive: Archive) -> Retention:
    return Retention(archive.own.trail, archive.keyring)


def limit(archive: Archive) -> datetime:
    return archive.own.clock() - timedelta(days=YEARS)


def purge(archive: Archive, **how: Any) -> Purged:
    return retention(archive).purge(limit(archive), "somebody", **how)


def hold(archive: Archive, **what: Any) -> str:
    with archive.own.db.write() as session:
        return retention(archive).hold(session, Held(**what), "case 7").id


def numbers(archive: Archive) -> list[int | None]:
    return [record["seq"] for record in archive.records() if record["event"] != EventName.AUDIT_PURGED.value]


def test_what_is_older_goes_and_the_rest_stays(aged: Archive) -> None:
    """45 CFR 164.316(b)(2)(i): six years; a second purge finds nothing."""
    assert purge(aged) == (6, 0)
    assert numbers(aged) == [7, 8, 9, 10]
    assert purge(aged) == (0, 0)


def test_the_chain_is_whole_afterwards_and_goes_on(aged: Archive) -> None:
    purge(aged)
    aged.sealer.seal_once()
    found = aged.verified()
    assert (found.finding, found.removed, found.sealed, found.unsealed) == (None, 6, 5, 0)


def test_a_purge_is_on_the_trail_itself(aged: Archive) -> None:
    purge(aged)
    (record,) = aged.records(event=EventName.AUDIT_PURGED.value)
    assert (record["reason"], record["role"], record["detail"]["operator"]) == ("retention", "operator", "somebody")
    assert record["detail"]["before"] == limit(aged).isoformat()
    assert [cut[:2] for cut in record["detail"]["cuts"]] == [[1, 6]]


def test_a_rehearsal_says_the_same_and_removes_nothing(aged: Archive) -> None:
    assert purge(aged, is_rehearsal=True) == (6, 0)
    assert len(aged.records()) == 10


@pytest.mark.parametrize(
    ("what", "kept"),
    [
        ({"patient": "P0"}, [1, 3, 5]),
        ({"patient": "P0", "sub": "another"}, []),
        ({"sub": "s"}, [1, 2, 3, 4, 5, 6]),
        ({"client_id": "app", "patient": "P1"}, [2, 4, 6]),
    ],
)
def test_what_a_legal_hold_describes_stays(aged: Archive, what: dict[str, str], kept: list[int]) -> None:
    """AU-10; in the chain the gaps around it are each vouched for."""
    hold(aged, **what)
    assert purge(aged) == (6 - len(kept), len(kept))
    assert numbers(aged) == [*kept, 7, 8, 9, 10]
    assert aged.complaint() is None


def test_a_hold_may_be_about_a_time(aged: Archive) -> None:
    third = aged.records()[2]["at"]
    moments = [record["at"] for record in aged.records()]
    assert moments[2] == third
    since = aged.own.clock() - timedelta(days=7 * 366, milliseconds=4 + 3)
    hold(aged, since=since, until=since + timedelta(milliseconds=2))
    purge(aged)
    assert [number for number in numbers(aged) if number is not None and number < 7] == [3, 4]


def test_a_hold_that_is_lifted_keeps_nothing(aged: Archive) -> None:
    placed = hold(aged, patient="P0")
    purge(aged)
    with aged.own.db.write() as session:
        retention(aged).lift(session, placed)
    assert purge(aged) == (3, 0)
    assert (numbers(aged), aged.complaint()) == ([7, 8, 9, 10], None)


def test_a_hold_says_what_it_is_about(archive: Archive) -> None:
    with archive.own.db.write() as session, pytest.raises(InvalidValue, match="say what is to be kept"):
        retention(archive).hold(session, Held(), "everything?")


def test_a_hold_that_is_not_there_is_not_lifted(archive: Archive) -> None:
    with archive.own.db.write() as session, pytest.raises(NotFound):
        retention(archive).lift(session, "nothing")


def test_the_last_record_stays_whatever_its_age(archive: Archive) -> None:
    """The chain goes on from it: numbers never begin anew."""
    archive.happen(3)
    archive.sealer.seal_once()
    archive.own.clock.move(days=7 * 366)
    assert purge(archive) == (2, 0)
    archive.another_sealer().seal_once()
    assert [number for number, _ in archive.chain()] == [3, 4]
    assert archive.complaint() is None


def test_what_is_not_sealed_stays(archive: Archive) -> None:
    archive.happen(3)
    archive.own.clock.move(days=7 * 366)
    assert purge(archive) == (0, 0)
    assert len(archive.records()) == 3


@pytest.mark.parametrize("batch", [1, 2, 4])
def test_it_goes_in_batches(aged: Archive, monkeypatch: pytest.MonkeyPatch, batch: int) -> None:
    monkeypatch.setattr(module, "BATCH", batch)
    hold(aged, patient="P1")
    assert purge(aged) == (3, 3)
    assert (numbers(aged), aged.complaint()) == ([2, 4, 6, 7, 8, 9, 10], None)


class TestForgedCuts:
    """AU-2: the statement that stands for removed records is signed; without the key nothing can be taken out."""

    def test_a_cut_without_a_signature_leads_nowhere(self, aged: Archive) -> None:
        aged.tamper(
            "INSERT INTO audit_cut (id, first_seq, last_seq, hash, kid, signature, cut_at)"
            " SELECT 'forged', 3, 4, hash, 'kid', 'a.b.c', sealed_at FROM audit_seal WHERE seq = 4"
        )
        aged.tamper("DELETE FROM audit_seal WHERE seq IN (3, 4)")
        assert aged.complaint() == (3, "record 3 is missing from the chain")

    @pytest.mark.parametrize("change", ["last_seq = 8", "first_seq = 2", "hash = 'x'"])
    def test_a_cut_that_was_changed_leads_nowhere(self, aged: Archive, change: str) -> None:
        purge(aged)
        aged.tamper(f"UPDATE audit_cut SET {change}")  # noqa: S608  the changes of this test
        aged.tamper("DELETE FROM audit_seal WHERE seq <= 8")
        assert aged.complaint() == (1, "record 1 is missing from the chain")

    def test_a_signature_for_another_purpose_is_none(self, aged: Archive) -> None:
        purge(aged)
        with aged.own.db.read() as session:
            cut = session.scalars(select(AuditCutRow)).one()
        claims = {"first": cut.first_seq, "last": cut.last_seq, "hash": cut.hash}
        aged.tamper("UPDATE audit_cut SET signature = :other", other=aged.keyring.sign(claims))
        assert aged.complaint() == (1, "record 1 is missing from the chain")


class TestKeysAndCuts:
    def test_a_cut_outlives_the_key_that_signed_it(self, aged: Archive) -> None:
        """Keys are rotated and removed: the sealer signs again while the old key is still published."""
        purge(aged)
        rotation = Rotation(aged.keyring, 0)
        old = aged.keyring.active_kid()
        with aged.own.db.write() as session:
            rotation.rotate(session, at_once=True)
        aged.keyring.forget()
        aged.own.clock.move(seconds=60)
        aged.happen(1)
        aged.sealer.seal_once()
        with aged.own.db.write() as session:
            rotation.remove(session, old, at_once=True)
        aged.keyring.forget()
        aged.own.clock.move(seconds=60)
        aged.happen(1)
        aged.sealer.seal_once()
        assert aged.complaint() is None

    def test_it_is_signed_once_by_each_key(self, aged: Archive) -> None:
        purge(aged)
        for _ in range(2):
            with aged.own.db.write() as session:
                sign_cuts_anew(session, aged.keyring)
        with aged.own.db.read() as session:
            assert len(session.scalars(select(AuditCutRow)).all()) == 1

    def test_a_forged_cut_is_not_signed_again(self, aged: Archive) -> None:
        aged.tamper(
            "INSERT INTO audit_cut (id, first_seq, last_seq, hash, kid, signature, cut_at)"
            " SELECT 'forged', 3, 4, hash, 'kid', 'a.b.c', sealed_at FROM audit_seal WHERE seq = 4"
        )
        with aged.own.db.write() as session:
            sign_cuts_anew(session, aged.keyring)
        with aged.own.db.read() as session:
            assert [row.id for row in session.scalars(select(AuditCutRow))] == ["forged"]


def test_the_database_lets_nothing_go_without_a_statement(aged: Archive) -> None:
    """The triggers: what a cut covers may go, and its neighbours may not."""
    purge(aged)
    with pytest.raises(Exception, match="append-only"), aged.own.db.write() as session:
        session.execute(text("DELETE FROM audit_seal WHERE seq = 7"))
