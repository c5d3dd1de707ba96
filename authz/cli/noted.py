"""The trail for commands that need no more of a server than its database, of whatever version that is."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqlalchemy import inspect

from authz.audit.event import Event
from authz.audit.model import AuditEventRow
from authz.audit.trail import local_trail
from authz.cli.context import operator

if TYPE_CHECKING:
    from authz.audit.event import EventName
    from authz.storage.database import Database


def noted(found: Database, event: EventName, reason: str, **detail: str) -> None:
    """Put on the trail what an operator is about to do; where there is no trail of this form yet, nothing.

    Raises Unavailable.
    """
    name = AuditEventRow.__tablename__
    with found.write() as session:
        there = inspect(session.connection())
        columns = {column["name"] for column in there.get_columns(name)} if there.has_table(name) else set()
        if columns >= set(AuditEventRow.__table__.columns.keys()):
            about = Event(event, reason=reason, role="operator", detail={"operator": operator(), **detail})
            local_trail(found, lambda: datetime.now(UTC)).record(session, about)
