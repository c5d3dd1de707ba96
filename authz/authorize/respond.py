"""The code: launch spent, consent kept, grant and code written, all on the audit trail, in one transaction."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from authz.audit.event import Event, EventName
from authz.authorize.context import dialect, told
from authz.authorize.refusal import with_parameters
from authz.errors import AccessDenied, InvalidRequest
from authz.launch.resolve import UNUSABLE
from authz.scopes import Reason
from authz.storage.records import digest
from authz.tokens.handles import Window
from authz.tokens.store import NewGrant

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from authz.audit.event import Peer
    from authz.audit.trail import Trail
    from authz.authorize.pending import Pending
    from authz.authorize.request import AuthorizationRequest
    from authz.authorize.situation import Situation
    from authz.authorize.whom import Context
    from authz.clients.registry import Client
    from authz.consent.decide import Consents
    from authz.launch.ehr_session import EhrSessions
    from authz.launch.launch import Launch
    from authz.launch.store import Launches
    from authz.login.session import Sessions
    from authz.scopes import ScopeSet
    from authz.storage.database import Database
    from authz.tokens.code import Codes
    from authz.tokens.handles import Handles
    from authz.users.recent import RecentPatients

SID_LENGTH = 32


@dataclass(frozen=True, slots=True)
class Responder:
    db: Database
    launches: Launches
    ehr_sessions: EhrSessions
    consents: Consents
    codes: Codes
    handles: Handles
    sessions: Sessions
    trail: Trail
    recent: RecentPatients
    issuer: str

    def grant(
        self, request: AuthorizationRequest, pending: Pending, situation: Situation, peer: Peer, *, asked: bool
    ) -> str:
        """The redirect with the code (RFC 6749 §4.1.2); ``asked``: the person has just agreed.

        Raises InvalidRequest if another request was first to spend the launch, or its EHR session has ended;
        AccessDenied if the person has signed out meanwhile, or withdrawn what they agreed to before.
        """
        assert situation.judgement is not None
        assert situation.consent is not None
        grant_id = secrets.token_hex(16)
        with self.db.write() as session:
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
        if situation.glass is not None:
            broken = event(EventName.GLASS_BROKEN, new, grant_id, opening, peer)
            detail = {"text": situation.glass.text}
            self.trail.record(session, replace(broken, reason=situation.glass.code, detail=detail))
        for switch in new.legacy:
            used = replace(event(EventName.LEGACY_USED, new, grant_id, opening, peer), reason=switch)
            self.trail.record(session, used)

    def spend(self, session: Session, launch: Launch, grant_id: str, peer: Peer) -> None:
        if launch.session is not None:
            key = self.ehr_sessions.digest(launch.session)
            if self.ehr_sessions.is_ended(session, launch.fhir_server, key):
                raise InvalidRequest(UNUSABLE)
        if not self.launches.spend(session, launch, grant_id, peer):
            raise InvalidRequest(UNUSABLE)


def new_grant(
    request: AuthorizationRequest, pending: Pending, situation: Situation, consent_id: str | None
) -> NewGrant:
    launch, sign_in, judgement = pending.launch, situation.sign_in, situation.judgement
    assert sign_in is not None
    assert judgement is not None
    session_digest, sid = session_of(launch, situation)
    server, glass = request.fhir_server, situation.glass
    purpose = {"purpose_of_use": glass.code} if glass is not None else {}
    return NewGrant(
        client_id=request.client.client_id,
        fhir_server=server.name,
        scope=judgement.granted,
        sub=sign_in.sub,
        context=told(request.client, context_of(launch, situation.context, judgement.granted)) | purpose,
        fhir_user=server.absolute(situation.fhir_user) if situation.fhir_user else None,
        auth_time=sign_in.auth_time,
        amr=sign_in.amr,
        acr=sign_in.acr,
        nonce=request.nonce,
        sid=sid,
        session_digest=session_digest,
        has_ehr_session=launch is not None and launch.session is not None,
        is_vouched=situation.is_vouched,
        launch_id=launch.launch_id if launch else None,
        consent_id=consent_id,
        purpose_of_use=glass.code if glass is not None else None,
        verdicts=tuple(verdict.as_dict() for verdict in judgement.verdicts),
        legacy=tuple(sorted(request.legacy | dialect(request.client, launch))),
    )


def window_of(launch: Launch, client: Client) -> Window:
    assert launch.web_messaging_origin is not None  # else the policy grants no messaging scope
    return Window(launch.web_messaging_origin, client.web_messaging_origins, launch.session)


def context_of(launch: Launch | None, context: Context, granted: ScopeSet) -> dict[str, Any]:
    """What the app learns beside its token: the launch's context as it was then, and what was chosen besides.

    Who unticks everything that is about a patient does not tell the app who that is.
    """
    given = launch.context.as_parameters() if launch is not None else {}
    is_told = granted.is_for_patient or "launch/encounter" in granted
    found = {"patient": context.patient, "encounter": context.encounter} if is_told else {}
    return {name: value for name, value in found.items() if value is not None} | given


def session_of(launch: Launch | None, situation: Situation) -> tuple[str | None, str | None]:
    """The digest of the session this came from, and the ``sid`` that names it to the app."""
    if launch is not None:
        key = digest(launch.session) if launch.session else None
        return key, digest(key)[:SID_LENGTH] if key else None
    return (digest(situation.sid), situation.sid) if situation.sid else (None, None)


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
