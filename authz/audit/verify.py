"""Walks the chain and its anchors: what was changed, removed or moved since it was sealed shows (security.md AU-2)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from authz.audit.chain import ANCHOR_TYP, COLUMNS, FIRST, link
from authz.audit.cut import Cut, across
from authz.audit.late import LATE, Late
from authz.audit.model import AuditAnchorRow, AuditEventRow, AuditSealRow
from authz.audit.sealer import ANCHOR_EVERY, BATCH
from authz.keyring.signing import BadSignature

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sqlalchemy import RowMapping
    from sqlalchemy.orm import Session

    from authz.keyring.signing import Keyring

PAGE = 1_000
WIDEST = ANCHOR_EVERY + BATCH  # links that one pass of the sealer can leave without an anchor
NEWEST_UNKNOWN = (
    "the newest anchor is not signed by a key of this server"
    " (after the removal of a key a running server anchors anew within a minute)"
)
ELSEWHERE = "this record is not as it was when it was copied"


@dataclass(frozen=True, slots=True)
class Finding:
    """The first thing that is wrong with the chain."""

    seq: int
    event_id: str | None
    problem: str


@dataclass(frozen=True, slots=True)
class Verification:
    sealed: int
    unsealed: int
    anchors: int
    removed: int  # because their time was over
    finding: Finding | None
    late: Late = field(default_factory=Late)


@dataclass
class Walk:
    """One way along the chain, from its first link to its last; keeps only the links that somebody vouches for."""

    session: Session
    keyring: Keyring
    wanted: frozenset[int]
    previous: str = FIRST
    last: int = 0
    sealed: int = 0
    removed: int = 0
    hashes: dict[int, str] = field(default_factory=dict)  # of the wanted links
    written: dict[int, datetime] = field(default_factory=dict)  # when those records were
    cuts: list[Cut] = field(default_factory=list)
    late: Late = field(default_factory=Late)
    finding: Finding | None = None

    def run(self) -> None:
        for row in chain(self.session):
            if row["seq"] != self.last + 1:
                self.cross(row["seq"])
            self.finding = self.finding or broken(row, self.last + 1, self.previous)
            self.go_on(row["seq"], row["hash"])
            if row["at"] is not None:
                self.look_at_time(row["seq"], row["at"], row["sealed_at"])
            self.sealed += 1

    def look_at_time(self, seq: int, at: datetime, sealed_at: datetime) -> None:
        if sealed_at - at > LATE:
            self.late = self.late.with_seal(seq)
        if seq in self.wanted:
            self.written[seq] = at

    def cross(self, to: int) -> None:
        """Over what was removed because its time was over, as far as signed statements lead."""
        while self.last + 1 < to and (cut := across(self.session, self.keyring, self.last + 1)) and cut.last < to:
            self.removed += cut.last - self.last
            self.cuts.append(cut)
            self.go_on(cut.last, cut.hash)

    def go_on(self, seq: int, hash_: str) -> None:
        self.last, self.previous = seq, hash_
        if seq in self.wanted:
            self.hashes[seq] = hash_


def verify(session: Session, keyring: Keyring, elsewhere: Mapping[int, str] | None = None) -> Verification:
    """Walk the chain from its start; names the first record that was changed, removed or moved.

    ``elsewhere`` are links that were copied to another place, by their number: a trail that was cut off together with
    its anchors, or made anew with the stolen key, does not agree with them.
    """
    anchors = session.scalars(select(AuditAnchorRow).order_by(AuditAnchorRow.seq)).all()
    copies = elsewhere or {}
    walk = Walk(session, keyring, frozenset([*copies, *(anchor.seq for anchor in anchors)]))
    walk.run()
    finding = walk.finding or unanchored(anchors, walk) or differing(copies, walk)
    events = session.scalar(select(func.count()).select_from(AuditEventRow)) or 0
    return Verification(walk.sealed, events - walk.sealed, len(anchors), walk.removed, finding, walk.late)


def chain(session: Session) -> Iterator[RowMapping]:
    """Every seal with its record, in pages: no statement takes long."""
    last = 0
    columns = [getattr(AuditEventRow, name) for name in COLUMNS]
    joined = select(
        AuditSealRow.seq, AuditSealRow.event_id, AuditSealRow.hash, AuditSealRow.sealed_at, *columns
    ).outerjoin(AuditEventRow, AuditEventRow.id == AuditSealRow.event_id)
    while True:
        page = joined.where(AuditSealRow.seq > last).order_by(AuditSealRow.seq).limit(PAGE)
        rows = session.execute(page).mappings().all()
        yield from rows
        if len(rows) < PAGE:
            return
        last = rows[-1]["seq"]


def broken(row: RowMapping, expected: int, previous: str) -> Finding | None:
    if row["seq"] != expected:
        return Finding(expected, None, f"record {expected} is missing from the chain")
    if row["id"] is None:
        return Finding(expected, row["event_id"], "the sealed record was deleted")
    if link(previous, dict(row)) != row["hash"]:
        return Finding(expected, row["event_id"], "the record or its place in the chain was changed")
    return None


def unanchored(anchors: Sequence[AuditAnchorRow], walk: Walk) -> Finding | None:
    """Whether the chain is held by anchors as closely as the sealer sets them.

    An anchor vouches for every link before it, so one whose key is published no more counts if a later one is good.
    """
    covered = 0
    for first, last in vouched(anchors, walk.cuts):
        if first - 1 - covered > WIDEST:
            break
        covered = last
    for anchor in anchors:
        if walk.hashes.get(anchor.seq) != anchor.hash:
            return Finding(anchor.seq, None, "the chain up to an anchor was made anew or cut off")
    if walk.last - covered > WIDEST or (walk.last and not covered):
        return Finding(covered + 1, None, "the anchors from here on are missing")
    return badly_signed(anchors, walk)


def vouched(anchors: Sequence[AuditAnchorRow], cuts: Sequence[Cut]) -> list[tuple[int, int]]:
    """The links that the server signed, the first and the last of each stretch."""
    return sorted([(anchor.seq, anchor.seq) for anchor in anchors] + [(cut.first, cut.last) for cut in cuts])


def badly_signed(anchors: Sequence[AuditAnchorRow], walk: Walk) -> Finding | None:
    for anchor in anchors:
        try:
            claims = walk.keyring.verify(anchor.signature, ANCHOR_TYP)
        except BadSignature:
            if anchor is anchors[-1]:
                return Finding(anchor.seq, None, NEWEST_UNKNOWN)
            if not walk.keyring.names_removed_key(anchor.signature):
                return Finding(anchor.seq, None, "an anchor was changed")
            continue
        if (claims.get("seq"), claims.get("hash")) != (anchor.seq, anchor.hash):
            return Finding(anchor.seq, None, "an anchor was changed")
        written = walk.written.get(anchor.seq)
        if written is not None and datetime.fromtimestamp(claims["iat"], UTC) - written > LATE:
            walk.late = replace(walk.late, anchors=walk.late.anchors + 1)
    return None


def differing(copies: Mapping[int, str], walk: Walk) -> Finding | None:
    """The first link that was copied elsewhere and is another now, or is gone before its time was over."""
    gone = {seq for seq in copies if seq not in walk.hashes and not any(c.first <= seq <= c.last for c in walk.cuts)}
    other = {seq for seq, hash_ in copies.items() if walk.hashes.get(seq, hash_) != hash_}
    first = min(gone | other, default=None)
    return None if first is None else Finding(first, None, ELSEWHERE)
