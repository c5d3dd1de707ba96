"""What is granted, put together from the request, the launch, what was chosen and what was decided."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from authz.authorize.context import dialect, told
from authz.launch.standing import Standing
from authz.storage.records import digest
from authz.tokens.handles import Window
from authz.tokens.store import NewGrant

if TYPE_CHECKING:
    from authz.authorize.pending import Pending
    from authz.authorize.request import AuthorizationRequest
    from authz.authorize.situation import Situation
    from authz.authorize.whom import Context
    from authz.clients.registry import Client
    from authz.launch.launch import Launch
    from authz.scopes import ScopeSet

SID_LENGTH = 32


def new_grant(
    request: AuthorizationRequest, pending: Pending, situation: Situation, consent_id: str | None
) -> NewGrant:
    launch, sign_in, judgement = pending.launch, situation.sign_in, situation.judgement
    assert sign_in is not None
    assert judgement is not None
    server, glass = request.fhir_server, situation.glass
    session_digest, sid = session_of(launch, situation, server.name)
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
        is_vouched=situation.stands is Standing.VOUCHED,
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


def session_of(launch: Launch | None, situation: Situation, fhir_server: str) -> tuple[str | None, str | None]:
    """The digest of the session this came from, and the ``sid`` that names it to the app.

    An EHR's own id of its session says nothing at another FHIR server, where another hospital may have the same one;
    a ``sid`` is one of a kind at this issuer (OpenID Connect Back-Channel Logout §2.1).
    """
    if launch is not None:
        key = digest(launch.session) if launch.session else None
        return key, digest(f"{fhir_server}\0{key}")[:SID_LENGTH] if key else None
    return (digest(situation.sid), situation.sid) if situation.sid else (None, None)
