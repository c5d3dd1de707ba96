"""What happens to an app that registers: which lane, by whose word, usable by whom and from when."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from authz.registration.changes import snapshot
from authz.registration.earlier import marks
from authz.registration.lanes import Lane, in_lane, lane_of
from authz.registration.model import RegistrationRow, Source, State

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from sqlalchemy.orm import Session

    from authz.clients.metadata import ClientMetadata
    from authz.registration.earlier import Earlier
    from authz.registration.initial_tokens import InitialTokens
    from authz.registration.statements import Statements


SEEN_BEFORE = "An app with the same address, name or software_id was decided about before: a person looks at this one."


@dataclass(frozen=True, slots=True)
class Presented:
    """What came with a registration, unverified."""

    initial_access_token: str | None = None
    software_statement: str | None = None
    kept_statement: str | None = None  # that the app came with before


@dataclass(frozen=True, slots=True)
class Introduced:
    """Who speaks for the app: nobody, the holder of an initial access token, the issuer of a software statement."""

    initial_access_token: str | None = None  # not looked at yet: that is done in the transaction that uses it
    software_statement: str | None = None  # verified, and as it came
    members: dict[str, Any] = field(default_factory=dict)  # what the statement says: they go over the body's
    issuer: str = ""  # of the statement
    over_since: str = ""  # of a statement that was kept: its time; empty: it is good now
    marks: frozenset[str] = frozenset()  # see ``Earlier``; made before the transaction, for names may cost much work

    def of(self, metadata: ClientMetadata) -> Introduced:
        return replace(self, marks=frozenset(marks(snapshot(metadata))))


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a new client stands; ``metadata`` is what is registered, whatever was asked."""

    metadata: ClientMetadata
    lane: Lane
    state: State
    source: Source
    source_id: str
    approved: bool  # for HospitalDecisions, as the next
    approves_at: datetime | None
    fhir_server: str | None  # the only one where it may be used; None: the token leaves it open
    software_statement: str | None = None
    software_id: str | None = None
    reason: str = ""  # why it is held

    def row(self, client_id: str, token_digest: str, now: datetime) -> RegistrationRow:
        return RegistrationRow(
            client_id=client_id,
            lane=self.lane.value,
            state=self.state.value,
            token_digest=token_digest,
            source=self.source.value,
            source_id=self.source_id,
            fhir_server=self.fhir_server,
            decided_at=now if self.approved else None,
            reason=self.reason,
            software_statement=self.software_statement,
            software_id=self.software_id,
            created_at=now,
        )


@dataclass(frozen=True, slots=True)
class Admission:
    tokens: InitialTokens
    statements: Statements
    earlier: Earlier
    now: Callable[[], datetime]
    hold_seconds: int

    def introduce(self, presented: Presented) -> Introduced:
        """Find out whose word comes with a registration; asks others for keys, so never within a transaction.

        Raises InvalidSoftwareStatement and UnapprovedSoftwareStatement (RG-18).
        """
        if presented.software_statement is None:
            return Introduced(presented.initial_access_token)
        proved = self.statements.prove(presented.software_statement, presented.kept_statement)
        who = (presented.initial_access_token, proved.token, proved.members, proved.iss)
        return Introduced(*who, over_since=proved.over_since)

    def place(
        self,
        session: Session,
        metadata: ClientMetadata,
        introduced: Introduced,
        fhir_server: str | None,
        client_id: str | None = None,
    ) -> Placement:
        """Decide about metadata that was loaded with ``introduced.members`` over the body, in the transaction;
        ``introduced`` is ``of`` it.

        ``fhir_server`` is whose registration endpoint it came to, ``client_id`` is of a client that there is. Whether
        that takes an app that nobody introduces (``source`` is OPEN) is for the caller.

        Raises InvalidToken, InvalidClientMetadata, InvalidSoftwareStatement and UnapprovedSoftwareStatement.
        """
        lane = lane_of(metadata)
        metadata = in_lane(metadata, lane)
        source, source_id, approves = Source.OPEN, "", False
        if introduced.initial_access_token is not None:
            token = self.tokens.spend(session, introduced.initial_access_token, lane, fhir_server)
            source, source_id, approves = Source.INITIAL_ACCESS_TOKEN, token.id, token.approves
            fhir_server = fhir_server or token.fhir_server
        software_id, issuer = metadata.about.get("software_id"), introduced.issuer
        self.statements.check_software_id(session, software_id, issuer or None)
        if introduced.software_statement is not None:
            source, source_id = Source.SOFTWARE_STATEMENT, issuer
            stated = self.statements.approves(session, issuer, introduced.members, lane, metadata)
            approves |= stated and not introduced.over_since
        seen_before = bool(self.earlier.like(session, introduced.marks, client_id))
        approves = approves and not seen_before
        state, approves_at = (State.HELD, None) if seen_before else self.start(lane, approves=approves)
        return Placement(
            metadata=metadata,
            lane=lane,
            state=state,
            source=source,
            source_id=source_id,
            approved=approves,
            approves_at=approves_at,
            fhir_server=fhir_server,
            software_statement=introduced.software_statement,
            software_id=software_id if introduced.software_statement is not None else None,
            reason=SEEN_BEFORE if seen_before else "",
        )

    def start(self, lane: Lane, *, approves: bool) -> tuple[State, datetime | None]:
        """Where an approval begins, and when it comes by itself if nobody decides before."""
        if approves:
            return State.APPROVED, None
        if lane is Lane.PATIENT:
            return State.SANDBOX, self.now() + timedelta(seconds=self.hold_seconds)
        return (State.REQUESTED if lane is Lane.BACKEND else State.SANDBOX), None
