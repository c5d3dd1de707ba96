"""Handles end and tokens stay: an EHR ends what its window listens to, the access policy what may not be any more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import or_, select

from authz.audit.event import EventName
from authz.launch.model import SpentLaunchRow
from authz.tokens.handles import end_in, event
from authz.tokens.model import GrantRow, MessagingHandleRow

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from sqlalchemy import ColumnElement

    from authz.audit.event import Peer
    from authz.audit.trail import Trail
    from authz.storage.database import Database
    from authz.tokens.introspection import Caller
    from authz.tokens.revocation import Revocation


@dataclass(frozen=True, slots=True)
class HandleRevocation:
    db: Database
    now: Callable[[], datetime]
    revocation: Revocation
    trail: Trail

    def revoke(self, caller: Caller, where: ColumnElement[bool], peer: Peer) -> None:
        """End the handles of the matching grants at the caller's FHIR servers, of an EHR those of its own launches.

        What is over already stays so.
        """
        if caller.fhir_servers is not None:
            where &= GrantRow.fhir_server.in_(caller.fhir_servers)
        if caller.ehr is not None:
            own = or_(SpentLaunchRow.ehr.is_(None), SpentLaunchRow.ehr == caller.ehr)
            where &= GrantRow.launch_id.in_(select(SpentLaunchRow.launch_id).where(own))
        self.end(where, caller.name, peer)

    def end(self, where: ColumnElement[bool], reason: str, peer: Peer) -> None:
        """At once and for good, in a transaction of its own."""
        live = select(GrantRow).join(MessagingHandleRow, MessagingHandleRow.grant_id == GrantRow.id)
        live = live.where(where, MessagingHandleRow.revoked_at.is_(None)).order_by(GrantRow.id)
        with self.db.write() as session:
            grants = session.scalars(live.with_for_update(of=GrantRow)).all()
            copies = end_in(session, [grant.id for grant in grants], self.now())
            for grant in grants:
                self.trail.record(session, event(EventName.HANDLE_REVOKED, grant, peer, reason=reason))
            session.flush()
            raised = not self.revocation.bury_in(session, copies)
        self.revocation.settle(copies, raised=raised)
