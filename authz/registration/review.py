"""Decisions about apps: each once, by whoever is first, about what that person has seen; on both records.

The functions of the command line, of the administrators' pages and of the vendor's.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from authz.audit.event import Event, EventName
from authz.clients.client import from_row
from authz.consent.withdraw import withdraw_all
from authz.errors import InvalidValue, NotFound
from authz.registration.applications import Application, application, find, is_narrower, rows
from authz.registration.changes import differences, snapshot
from authz.registration.decision import AlreadyDecided, Terms, words
from authz.registration.earlier import NARROWED, Said, marks
from authz.registration.history import VENDOR
from authz.registration.model import RegistrationRow, State

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from authz.audit.event import Peer
    from authz.audit.trail import Trail
    from authz.clients.model import ClientRow
    from authz.clients.registry import Clients
    from authz.registration.checks import Checks
    from authz.registration.decision import Reviewer
    from authz.registration.earlier import Earlier
    from authz.registration.history import History
    from authz.storage.database import Database
    from authz.tokens.revocation import Revocation

WITHDRAWN = "approval_withdrawn"
SWITCHED_OFF = "switched off or removed by an administrator"


@dataclass(frozen=True, slots=True)
class Review:
    db: Database
    clients: Clients
    revocation: Revocation
    history: History
    checks: Checks
    earlier: Earlier
    trail: Trail

    def list(self, state: State | None = None, *, undecided: bool = False) -> list[Application]:
        """All registrations, those of one state, or those about which somebody has to decide; the oldest first."""
        now = self.clients.now()
        with self.db.read() as session:
            found = [application(*both, (), None, now).in_a_list() for both in rows(session)]
        return [one for one in found if (state is None or one.state is state) and (not undecided or one.needs_decision)]

    def show(self, client_id: str) -> Application:
        """Raises NotFound."""
        with self.db.read() as session:
            registration = session.get(RegistrationRow, client_id)
            if registration is None:
                raise NotFound(f"{client_id}: there is no registration of this client id")
            client = self.clients.row(session, client_id)
            history = self.history.of(session, client_id)
            report = self.checks.latest(session, client_id)
            shown = application(registration, client, history, report, self.clients.now())
            like = self.earlier.like(session, marks(registration.proposed or shown.before), client_id)
            return replace(shown, earlier=tuple(like))

    def approve(
        self, client_id: str, by: Reviewer, terms: Terms | None = None, note: str = "", seen: int | None = None
    ) -> None:
        """Let the app be used by everybody for whom it is, on narrower terms than asked if they say so.

        ``seen`` is the last line of the history that the reviewer read. Raises NotFound, AlreadyDecided, InvalidValue.
        """
        terms, said = terms or Terms(), words(note, needed=False)

        def within(session: Session) -> None:
            registration, client = self.found(session, client_id, seen)
            if from_row(client, self.clients.now()).is_approved and not (terms.members() or terms.decisions()):
                raise AlreadyDecided(f"{client_id} is approved already")
            changes = self.on_terms(session, client, terms)
            withdraw_all(session, self.clients.now(), client_id=client_id)  # test accounts agreed to something else
            self.earlier.forget(session, client_id)
            if changes.keys() & {"scope", "fhir_user_types", "fhir_servers"}:
                self.earlier.keep(session, client_id, snapshot(client), Said(NARROWED, by.actor, said))
            self.settle(registration, State.APPROVED, said)
            self.history.note(session, client_id, by.actor, State.APPROVED.value, said, **changes)
            self.record(session, client_id, State.APPROVED.value, by, changes)

        self.revocation.revoke_elsewhere(client_id, terms.fhir_servers or (), NARROWED, within=within)

    def decline(self, client_id: str, by: Reviewer, reason: str, seen: int | None = None) -> int:
        """Say no, and why; an approval that there was is taken back, and all that was granted ends.

        Returns how many grants died. Raises NotFound, AlreadyDecided, InvalidValue.
        """
        return self.stop(client_id, by, State.DECLINED, reason, seen)

    def hold(self, client_id: str, by: Reviewer, reason: str, seen: int | None = None) -> int:
        """Let no time approve it, until somebody decides; else as ``decline``."""
        return self.stop(client_id, by, State.HELD, reason, seen)

    def stop(self, client_id: str, by: Reviewer, state: State, reason: str, seen: int | None) -> int:
        said = words(reason, needed=True)

        def within(session: Session) -> None:
            registration, client = self.found(session, client_id, seen)
            was_approved = from_row(client, self.clients.now()).is_approved
            if not was_approved and registration.state == state:
                raise AlreadyDecided(f"{client_id} is {state.value} already")
            client.approved, client.approves_at, client.skip_consent_in_ehr_launch = False, None, False
            withdraw_all(session, self.clients.now(), client_id=client_id)
            self.settle(registration, state, said)
            if not by.is_server:  # what the checks found, they find again
                self.earlier.keep(session, client_id, snapshot(client), Said(state.value, by.actor, said))
            self.history.note(session, client_id, by.actor, state.value, said)
            self.record(session, client_id, state.value, by, {})

        return self.revocation.revoke_client(client_id, WITHDRAWN, within=within)

    def switched_off(self, session: Session, client_id: str, actor: str) -> None:
        """Outside of a review, in the caller's transaction: time approves no app like it, if its vendor comes again."""
        if session.get(RegistrationRow, client_id) is not None:
            client = self.clients.row(session, client_id)
            self.earlier.keep(session, client_id, snapshot(client), Said(State.HELD.value, actor, SWITCHED_OFF))

    def request_production(self, client_id: str, note: str = "", peer: Peer | None = None) -> None:
        """The vendor asks for approval; what is being looked at is not asked for again.

        Raises NotFound, AlreadyDecided, InvalidValue.
        """
        said = words(note, needed=False)
        with self.db.write() as session:
            registration, client = self.found(session, client_id, None)
            is_approved = from_row(client, self.clients.now()).is_approved
            if is_approved or registration.state not in {State.SANDBOX, State.DECLINED}:
                state = "approved" if is_approved else registration.state
                raise AlreadyDecided(f"{client_id} is {state}: there is nothing to ask for")
            registration.state = State.REQUESTED.value
            self.history.note(session, client_id, VENDOR, State.REQUESTED.value, said)
            event = Event(EventName.CLIENT_CHANGED, reason=State.REQUESTED.value, client_id=client_id, peer=peer)
            self.trail.record(session, event)

    def found(self, session: Session, client_id: str, seen: int | None) -> tuple[RegistrationRow, ClientRow]:
        """Both rows, locked. Raises AlreadyDecided if more has happened than the reviewer saw."""
        registration, client = find(session, client_id)
        history = self.history.of(session, client_id)
        last = history[-1] if history else None
        if seen is not None and last is not None and last.id != seen:
            raise AlreadyDecided(f"{client_id}: {last.what} by {last.actor} meanwhile; look at it again")
        return registration, client

    def on_terms(self, session: Session, client: ClientRow, terms: Terms) -> dict[str, tuple[Any, Any]]:
        """Write what the reviewer narrowed, and the approval; returns what changed for the vendor."""
        before, was = snapshot(client), {name: getattr(client, name) for name in terms.decisions()}
        current = from_row(client, self.clients.now())
        if terms.scope is not None and not is_narrower(current, terms.scope):
            raise InvalidValue("scope: an approval can narrow what was asked for, not widen it")
        types = None if terms.user_types is None else set(terms.user_types)
        if types is not None and current.user_types and not (types and types <= current.user_types):
            raise InvalidValue("user types: an approval can narrow for whom the app is, not widen it")
        approval = {**terms.decisions(), "approved": True, "approves_at": None}
        self.clients.update(session, client.client_id, terms.members(), approval)
        decided = {
            name: (was[name], list(value) if isinstance(value, tuple) else value)
            for name, value in terms.decisions().items()
        }
        changed = {name: pair for name, pair in decided.items() if pair[0] != pair[1]}
        return differences(before, snapshot(client)) | changed

    def settle(self, registration: RegistrationRow, state: State, reason: str) -> None:
        registration.state, registration.reason, registration.decided_at = state.value, reason, self.clients.now()

    def record(self, session: Session, client_id: str, what: str, by: Reviewer, changes: dict[str, Any]) -> None:
        detail = {"operator": by.name, **({"changed": sorted(changes)} if changes else {})}
        event = Event(
            EventName.CLIENT_CHANGED, reason=what, sub=by.sub, client_id=client_id, peer=by.peer, detail=detail
        )
        self.trail.record(session, event)
