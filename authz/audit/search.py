"""Finds records of the trail, oldest first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import inspect, select

from authz.audit.model import AuditEventRow, AuditSealRow

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from sqlalchemy.orm import Session


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
    since: datetime | None = None
    until: datetime | None = None


EQUAL = (
    "sub",
    "patient",
    "client_id",
    "fhir_server",
    "event",
    "outcome",
    "grant_id",
    "token_id",
    "launch_id",
    "support_code",
)


def search(session: Session, query: Query, limit: int | None = None) -> Iterator[dict[str, Any]]:
    """The records as JSON objects with their number in the chain (None: not sealed yet)."""
    statement = select(AuditEventRow, AuditSealRow.seq).outerjoin(
        AuditSealRow, AuditSealRow.event_id == AuditEventRow.id
    )
    for member in EQUAL:
        wanted = getattr(query, member)
        if wanted is not None:
            statement = statement.where(getattr(AuditEventRow, member) == wanted)
    if query.since is not None:
        statement = statement.where(AuditEventRow.at >= query.since)
    if query.until is not None:
        statement = statement.where(AuditEventRow.at < query.until)
    ordered = statement.order_by(AuditEventRow.at, AuditEventRow.id).limit(limit)
    for event, seq in session.execute(ordered.execution_options(yield_per=1000)):
        yield {"seq": seq, **members(event)}


def members(event: AuditEventRow) -> dict[str, Any]:
    found = {column.key: getattr(event, column.key) for column in inspect(AuditEventRow).column_attrs}
    return found | {"at": event.at.isoformat(timespec="milliseconds")}
