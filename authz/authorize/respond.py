"""The code: launch spent, consent kept, grant and code written, all on the audit trail, in one transaction."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from authz.audit.event import Event, EventName, role_of
from authz.authorize.new_grant import new_grant, window_of
from authz.authorize.refusal import with_parameters
from authz.authorize.standing import hold
from authz.errors import AccessDenied, InvalidRequest
from authz.launch.launch import LaunchUnusable
from authz.launch.resolve import UNUSABLE
from authz.scopes import Reason
from authz.storage.records import digest

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from authz.audit.event import Peer
    from authz.audit.trail import Trail
    from authz.authorize.pending import Pending
    from authz.authorize.request import AuthorizationRequest
    from authz.authorize.situation import Situation
    from authz.consent.decide import Consents
    from authz.launch.launch import Launch
    from authz.launch.store import Launches
    from authz.login.session import Sessions
    from authz.storage.database import Database
    from authz.tokens.code import Codes
    from authz.tokens.handles import Handles
    from authz.tokens.store import NewGrant
    from authz.users.recent import RecentPatients
    from authz.users.registry import Users


@dataclass(frozen=True, slots=True)
class Responder:
    db: Database
    launches: Launches
    consents: Consents
    codes: Codes
    handles: Handles
    sessions: Sessions
    trail: Trail
    recent: RecentPatients
    users: Users
    issuer: str

    def grant(
        self, request: AuthorizationRequest, pending: Pending, situation: Situation, peer: Peer, *, asked: bool
    ) -> str:
        """The redirect with the code (RFC 6749 §4.1.2); ``asked``: the person has just agreed.

        Raises InvalidRequest if another request was first to spend the launch, its EHR session or EHR has gone, or it
        was for whom the person no longer is; AccessDenied if the person has signed out meanwhile, or withdrawn what
        they agreed to before, or somebody whom the grant is about was switched off or changed; PageRefusal if the app
        has lost this redirect URI.
        """
        assert situation.judgement is not None
        assert situation.consent is not None
        grant_id = (situation.glass.grant_id if situation.glass else None) or secrets.token_hex(16)
        with self.db.write() as session:
            hold(session, self.users, request, pending, situation)
            if pending.launch is not None:
                self.spend(session, pending.launch, grant_id, peer)
            elif situation.sid is None or not self.sessions.use_in(session, digest(situation.sid)):
                raise AccessDenied("the user has signed out")
            consent_id = situation.remembered_consent
            if asked and situation.glass is None:
                consent_id = self.consents.record(session, situation.consent, situation.judgement.granted)
            elif consent_id is not None and not self.consents.use_in(session, consent_id):
                raise AccessDenied("the user has taken back what they agreed to")
            new = new_grant(request, pending, situation, consent_id)
            code = self.codes.issue(session, grant_id, new, request.redirect_uri, request.code_challenge)
            if new.scope.messaging and pending.launch is not None:
                self.handles.prepare(session, grant_id, new, window_of(pending.launch, request.client))
            self.tell(session, pending, situation, (grant_id, new), peer, asked=asked)
            if request.fhir_server.staff_picker and situation.is_staff and situation.context.patient is not None:
                self.recent.remember(session, new.sub or "", new.fhir_server, situation.context.patient)
        return with_parameters(request.redirect_uri, {"code": code}, request.state, self.issuer)

    def tell(
        self,
        session: Session,
        pending: Pending,
        situation: Situation,
        granted: tuple[str, NewGrant],
        peer: Peer,
        *,
        asked: bool,
    ) -> None:
        """Everything that led to the code, on the trail, in the transaction that writes it."""
        grant_id, new = granted
        opening = pending.launch_id
        for name in events(pending, situation, asked=asked):
            made = event(name, new, grant_id, opening, peer)
            if name is EventName.CONSENT_GRANTED:
                made = replace(made, detail={**made.detail, **unticked(situation)})
            self.trail.record(session, made)
        if situation.glass is not None and situation.glass.grant_id is None:
            broken = event(EventName.GLASS_BROKEN, new, grant_id, opening, peer)
            detail = {"text": situation.glass.text}
            self.trail.record(session, replace(broken, reason=situation.glass.code, detail=detail))
        for switch in new.legacy:
            used = replace(event(EventName.LEGACY_USED, new, grant_id, opening, peer), reason=switch)
            self.trail.record(session, used)

    def spend(self, session: Session, launch: Launch, grant_id: str, peer: Peer) -> None:
        try:
            self.launches.spend(session, launch, grant_id, peer)
        except LaunchUnusable as cause:
            raise InvalidRequest(UNUSABLE) from cause


def events(pending: Pending, situation: Situation, *, asked: bool) -> list[EventName]:
    chosen = [EventName.PATIENT_CHOSEN] if pending.patient is not None else []
    chosen += [EventName.ENCOUNTER_CHOSEN] if pending.encounter is not None else []
    consent = [EventName.CONSENT_GRANTED] if asked else [EventName.CONSENT_SKIPPED] if situation.skips_consent else []
    return [*chosen, *consent, EventName.CODE_ISSUED]


def unticked(situation: Situation) -> dict[str, list[str]]:
    """The requested scopes of which the person left something out."""
    assert situation.judgement is not None
    found = [verdict.requested for verdict in situation.judgement.verdicts if verdict.reason is Reason.UNTICKED]
    return {"unticked": found} if found else {}


def event(name: EventName, grant: NewGrant, grant_id: str, opening: str, peer: Peer) -> Event:
    how = {"amr": list(grant.amr), "auth_time": grant.auth_time.isoformat() if grant.auth_time else None}
    return Event(
        event=name,
        sub=grant.sub,
        role=role_of(grant.fhir_user, grant.sub),
        client_id=grant.client_id,
        fhir_server=grant.fhir_server,
        patient=grant.context.get("patient"),
        encounter=grant.context.get("encounter"),
        scope=str(grant.scope),
        grant_id=grant_id,
        launch_id=opening,
        peer=peer,
        detail=how if name is EventName.CODE_ISSUED else {},
    )
