"""Finds records of the trail, oldest first or newest first, a page at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import literal, select
from sqlalchemy.orm import aliased

from authz.audit.chain import COLUMNS, FIRST
from authz.audit.model import AuditEventRow, AuditSealRow
from authz.audit.order import ORDER, Position, is_after, is_before
from authz.errors import NotFound

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from sqlalchemy import Select
    from sqlalchemy.orm import Session

PAGE = 1_000
Before = aliased(AuditSealRow)  # the seal before a record's own


@dataclass(frozen=True, slots=True)
class Query:
    """What a record must be like; None asks nothing. ``since`` is inclusive, ``until`` is not."""

    sub: str | None = None
    patient: str | None = None
    client_id: str | None = None
    fhir_server: str | None = None
    event: str | None = None
    outcome: str | None = None
    grant_id: str | None = None
    token_id: str | None = None
    launch_id: str | None = None
    support_code: str | None = None
    request_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    after: str | None = None  # the id of the last record of the page before
    is_newest_first: bool = False


EQUAL = (
    "sub",
    "patient",
    "client_id",
    "fhir_server",
    "event",
    "grant_id",
    "token_id",
    "launch_id",
    "support_code",
    "request_id",
)


def search(session: Session, query: Query, limit: int | None = None) -> Iterator[dict[str, Any]]:
    """The records as JSON objects with their number in the chain (None: not sealed yet) and their link.

    In pages, so that no statement takes long. Raises NotFound for a page after a record that is not there.
    """
    position = None if query.after is None else position_of(session, query.after)
    found = 0
    while limit is None or found < limit:
        size = PAGE if limit is None else min(PAGE, limit - found)
        rows = session.execute(page(query, position).limit(size)).mappings().all()
        yield from (members(dict(row)) for row in rows)
        found += len(rows)
        if len(rows) < size:
            return
        position = Position(rows[-1]["at"], rows[-1]["id"])


def page(query: Query, position: Position | None) -> Select[Any]:
    columns = [getattr(AuditEventRow, name) for name in COLUMNS]
    statement = (
        select(AuditSealRow.seq, AuditSealRow.hash, Before.hash.label("previous_hash"), *columns)
        .select_from(AuditEventRow)
        .outerjoin(AuditSealRow, AuditSealRow.event_id == AuditEventRow.id)
        .outerjoin(Before, Before.seq == AuditSealRow.seq - 1)
    )
    for member in EQUAL:
        wanted = getattr(query, member)
        if wanted is not None:
            statement = statement.where(getattr(AuditEventRow, member) == wanted)
    if query.outcome is not None:  # in the statement itself, so that the index over refusals fits
        statement = statement.where(AuditEventRow.outcome == literal(query.outcome, literal_execute=True))
    if query.since is not None:
        statement = statement.where(AuditEventRow.at >= query.since)
    if query.until is not None:
        statement = statement.where(AuditEventRow.at < query.until)
    if position is not None:
        statement = statement.where(is_before(position) if query.is_newest_first else is_after(position))
    return statement.order_by(*(column.desc() for column in ORDER) if query.is_newest_first else ORDER)


def by_number(session: Session, after: int, limit: int) -> list[dict[str, Any]]:
    """Sealed records in the order of the chain, which never changes."""
    ordered = page(Query(), None).where(AuditSealRow.seq > after).order_by(None).order_by(AuditSealRow.seq)
    return [members(dict(row)) for row in session.execute(ordered.limit(limit)).mappings()]


def position_of(session: Session, record_id: str) -> Position:
    row = session.get(AuditEventRow, record_id)
    if row is None:
        raise NotFound("there is no record of this id to go on after")
    return Position(row.at, row.id)


def members(row: Mapping[str, Any]) -> dict[str, Any]:
    """``previous_hash`` is what the link continues: None where the record before was removed, its time being over."""
    first = {"previous_hash": FIRST} if row["seq"] == 1 else {}
    return {**row, **first, "at": row["at"].isoformat(timespec="milliseconds")}
