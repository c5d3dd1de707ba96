"""The gentle way to change an approved app: it stays as it is until somebody has looked at what it would become."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from authz.audit.event import Event, EventName
from authz.clients.metadata import ClientMetadata
from authz.clients.registry import HospitalDecisions
from authz.consent.withdraw import withdraw_all
from authz.errors import InvalidValue
from authz.registration.changes import differences, revokes, snapshot
from authz.registration.decision import AlreadyDecided, words
from authz.registration.history import VENDOR
from authz.registration.lanes import in_lane, lane_of
from authz.registration.replacement import kept

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.orm import Session

    from authz.audit.event import Peer
    from authz.registration.decision import Reviewer
    from authz.registration.model import RegistrationRow
    from authz.registration.review import Review

PROPOSED, APPLIED, REFUSED, TAKEN_BACK = "change_proposed", "change_applied", "change_refused", "change_taken_back"


@dataclass(frozen=True, slots=True)
class Proposals:
    review: Review

    def propose(
        self, client_id: str, members: Mapping[str, Any], note: str = "", peer: Peer | None = None
    ) -> dict[str, tuple[Any, Any]]:
        """Keep what the app is to become, all of it; returns each member that changes, before and after.

        Raises NotFound, InvalidValue if nothing would change, and what is wrong with the metadata.
        """
        said = words(note, needed=False)
        metadata = checked(members)
        with self.review.db.write() as session:
            registration, client = self.review.found(session, client_id, None)
            changes = differences(snapshot(client), snapshot(metadata))
            if not changes:
                raise InvalidValue("nothing would change")
            registration.proposed = snapshot(metadata)
            self.review.history.note(session, client_id, VENDOR, PROPOSED, said, **changes)
            self.record(session, client_id, PROPOSED, None, peer, changes)
            self.review.checks.ask(session, client_id)
        return changes

    def take_back(self, client_id: str, peer: Peer | None = None) -> None:
        """The vendor has thought better of it. Raises NotFound, AlreadyDecided."""
        with self.review.db.write() as session:
            registration, _ = self.review.found(session, client_id, None)
            self.proposed(registration)
            registration.proposed = None
            self.review.history.note(session, client_id, VENDOR, TAKEN_BACK)
            self.record(session, client_id, TAKEN_BACK, None, peer, {})

    def apply(self, client_id: str, by: Reviewer, seen: int, note: str = "") -> int:
        """Make the app what was proposed, if that is what the reviewer saw; its approval stays as it is.

        Where codes may go or who can prove to be the app has changed, what was granted ends; returns how many grants
        that were. Raises NotFound, AlreadyDecided, and what is wrong with the metadata by today's rules.
        """
        said = words(note, needed=False)

        def within(session: Session) -> None:
            registration, client = self.review.found(session, client_id, seen)
            metadata, before = checked(self.proposed(registration)), snapshot(client)
            decisions = HospitalDecisions(**kept(client, metadata))
            self.review.clients.write(session, client, metadata, decisions)
            self.review.clients.write_origins(session, client)
            if not metadata.has_secret:
                client.secrets = []
            registration.lane, registration.proposed = lane_of(metadata).value, None
            changes = differences(before, snapshot(client))
            if revokes(before, snapshot(client)):
                withdraw_all(session, self.review.clients.now(), client_id=client_id)
            self.review.history.note(session, client_id, by.actor, APPLIED, said, **changes)
            self.record(session, client_id, APPLIED, by, by.peer, changes)

        shown = self.review.show(client_id)
        if shown.registration.proposed is not None and revokes(shown.before, shown.registration.proposed):
            return self.review.revocation.revoke_client(client_id, "client_changed", within=within)
        with self.review.db.write() as session:
            within(session)
        return 0

    def refuse(self, client_id: str, by: Reviewer, reason: str, seen: int | None = None) -> None:
        """The app stays as it is; the vendor reads why. Raises NotFound, AlreadyDecided, InvalidValue."""
        said = words(reason, needed=True)
        with self.review.db.write() as session:
            registration, _ = self.review.found(session, client_id, seen)
            self.proposed(registration)
            registration.proposed = None
            self.review.history.note(session, client_id, by.actor, REFUSED, said)
            self.record(session, client_id, REFUSED, by, by.peer, {})

    def proposed(self, registration: RegistrationRow) -> dict[str, Any]:
        if registration.proposed is None:
            raise AlreadyDecided(f"{registration.client_id}: no change is proposed, or it was decided about meanwhile")
        return registration.proposed

    def record(
        self, session: Session, client_id: str, what: str, by: Reviewer | None, peer: Peer | None, changes: Any
    ) -> None:
        detail: dict[str, Any] = {"changed": sorted(changes)} if changes else {}
        detail |= {"operator": by.name} if by is not None else {}
        sub = by.sub if by is not None else None
        event = Event(EventName.CLIENT_CHANGED, reason=what, sub=sub, client_id=client_id, peer=peer, detail=detail)
        self.review.trail.record(session, event)


def checked(members: Mapping[str, Any]) -> ClientMetadata:
    metadata = ClientMetadata.load(members)
    return in_lane(metadata, lane_of(metadata))
