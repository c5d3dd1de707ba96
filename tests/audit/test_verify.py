from __future__ import annotations

import json
from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import pytest
from joserfc import jws
from joserfc.jwk import RSAKey
from sqlalchemy import delete, select, update

from authz.audit import verify
from authz.audit.chain import ANCHOR_TYP, FIRST, link, record_of
from authz.audit.event import Event, EventName
from authz.audit.late import Late
from authz.audit.model import AuditAnchorRow, AuditEventRow, AuditSealRow
from authz.audit.verify import ELSEWHERE, NEWEST_UNKNOWN, Verification
from authz.keyring.rotation import Rotation

if TYPE_CHECKING:
    from tests.audit.conftest import Archive

SEALS = AuditEventRow.id == AuditSealRow.event_id
CHANGED = "the record or its place in the chain was changed"
REMADE = "the chain up to an anchor was made anew or cut off"


@pytest.fixture
def sealed(archive: Archive) -> Archive:
    """Ten sealed records, anchored at 5 and 10, and one that is not sealed yet."""
    archive.happen(5, sub="someone", detail={"n": 1})
    archive.sealer.seal_once()
    archive.own.clock.move(seconds=60)
    archive.happen(5, patient="P1")
    archive.sealer.seal_once()
    archive.happen(1)
    assert archive.anchored() == [5, 10]
    return archive


def event_id(archive: Archive, number: int) -> str:
    return dict(archive.chain())[number]


def test_an_untouched_trail_is_intact(sealed: Archive) -> None:
    assert sealed.verified() == Verification(sealed=10, unsealed=1, anchors=2, removed=0, finding=None)


class TestATrailThatIsMadeAnew:
    """security.md AU-2: with the database alone; the server itself seals and signs what it finds there."""

    @pytest.fixture
    def anew(self, sealed: Archive) -> Archive:
        sealed.own.clock.move(days=3)
        sealed.tamper("DELETE FROM audit_anchor")
        sealed.tamper("DELETE FROM audit_seal")
        sealed.tamper("DELETE FROM audit_event WHERE patient = 'P1'")
        sealed.another_sealer().seal_once()
        return sealed

    def test_its_records_are_named_as_sealed_long_after_they_were_written(self, anew: Archive) -> None:
        found = anew.verified()
        assert (found.finding, found.late) == (None, Late(sealed=6, first=1, last=6, anchors=1))

    def test_the_time_of_a_signature_is_not_made_up(self, anew: Archive) -> None:
        anew.tamper("UPDATE audit_seal SET sealed_at = (SELECT at FROM audit_event WHERE id = event_id)")
        assert anew.verified().late == Late(anchors=1)

    def test_a_copy_elsewhere_shows_it(self, sealed: Archive) -> None:
        copied = dict.fromkeys(sealed.anchored(), "0" * 64)
        assert sealed.complaint(copied) == (5, ELSEWHERE)


def test_what_was_sealed_within_an_hour_is_not_late(archive: Archive) -> None:
    archive.happen(2)
    archive.own.clock.move(minutes=59)
    archive.sealer.seal_once()
    assert not archive.verified().late


def test_what_happened_while_no_server_ran_is_named(sealed: Archive) -> None:
    """An operator's command; it is intact all the same."""
    sealed.own.clock.move(hours=2)
    sealed.sealer.seal_once()
    assert sealed.verified().late == Late(sealed=1, first=11, last=11, anchors=1)


def test_an_empty_trail_is_intact(archive: Archive) -> None:
    assert archive.verified() == Verification(0, 0, 0, 0, None)


OTHER: dict[str, Any] = {column.key: "x" for column in AuditEventRow.__table__.columns} | {
    "at": datetime(2020, 1, 1, tzinfo=UTC),
    "detail": {"n": 2},
}


@pytest.mark.parametrize("column", sorted(set(OTHER) - {"id"}))
def test_a_change_of_any_column_is_named(sealed: Archive, column: str) -> None:
    """AU-2: alter a row; ONC 170.315(d)(2): alteration is detectable."""
    alter = update(AuditEventRow).where(AuditEventRow.id == event_id(sealed, 7))
    sealed.tamper(alter.values({column: OTHER[column]}))
    assert sealed.complaint() == (7, CHANGED)


def test_a_change_by_one_microsecond_is_named(sealed: Archive) -> None:
    with sealed.unguarded() as session:
        row = session.get_one(AuditEventRow, event_id(sealed, 3))
        row.at = row.at.replace(microsecond=row.at.microsecond + 1)
    assert sealed.complaint() == (3, CHANGED)


def test_the_record_itself_is_named(sealed: Archive) -> None:
    sealed.tamper("UPDATE audit_event SET sub = 'x' WHERE id = :id", id=event_id(sealed, 4))
    finding = sealed.verified().finding
    assert finding is not None
    assert finding.event_id == event_id(sealed, 4)


def test_a_deleted_record_is_named(sealed: Archive) -> None:
    """AU-2: delete a row."""
    sealed.tamper("DELETE FROM audit_event WHERE id = :id", id=event_id(sealed, 4))
    assert sealed.complaint() == (4, "the sealed record was deleted")


@pytest.mark.parametrize(("number", "named"), [(1, 1), (6, 6)])
def test_a_record_deleted_with_its_seal_is_named(sealed: Archive, number: int, named: int) -> None:
    id_ = event_id(sealed, number)
    sealed.tamper("DELETE FROM audit_seal WHERE seq = :seq", seq=number)
    sealed.tamper("DELETE FROM audit_event WHERE id = :id", id=id_)
    assert sealed.complaint() == (named, f"record {named} is missing from the chain")


def test_two_records_that_changed_places_are_named(sealed: Archive) -> None:
    """AU-2: reorder."""
    one, other = event_id(sealed, 2), event_id(sealed, 8)
    for seq, id_ in ((2, "-"), (8, one), (2, other)):
        sealed.tamper("UPDATE audit_seal SET event_id = :id WHERE seq = :seq", id=id_, seq=seq)
    assert sealed.complaint() == (2, CHANGED)


def test_an_inserted_record_is_named(sealed: Archive) -> None:
    """Numbers moved up to make room for it."""
    sealed.tamper("UPDATE audit_seal SET seq = seq + 100 WHERE seq > 5")
    sealed.tamper("UPDATE audit_seal SET seq = seq - 99 WHERE seq > 5")
    with sealed.own.db.write() as session:
        row = sealed.own.trail.row(Event(EventName.LOGIN))
        session.add(row)
        session.flush()
        session.add(AuditSealRow(seq=6, event_id=row.id, hash="0" * 64, sealed_at=sealed.own.clock()))
    assert sealed.complaint() == (6, CHANGED)


def test_a_tail_that_was_cut_off_is_named(sealed: Archive) -> None:
    """The last records with their seals: the anchor still knows of them."""
    sealed.tamper("DELETE FROM audit_seal WHERE seq > 8")
    assert sealed.complaint() == (10, REMADE)


def remake(archive: Archive, start: int) -> None:
    """Chain everything anew from a number on, as somebody would who changed a record."""
    with archive.unguarded() as session:
        rows = session.execute(
            select(AuditSealRow, AuditEventRow).join(AuditEventRow, SEALS).order_by(AuditSealRow.seq)
        )
        previous = FIRST
        for seal, event in rows.all():
            if seal.seq >= start:
                seal.hash = link(previous, record_of(event))
            previous = seal.hash


def test_a_chain_made_anew_is_named_by_its_anchor(sealed: Archive) -> None:
    """The anchor is signed: the chain can't be made anew without the signing key."""
    sealed.tamper("UPDATE audit_event SET sub = 'x' WHERE id = :id", id=event_id(sealed, 7))
    remake(sealed, 7)
    assert sealed.complaint() == (10, REMADE)


def forge(archive: Archive, seq: int, key: RSAKey, **header: Any) -> None:
    """Anchor a link as it is now, by another key."""
    with archive.unguarded() as session:
        anchor = session.get_one(AuditAnchorRow, seq)
        anchor.hash = session.get_one(AuditSealRow, seq).hash
        claims = f'{{"seq":{seq},"hash":"{anchor.hash}","iat":1}}'
        protected = {"alg": "RS256", "typ": ANCHOR_TYP, **header}
        anchor.signature = jws.serialize_compact(protected, claims, key, algorithms=["RS256"])


@pytest.mark.parametrize("kid", ["active", "unknown"])
def test_an_anchor_forged_by_another_key_is_named(sealed: Archive, kid: str) -> None:
    active = sealed.keyring.keys().active
    assert active is not None
    sealed.tamper("UPDATE audit_event SET sub = 'x' WHERE id = :id", id=event_id(sealed, 7))
    remake(sealed, 7)
    forge(sealed, 10, RSAKey.generate_key(2048), kid=active.kid if kid == "active" else "unknown")
    assert sealed.complaint() == (10, NEWEST_UNKNOWN)


def test_an_older_anchor_forged_by_another_key_is_named(sealed: Archive) -> None:
    active = sealed.keyring.keys().active
    assert active is not None
    forge(sealed, 5, RSAKey.generate_key(2048), kid=active.kid)
    assert sealed.complaint() == (5, "an anchor was changed")


@pytest.mark.parametrize("signature", ["", "rubbish", "a.b.c"])
def test_an_anchor_without_a_signature_is_named(sealed: Archive, signature: str) -> None:
    sealed.tamper("UPDATE audit_anchor SET signature = :to WHERE seq = 5", to=signature)
    assert sealed.complaint() == (5, "an anchor was changed")


def test_the_signature_of_another_anchor_is_named(sealed: Archive) -> None:
    sealed.tamper("UPDATE audit_anchor SET signature = (SELECT signature FROM audit_anchor WHERE seq = 5)")
    assert sealed.complaint() == (10, "an anchor was changed")


def test_a_chain_made_anew_without_its_anchors_is_named(sealed: Archive) -> None:
    """Whoever can change records can delete anchors as well."""
    sealed.tamper("UPDATE audit_event SET sub = 'x' WHERE id = :id", id=event_id(sealed, 7))
    remake(sealed, 7)
    sealed.tamper("DELETE FROM audit_anchor")
    assert sealed.complaint() == (1, "the anchors from here on are missing")


@pytest.mark.parametrize(("deleted", "widest", "named"), [(10, 5, 6), (5, 5, 1), (5, 10, None)])
def test_anchors_that_stand_farther_apart_than_they_were_set_are_named(
    sealed: Archive, monkeypatch: pytest.MonkeyPatch, deleted: int, widest: int, named: int | None
) -> None:
    monkeypatch.setattr(verify, "WIDEST", widest)
    sealed.sealer.seal_once()
    assert sealed.complaint() is None
    sealed.tamper(delete(AuditAnchorRow).where(AuditAnchorRow.seq == deleted))
    assert sealed.complaint() == (None if named is None else (named, "the anchors from here on are missing"))


class TestAgainstACopyElsewhere:
    """AU-2: whoever has the database and the signing key can make everything anew, but not what was copied before."""

    @staticmethod
    def links(archive: Archive) -> dict[int, str]:
        return {record["seq"]: record["hash"] for record in archive.records() if record["seq"] is not None}

    def test_what_agrees_is_intact(self, sealed: Archive) -> None:
        assert sealed.verified(self.links(sealed)).finding is None

    def test_a_tail_that_was_cut_off_with_its_anchors_is_named(self, sealed: Archive) -> None:
        links = self.links(sealed)
        sealed.tamper("DELETE FROM audit_seal WHERE seq > 5")
        sealed.tamper("DELETE FROM audit_anchor WHERE seq > 5")
        assert sealed.complaint() is None
        assert sealed.complaint(links) == (6, ELSEWHERE)

    def test_a_chain_made_anew_with_the_stolen_key_is_named(self, sealed: Archive) -> None:
        links = self.links(sealed)
        sealed.tamper("UPDATE audit_event SET sub = 'x' WHERE id = :id", id=event_id(sealed, 7))
        remake(sealed, 7)
        sealed.tamper("DELETE FROM audit_anchor WHERE seq > 5")
        with sealed.own.db.write() as session:
            seal = session.get_one(AuditSealRow, 10)
            sealed.sealer.anchor(session, seal.seq, seal.hash)
        assert sealed.complaint() is None
        assert sealed.complaint(links) == (7, ELSEWHERE)


def test_what_was_sealed_before_records_had_a_role_and_an_aud_is_intact(archive: Archive) -> None:
    """The members that came later are hashed only where they are known; one that is put in afterwards shows."""
    row = archive.own.trail.row(Event(EventName.LOGIN, sub="s"))
    members = {name: value for name, value in record_of(row).items() if name not in ("role", "aud")}
    members["at"] = row.at.isoformat(timespec="microseconds")
    old = sha256((FIRST + json.dumps(members, sort_keys=True, separators=(",", ":"))).encode()).hexdigest()
    with archive.own.db.write() as session:
        session.add_all([row, AuditSealRow(seq=1, event_id=row.id, hash=old, sealed_at=archive.own.clock())])
        archive.sealer.anchor(session, 1, old)
    assert archive.complaint() is None
    archive.tamper("UPDATE audit_event SET role = 'Patient'")
    assert archive.complaint() == (1, CHANGED)


def test_a_long_trail_is_read_in_pages(sealed: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify, "PAGE", 3)
    assert sealed.verified() == Verification(sealed=10, unsealed=1, anchors=2, removed=0, finding=None)


def rotate(archive: Archive) -> str:
    """A new active key; the old one, which set the anchors so far, is removed and its kid returned."""
    rotation = Rotation(archive.keyring, 0)
    old = archive.keyring.keys().active
    assert old is not None
    assert old.kid is not None
    with archive.own.db.write() as session:
        rotation.rotate(session, at_once=True)
    with archive.own.db.write() as session:
        rotation.remove(session, old.kid, at_once=True)
    archive.keyring.forget()
    return old.kid


def test_anchors_outlive_the_key_that_signed_them(sealed: Archive) -> None:
    """Keys are rotated and removed, records are kept for six years: a later anchor vouches for the earlier ones."""
    rotate(sealed)
    assert sealed.complaint() == (10, NEWEST_UNKNOWN)
    sealed.own.clock.move(seconds=60)
    sealed.sealer.seal_once()
    assert sealed.verified() == Verification(sealed=11, unsealed=0, anchors=3, removed=0, finding=None)
    sealed.tamper("UPDATE audit_event SET sub = 'x' WHERE id = :id", id=event_id(sealed, 2))
    remake(sealed, 2)
    assert sealed.complaint() == (5, REMADE)
