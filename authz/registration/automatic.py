"""The approval that comes by itself, when its time has come and nobody has decided before (requirements.md row 116).

The client's own row says from when on it counts, so nothing depends on this: here it is put down, once, on both.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import select, update

from authz.audit.event import Event, EventName
from authz.clients.model import ClientRow
from authz.consent.withdraw import withdraw_all
from authz.errors import NotFound, Unavailable
from authz.registration.decision import MAX_WORDS, AlreadyDecided, Reviewer
from authz.registration.history import SERVER
from authz.registration.model import RegistrationRow, State
from authz.storage.database import changed
from authz.storage.witness import is_trusted

if TYPE_CHECKING:
    import threading

    from authz.registration.review import Review

log = logging.getLogger(__name__)
PAUSE_SECONDS = 5.0
CHECKS = Reviewer("automatic checks", is_server=True)
NOTE = "The waiting time is over, and nobody has decided otherwise."


@dataclass(frozen=True, slots=True)
class Automatic:
    review: Review

    def run(self, stop: threading.Event) -> None:
        """Approve what is due until told to stop; a database that is away is tried again."""
        while not stop.wait(PAUSE_SECONDS):
            try:
                self.approve_due()
            except Unavailable:
                log.warning("apps whose waiting time is over could not be approved; trying again")

    def approve_due(self) -> list[str]:
        """Whose approval was put down; of several processes one does it for each.

        An app that was not checked as it is now waits for that; one in which something grave was found is left to a
        person.
        """
        due = select(ClientRow.client_id).where(~ClientRow.approved, ClientRow.approves_at <= self.review.clients.now())
        with self.review.db.read() as session:
            found = session.scalars(due.order_by(ClientRow.approves_at)).all()
            if found and not is_trusted(session, self.review.clients.now()):
                return []
        return [client_id for client_id in found if not self.stop(client_id) and self.approve(client_id)]

    def stop(self, client_id: str) -> bool:
        """Whether it was held for what the checks found too late to stop the time, or another app of its name that was
        approved meanwhile.
        """
        with self.review.db.read() as session:
            report = self.review.checks.latest(session, client_id)
        if report is None:
            return False
        try:
            errors = report.errors or self.review.checks.wrong_names(client_id)
            if not errors:
                return False
            found = "The automatic checks found: " + "; ".join(f"{one.subject}: {one.words}" for one in errors)
            self.review.hold(client_id, CHECKS, found[:MAX_WORDS])
        except (AlreadyDecided, NotFound):
            log.info("%s was decided about meanwhile, or deleted", client_id)
        return True

    def approve(self, client_id: str) -> bool:
        review = self.review
        with review.db.write() as session:
            now = review.clients.now()
            due = ~ClientRow.approved & ClientRow.checked & (ClientRow.approves_at <= now)
            still = (ClientRow.client_id == client_id) & due
            if not changed(session, update(ClientRow).where(still).values(approved=True, approves_at=None)):
                return False
            mine = update(RegistrationRow).where(RegistrationRow.client_id == client_id)
            session.execute(mine.values(state=State.APPROVED.value, reason="", decided_at=now))
            withdraw_all(session, now, client_id=client_id)
            review.history.note(session, client_id, SERVER, State.APPROVED.value, NOTE)
            event = Event(EventName.CLIENT_CHANGED, reason="approved_by_time", client_id=client_id)
            review.trail.record(session, event)
        return True
