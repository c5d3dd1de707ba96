"""Links of the chain that are kept elsewhere, where nobody reaches who has this database (security.md AU-2)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from authz.audit.model import AuditAnchorRow
from authz.errors import InvalidValue

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sqlalchemy.orm import Session

PAGE = 1_000


def anchors_of(session: Session) -> Iterator[dict[str, Any]]:
    last = 0
    while True:
        ordered = select(AuditAnchorRow).where(AuditAnchorRow.seq > last).order_by(AuditAnchorRow.seq).limit(PAGE)
        rows = session.scalars(ordered).all()
        for row in rows:
            yield {"seq": row.seq, "hash": row.hash, "signature": row.signature}
        if len(rows) < PAGE:
            return
        last = rows[-1].seq


def copied_links(lines: Iterable[str]) -> dict[int, str]:
    """Number and hash of each line of an export, of anchors or of records. Raises InvalidValue."""
    found: dict[int, str] = {}
    for number, line in enumerate(lines, 1):
        try:
            copy = json.loads(line)
            seq, hash_ = copy["seq"], copy["hash"]
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise InvalidValue(f"line {number} is no exported anchor or record") from error
        if seq is not None:  # exported before it was sealed
            found[int(seq)] = str(hash_)
    return found
