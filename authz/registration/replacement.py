"""One update of a registration, within its transaction (RFC 7592 §2.2, security.md RG-23)."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from authz.clients.client import from_row
from authz.clients.metadata import InvalidClientMetadata
from authz.clients.registry import HospitalDecisions
from authz.clients.statement import read
from authz.consent.withdraw import withdraw_all
from authz.errors import InvalidRequest, InvalidValue
from authz.keyring.secrets import new_secret
from authz.registration.changes import (
    KEYS,
    Members,
    differences,
    needs_review,
    next_state,
    reviewed,
    revokes,
    snapshot,
)
from authz.registration.history import VENDOR
from authz.registration.lanes import in_lane, lane_of
from authz.registration.model import State
from authz.registration.registered import OURS
from authz.registration.statements import InvalidSoftwareStatement
from authz.scopes import ScopeSet

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy.orm import Session

    from authz.clients.metadata import ClientMetadata
    from authz.clients.model import ClientRow
    from authz.clients.registry import Clients
    from authz.registration.admission import Admission, Introduced, Placement
    from authz.registration.history import History
    from authz.registration.model import RegistrationRow

CHANGED = "changed"


def check_unchangeable(body: dict[str, Any], client_id: str) -> None:
    """What an update must and must not say of what is ours to say. Raises InvalidRequest."""
    if body.get("client_id") != client_id:
        raise InvalidRequest("client_id must be there, and that of this client")
    ours = sorted(set(OURS) & body.keys())
    if ours:
        raise InvalidRequest(f"leave out {', '.join(ours)}")


@dataclass(frozen=True, slots=True)
class Replacement:
    """New metadata for a client that was ``before``."""

    clients: Clients
    admission: Admission
    history: History
    before: Members
    metadata: ClientMetadata
    introduced: Introduced

    @property
    def names(self) -> list[str]:
        """What changes."""
        return list(differences(self.before, snapshot(self.metadata)))

    @property
    def revokes(self) -> bool:
        """Whether what was granted ends: it may have gone elsewhere, or was granted to an app that was approved.

        Raises InvalidClientMetadata.
        """
        after = snapshot(in_lane(self.metadata, lane_of(self.metadata)))
        return revokes(self.before, after) or needs_review(self.before, after)

    def check_secret(self, client: ClientRow, body: dict[str, Any]) -> None:
        """RFC 7592 §2.2: a client can't choose its secret. Raises InvalidClientMetadata."""
        said = body.get("client_secret")
        if said is None:
            return
        if not isinstance(said, str) or not self.clients.stored.any_matches(said, client.secrets, self.clients.now()):
            raise InvalidClientMetadata("client_secret: is not the one that was issued, and can't be chosen")

    def write(self, session: Session, registration: RegistrationRow) -> str | None:
        """Change the client and where its approval stands; a new secret if it needs one now, told this once.

        Raises InvalidClientMetadata, and InvalidRequest if the client was changed meanwhile.
        """
        client = self.clients.row(session, registration.client_id)
        if snapshot(client) != self.before:
            raise InvalidRequest("the client was changed at the same time: read it, and try again")
        placement = self.admission.place(
            session, self.metadata, self.introduced, registration.fhir_server, client.client_id
        )
        after = snapshot(placement.metadata)
        is_approved = from_row(client, self.clients.now()).is_approved
        changes_lane = placement.lane != registration.lane and not is_approved  # an approved one asks for less
        is_another = changes_lane or needs_review(self.before, after) or self.drops_keys(registration)
        if is_another and self.introduced.over_since:
            raise outdated(self.introduced, reviewed(self.before, after) or ["scope"])  # less of it: another lane
        decisions, stood = kept(client, placement.metadata), registration.state
        if is_another:
            decisions |= self.approval(session, client, registration, placement)
        self.store(session, client, placement.metadata, decisions)
        registration.lane, registration.proposed = placement.lane.value, None
        registration.software_statement = placement.software_statement
        registration.software_id = placement.software_id
        if placement.software_statement is not None:  # whose word it is now: to them belongs the software_id
            registration.source, registration.source_id = placement.source.value, placement.source_id
        if self.revokes:
            withdraw_all(session, self.clients.now(), client_id=client.client_id)
        changes = differences(self.before, after)
        if changes:
            self.history.note(session, client.client_id, VENDOR, CHANGED, "", **changes)
        if stood != registration.state:
            self.history.held(session, registration)
        return self.renewed_secret(client)

    def drops_keys(self, registration: RegistrationRow) -> bool:
        """Whether a statement that names no keys takes the place of one that does: statements are public, and who
        registered by that one as somebody else has all of theirs but the key (RG-18).
        """
        before = registration.software_statement
        return before is not None and names_keys(read(before).members) and not names_keys(self.introduced.members)

    def approval(
        self, session: Session, client: ClientRow, registration: RegistrationRow, placement: Placement
    ) -> dict[str, Any]:
        """An app that is another one now is no longer the one that was approved, nor the one that was vetted."""
        is_approved = from_row(client, self.clients.now()).is_approved
        stood = State.APPROVED if is_approved else State(registration.state)
        is_decided = self.history.is_decided(session, client.client_id)
        state, approves_at = next_state(stood, placement, is_decided=is_decided)
        registration.state, registration.decided_at = state.value, None
        registration.reason = placement.reason or registration.reason
        return {
            "approved": state is State.APPROVED,
            "approves_at": approves_at,
            "skip_consent_in_ehr_launch": False,
        }

    def store(self, session: Session, client: ClientRow, metadata: ClientMetadata, decisions: dict[str, Any]) -> None:
        try:
            self.clients.write(session, client, metadata, HospitalDecisions(**decisions))
        except InvalidValue as error:  # does not go with what the hospital has decided about this app
            raise InvalidClientMetadata(error.description) from error
        self.clients.write_origins(session, client)

    def renewed_secret(self, client: ClientRow) -> str | None:
        if not self.metadata.has_secret:
            client.secrets = []
            return None
        if client.secrets:
            return None
        secret = new_secret()
        client.secrets = [self.clients.stored.keep(secret, self.clients.now())]
        return secret


def names_keys(stated: Members) -> bool:
    return any(stated.get(name) is not None for name in KEYS)


def outdated(introduced: Introduced, changes: Iterable[str]) -> InvalidSoftwareStatement:
    """Its issuer said what the app was, and does not say so of what it becomes."""
    return InvalidSoftwareStatement(
        f"software_statement: it was good until {introduced.over_since}: "
        f"send a new one by {introduced.issuer} to change {', '.join(changes)}"
    )


def kept(client: ClientRow, metadata: ClientMetadata) -> dict[str, Any]:
    """What the hospital has decided, as far as it still makes sense."""
    found = {field.name: getattr(client, field.name) for field in fields(HospitalDecisions)}
    found = {name: tuple(value) if isinstance(value, list) else value for name, value in found.items()}
    asked = ScopeSet.parse(metadata.scope)
    required = [scope for scope in ScopeSet.parse(client.required_scope) if asked.covers(ScopeSet.of(scope))]
    found["required_scope"] = " ".join(map(str, required))
    found["any_loopback_port"] &= metadata.application_type == "native"
    return found
