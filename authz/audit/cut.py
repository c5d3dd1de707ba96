"""Where the chain goes on after records were removed: a signed statement in their place (security.md AU-10)."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import exists, select
from sqlalchemy.orm import aliased

from authz.audit.chain import CUT_TYP
from authz.audit.model import AuditCutRow
from authz.keyring.signing import BadSignature

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from authz.keyring.signing import Keyring


class Cut(NamedTuple):
    first: int
    last: int
    hash: str  # of the last link that was removed


def sign(session: Session, keyring: Keyring, cut: Cut) -> None:
    """Put the statement in, before the records go: the database lets none go without it."""
    now = keyring.now()
    claims = {"first": cut.first, "last": cut.last, "hash": cut.hash, "iat": int(now.timestamp())}
    session.add(
        AuditCutRow(
            id=secrets.token_hex(16),
            first_seq=cut.first,
            last_seq=cut.last,
            hash=cut.hash,
            kid=keyring.active_kid(),
            signature=keyring.sign(claims, CUT_TYP),
            cut_at=now,
        )
    )
    session.flush()


def sign_cuts_anew(session: Session, keyring: Keyring) -> None:
    """With the active key, while the one that signed them is still published: cuts outlive keys."""
    again = aliased(AuditCutRow)
    is_signed = exists().where(
        again.first_seq == AuditCutRow.first_seq,
        again.last_seq == AuditCutRow.last_seq,
        again.kid == keyring.active_kid(),
    )
    rows = session.scalars(select(AuditCutRow).where(~is_signed)).all()
    for cut in {found for row in rows if (found := signed(row, keyring)) is not None}:
        sign(session, keyring, cut)


def signed(row: AuditCutRow, keyring: Keyring) -> Cut | None:
    """What a row says, if a key of this server says so too."""
    try:
        claims = keyring.verify(row.signature, CUT_TYP)
    except BadSignature:
        return None
    said = {"first": row.first_seq, "last": row.last_seq, "hash": row.hash}
    return Cut(row.first_seq, row.last_seq, row.hash) if said.items() <= claims.items() else None


def across(session: Session, keyring: Keyring, expected: int) -> Cut | None:
    """The cut that begins with this number, if there is a true one."""
    rows = session.scalars(select(AuditCutRow).where(AuditCutRow.first_seq == expected)).all()
    return next((cut for row in rows if (cut := signed(row, keyring)) is not None), None)
