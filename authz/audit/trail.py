"""Writes the trail: in the transaction it reports, so that nothing happens without it (decision 5)."""

from __future__ import annotations

import logging
import platform
import secrets
from contextvars import ContextVar
from importlib.metadata import version
from itertools import count
from typing import TYPE_CHECKING

from authz.audit.model import AuditEventRow
from authz.errors import TooManyRequests, Unavailable
from authz.storage.database import insert_now

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from sqlalchemy.orm import Session

    from authz.audit.event import Event
    from authz.audit.flood import Flood
    from authz.storage.database import Database

log = logging.getLogger(__name__)
LONGEST = {"user_agent": 256, "peer": 64, "request_id": 64, "client_id": 64, "patient": 64, "reason": 64, "sub": 255}
HAS_TOLD: ContextVar[bool] = ContextVar("has_told", default=False)  # whether this request's refusal is on the trail


class Trail:
    flood: Flood | None = None  # where strangers are served

    def __init__(self, db: Database, now: Callable[[], datetime], node: str, version: str) -> None:
        self.db = db
        self.now = now
        self.node = node
        self.version = version
        self.turns = count()
        self.hearers: list[Callable[[AuditEventRow], None]] = []  # told of each entry as it is written

    def record(self, session: Session, *events: Event) -> None:
        """Write events with what they report: both are kept, or neither."""
        rows = [self.row(event) for event in events]
        insert_now(session, *rows)
        for hear in self.hearers:
            for row in rows:
                hear(row)

    def refused(self, event: Event) -> None:
        """Write a refusal, which changes nothing else; if even that fails, the log says so."""
        self.alone(event, "a refusal could not be put on the audit trail: %s")

    def shown(self, event: Event) -> None:
        """Write that a page was shown, which changes nothing either; nobody waits for a page because that failed."""
        self.alone(event, "a page shown could not be put on the audit trail: %s")

    def alone(self, event: Event, if_it_fails: str) -> None:
        """Write an event that nothing depends on; of those of strangers beyond a bound only how many there were."""
        try:
            if self.flood is not None:
                self.flood.admit(event)
            with self.db.write() as session:
                self.record(session, event)
        except TooManyRequests as error:
            HAS_TOLD.set(event.outcome == "refused" or HAS_TOLD.get())
            if error.is_first:
                self.sum_up()
        except Unavailable:
            log.exception(if_it_fails, event.event)

    def sum_up(self) -> None:
        """Write how many events had no record of their own: when it begins, then once a minute."""
        counted = self.flood.take() if self.flood is not None else []
        if not counted:
            return
        try:
            with self.db.write() as session:
                self.record(session, *(one.event() for one in counted))
        except Unavailable:
            assert self.flood is not None
            self.flood.note(counted)
            log.exception("events that were counted could not be put on the audit trail yet")

    def row(self, event: Event) -> AuditEventRow:
        peer = event.peer
        if event.outcome == "refused" and peer is not None:
            HAS_TOLD.set(True)
        return AuditEventRow(
            id=f"{next(self.turns):012x}{secrets.token_hex(10)}",  # entries of one moment keep their order
            at=self.now(),
            event=event.event.value,
            outcome=event.outcome,
            reason=short("reason", event.reason),
            sub=short("sub", event.sub),
            role=event.role,
            client_id=short("client_id", event.client_id),
            fhir_server=event.fhir_server,
            aud=event.aud,
            patient=short("patient", event.patient),
            encounter=short("patient", event.encounter),
            scope=event.scope,
            grant_id=event.grant_id,
            token_id=event.token_id,
            launch_id=event.launch_id,
            support_code=event.support_code,
            request_id=short("request_id", peer.request_id if peer else None),
            peer=short("peer", peer.address if peer else None),
            user_agent=short("user_agent", peer.user_agent if peer else None),
            node=self.node,
            version=self.version,
            detail=event.detail,
        )


def local_trail(db: Database, now: Callable[[], datetime]) -> Trail:
    """The trail as this machine and this version of the program write it."""
    return Trail(db, now, node=platform.node(), version=version("authz"))


def short(member: str, text: str | None) -> str | None:
    """What an outsider sent, cut to its column; PostgreSQL would refuse it, and NUL besides."""
    return None if text is None else text.replace("\0", "?")[: LONGEST[member]]
