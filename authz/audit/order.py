"""The order of the trail, by time and then by id, and places in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import tuple_

from authz.audit.model import AuditEventRow

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import ColumnElement

ORDER = (AuditEventRow.at, AuditEventRow.id)


class Position(NamedTuple):
    at: datetime
    id: str


def is_after(position: Position) -> ColumnElement[bool]:
    return tuple_(*ORDER) > position


def is_before(position: Position) -> ColumnElement[bool]:
    return tuple_(*ORDER) < position
