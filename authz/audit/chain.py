"""The chain of the trail (decision 5): ``hash = SHA-256(previous hash, canonical JSON of the record)``."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from sqlalchemy import inspect

from authz.audit.model import AuditEventRow

if TYPE_CHECKING:
    from collections.abc import Mapping

FIRST = "0" * 64
COLUMNS = tuple(column.key for column in inspect(AuditEventRow).column_attrs)
LATER = frozenset({"role", "aud"})  # came after the first records were sealed: hashed only where they are known
ANCHOR_TYP = "authz-audit-anchor+jwt"
CUT_TYP = "authz-audit-cut+jwt"


def record_of(event: AuditEventRow) -> dict[str, Any]:
    return {name: getattr(event, name) for name in COLUMNS}


def canonical(record: Mapping[str, Any]) -> bytes:
    """The record as it is hashed: every column, sorted, times in UTC with microseconds."""
    members = {name: record[name] for name in COLUMNS if name not in LATER or record[name] is not None}
    members["at"] = record["at"].isoformat(timespec="microseconds")
    return json.dumps(members, sort_keys=True, separators=(",", ":")).encode()


def link(previous: str, record: Mapping[str, Any]) -> str:
    return sha256(previous.encode() + canonical(record)).hexdigest()
