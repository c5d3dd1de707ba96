"""Walks the chain and its anchors: what was changed, removed or moved since it was sealed shows (security.md AU-2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from authz.audit.model import AuditAnchorRow, AuditEventRow, AuditSealRow
from authz.audit.sealer import ANCHOR_EVERY, BATCH, FIRST, TYP, link
from authz.keyring.signing import BadSignature

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session

    from authz.keyring.signing import Keyring

WIDEST = ANCHOR_EVERY + BATCH  # links that one pass of the sealer can leave without an anchor
NEWEST_UNKNOWN = (
    "the newest anchor is not signed by a key of this server"
    " (after the removal of a key a running server anchors anew within a minute)"
)


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
    finding: Finding | None


def verify(session: Session, keyring: Keyring) -> Verification:
    """Walk the chain from its start; names the first record that was changed, removed or moved."""
    previous, expected = FIRST, 1
    finding: Finding | None = None
    hashes: dict[int, str] = {}
    rows = session.execute(
        select(AuditSealRow, AuditEventRow)
        .outerjoin(AuditEventRow, AuditEventRow.id == AuditSealRow.event_id)
        .order_by(AuditSealRow.seq)
        .execution_options(yield_per=1000)
    )
    for seal, event in rows:
        finding = finding or broken(seal, event, expected, previous)
        previous, expected = seal.hash, seal.seq + 1
        hashes[seal.seq] = seal.hash
    anchors = session.scalars(select(AuditAnchorRow).order_by(AuditAnchorRow.seq)).all()
    finding = finding or unanchored(anchors, hashes, keyring)
    events = session.scalar(select(func.count()).select_from(AuditEventRow)) or 0
    return Verification(len(hashes), events - len(hashes), len(anchors), finding)


def broken(seal: AuditSealRow, event: AuditEventRow | None, expected: int, previous: str) -> Finding | None:
    if seal.seq != expected:
        return Finding(expected, None, f"record {expected} is missing from the chain")
    if event is None:
        return Finding(seal.seq, seal.event_id, "the sealed record was deleted")
    if link(previous, event) != seal.hash:
        return Finding(seal.seq, seal.event_id, "the record or its place in the chain was changed")
    return None


def unanchored(anchors: Sequence[AuditAnchorRow], hashes: dict[int, str], keyring: Keyring) -> Finding | None:
    """Whether the chain is held by anchors as closely as the sealer sets them.

    An anchor vouches for every link before it, so one whose key is published no more counts if a later one is good.
    """
    covered = 0
    for anchor in anchors:
        if hashes.get(anchor.seq) != anchor.hash:
            return Finding(anchor.seq, None, "the chain up to an anchor was made anew or cut off")
        if anchor.seq - covered > WIDEST:
            break
        covered = anchor.seq
    last = max(hashes, default=0)
    if last - covered > WIDEST or (last and not covered):
        return Finding(covered + 1, None, "the anchors from here on are missing")
    return badly_signed(anchors, keyring)


def badly_signed(anchors: Sequence[AuditAnchorRow], keyring: Keyring) -> Finding | None:
    for anchor in anchors:
        try:
            claims = keyring.verify(anchor.signature, TYP)
        except BadSignature:
            if anchor is anchors[-1]:
                return Finding(anchor.seq, None, NEWEST_UNKNOWN)
            if not keyring.names_removed_key(anchor.signature):
                return Finding(anchor.seq, None, "an anchor was changed")
            continue
        if (claims.get("seq"), claims.get("hash")) != (anchor.seq, anchor.hash):
            return Finding(anchor.seq, None, "an anchor was changed")
    return None
