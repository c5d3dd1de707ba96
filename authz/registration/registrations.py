"""Apps that register themselves: make, read, replace and delete (RFC 7591, RFC 7592, OpenID Connect Registration)."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from authz.audit.event import Event, EventName
from authz.clients.metadata import ClientMetadata, InvalidClientMetadata
from authz.clients.model import ClientRow
from authz.clients.registry import HospitalDecisions
from authz.consent.withdraw import withdraw_all
from authz.registration.admission import Presented
from authz.registration.applications import find
from authz.registration.changes import snapshot
from authz.registration.history import VENDOR
from authz.registration.holder import authenticated, locked, there
from authz.registration.model import Source
from authz.registration.registered import Registered, registered
from authz.registration.replacement import Replacement, check_unchangeable
from authz.storage.records import HANDLE_BYTES, digest

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from authz.audit.event import Peer
    from authz.audit.trail import Trail
    from authz.clients.registry import Clients
    from authz.registration.admission import Admission, Introduced
    from authz.registration.checks import Checks
    from authz.registration.decision import Reviewer
    from authz.registration.doors import Doors
    from authz.registration.history import History
    from authz.registration.holder import Holder
    from authz.registration.limits import Limits
    from authz.registration.model import RegistrationRow
    from authz.registration.sector import Sectors
    from authz.storage.database import Database
    from authz.tokens.revocation import Revocation

IDENTITY = "openid fhirUser"  # what an app may ask for that did not say: who its user is, and no record


@dataclass(frozen=True, slots=True)
class Registrations:
    db: Database
    clients: Clients
    doors: Doors
    limits: Limits
    admission: Admission
    sectors: Sectors
    history: History
    checks: Checks
    revocation: Revocation
    trail: Trail

    def register(self, body: dict[str, Any], bearer: str | None, fhir_server: str | None, peer: Peer) -> Registered:
        """Make a client of what was sent to the endpoint of a FHIR server, or to the one for all (None).

        Raises NoToken, InvalidToken, InvalidClientMetadata, InvalidRedirectURI, and what is wrong with a statement.
        """
        presented = Presented(bearer, statement_of(body))
        opened = self.doors.opened(presented, fhir_server)
        introduced = self.admission.introduce(presented)
        metadata = self.checked(body, introduced, peer)
        token, spoken_for = secrets.token_urlsafe(HANDLE_BYTES), introduced.of(metadata)
        with self.db.write() as session:
            placement = self.admission.place(session, metadata, spoken_for, fhir_server)
            if placement.source is Source.OPEN:
                self.limits.check_room(session, fhir_server)
            decisions = HospitalDecisions(
                fhir_servers=opened.narrowed(placement.fhir_server),
                approved=placement.approved,
                approves_at=placement.approves_at,
            )
            client, secret = self.clients.add(session, placement.metadata, decisions)
            row = placement.row(client.client_id, digest(token), self.clients.now())
            session.add(row)
            self.history.note(session, client.client_id, VENDOR, "registered")
            self.history.held(session, row)
            self.checks.ask(session, client.client_id)
            detail = {"source": placement.source.value, "lane": placement.lane.value}
            self.record(session, "registered", client.client_id, peer, detail)
            return self.told(session, row, token, secret)

    def read(self, holder: Holder) -> Registered:
        """What is registered. Raises InvalidToken, also for a client that there is not (RFC 7592 §2.1)."""
        with self.db.read() as session:
            return self.told(session, authenticated(session, holder), holder.token)

    def replace(self, holder: Holder, body: dict[str, Any], peer: Peer) -> Registered:
        """Register what is sent in the place of all that was; what is left out is forgotten (RFC 7592 §2.2).

        Raises InvalidToken, InvalidRequest, and what ``register`` raises about the metadata.
        """
        with self.db.read() as session:
            row = authenticated(session, holder)
            client = there(session.get(ClientRow, holder.client_id))
        check_unchangeable(body, holder.client_id)
        statement = statement_of(body) or row.software_statement  # whoever came with one can't put it down
        introduced = self.admission.introduce(Presented(None, statement, row.software_statement))
        metadata = self.checked(body, introduced, peer)
        change = Replacement(
            self.clients, self.admission, self.history, snapshot(client), metadata, introduced.of(metadata)
        )
        change.check_secret(client, body)
        answers: list[Registered] = []

        def within(session: Session) -> None:
            current = locked(session, holder)
            secret = change.write(session, current)
            self.checks.ask(session, holder.client_id)
            self.record(session, "updated", holder.client_id, peer, {"changed": change.names})
            answers.append(self.told(session, current, holder.token, secret))

        if change.revokes:
            self.revocation.revoke_client(holder.client_id, "client_changed", within=within)
        else:
            with self.db.write() as session:
                within(session)
        return answers[0]

    def delete(self, holder: Holder, peer: Peer) -> None:
        """Forget a client and people's decisions about it; everything it was granted is revoked (RFC 7592 §2.3).

        Raises InvalidToken.
        """
        with self.db.read() as session:
            authenticated(session, holder)

        def within(session: Session) -> None:
            locked(session, holder)
            self.clients.remove(session, holder.client_id)
            withdraw_all(session, self.clients.now(), client_id=holder.client_id)
            self.record(session, "removed", holder.client_id, peer, {})

        self.revocation.revoke_client(holder.client_id, "client_removed", within=within)

    def renew_token(self, client_id: str, by: Reviewer) -> str:
        """A new registration access token for a maker who has lost theirs, told this once; the old one ends.

        Raises NotFound.
        """
        token = secrets.token_urlsafe(HANDLE_BYTES)
        with self.db.write() as session:
            registration, _ = find(session, client_id)
            registration.token_digest = digest(token)
            self.history.note(session, client_id, by.actor, "token_renewed")
            detail = {"operator": by.name}
            self.record(session, "registration_token_renewed", client_id, by.peer, detail)
        return token

    def checked(self, body: dict[str, Any], introduced: Introduced, peer: Peer) -> ClientMetadata:
        """What is to be registered: what was sent, and what a statement says goes before that."""
        metadata = ClientMetadata.load({**body, **introduced.members})
        if not metadata.scope and "authorization_code" in metadata.grant_types:
            metadata = replace(metadata, scope=IDENTITY)
        self.sectors.check(metadata, peer)
        return metadata

    def told(self, session: Session, row: RegistrationRow, token: str, secret: str | None = None) -> Registered:
        session.flush()
        client = there(session.get(ClientRow, row.client_id))
        return registered(client, row, token, secret, self.clients.now())

    def record(self, session: Session, reason: str, client_id: str, peer: Peer | None, detail: dict[str, Any]) -> None:
        event = Event(EventName.CLIENT_CHANGED, reason=reason, client_id=client_id, peer=peer, detail=detail)
        self.trail.record(session, event)


def statement_of(body: dict[str, Any]) -> str | None:
    """Raises InvalidClientMetadata."""
    statement = body.get("software_statement")
    if statement is None or isinstance(statement, str):
        return statement
    raise InvalidClientMetadata("software_statement: must be a string")
