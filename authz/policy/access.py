"""The access policy: a verdict for each requested scope, before every grant and at every refresh (decision 20)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from authz.fhir_servers.features import Feature
from authz.policy.app_state import only_own_state
from authz.policy.messaging import only_with_a_window
from authz.policy.sandbox import only_tests
from authz.scopes import (
    LaunchScope,
    Limit,
    Reason,
    ResourceScope,
    ScopeSet,
    Verdict,
    judge,
    keep_one_refresh_scope,
    only_constraints_on,
    only_levels,
    only_types,
    without_repetition,
)

if TYPE_CHECKING:
    from authz.clients.registry import Client
    from authz.fhir_servers.registry import FhirServer
    from authz.scopes import Judgement
    from authz.scopes.scope import Scope

UNTICKED = "the user unticked it"
REFRESH = frozenset({"offline_access", "online_access"})
CHOSEN_HERE = (LaunchScope("patient"), LaunchScope("encounter"))
OWN_MEMBERS = frozenset({None, "patient", "encounter"})  # launch scopes not answered by fhirContext (SCP-20, SCP-21)


@dataclass(frozen=True, slots=True)
class AccessQuestion:
    """Everything the decision depends on."""

    client: Client
    fhir_server: FhirServer
    requested: ScopeSet
    fhir_user: str | None  # relative reference of the user: "Practitioner/prac-1"
    patient: str | None  # logical id of the patient in context
    has_launch: bool  # the EHR opened the app
    encounter: str | None = None  # logical id of the visit in context
    agreed: ScopeSet | None = None  # the most the person agreed to; None: nobody has been asked
    context_types: frozenset[str] = frozenset()  # resource types of the launch's fhirContext
    is_protected: bool = False  # staff open it with a reason only: nothing of it lasts
    is_vouched: bool = False  # the user represents the patient by the EHR's word alone
    web_messaging_origin: str | None = None  # of the EHR's window, as the launch named it
    by_test_account: bool = False  # the user is nobody real


def decide(question: AccessQuestion) -> Judgement:
    """Requested, within the server, the registration, the user's rights, the context and the person's choice."""
    judgement = judged(question)
    if question.agreed is None:
        return judgement
    return called_unticked(judgement, offered=judged(replace(question, agreed=None)))


def judged(question: AccessQuestion) -> Judgement:
    return keep_one_refresh_scope(without_repetition(judge(question.requested, limits(question))))


def called_unticked(judgement: Judgement, offered: Judgement) -> Judgement:
    """A scope of which the person was offered something and nothing is left was unticked, whatever narrowed it before
    and whichever other scope says it now (digest Q-11).
    """
    verdicts = tuple(
        Verdict(verdict.requested, (), Reason.UNTICKED, UNTICKED) if was.granted and not verdict.granted else verdict
        for verdict, was in zip(judgement.verdicts, offered.verdicts, strict=True)
    )
    return replace(judgement, verdicts=verdicts)


def limits(question: AccessQuestion) -> list[Limit]:
    """In this order: the person decides about what everything else leaves."""
    return [
        only_types(question.fhir_server.resource_types),
        only_levels("patient", "user"),
        *switched_off(question.fhir_server),
        *only_with_a_window(question.client, question.fhir_server, question.web_messaging_origin),
        Limit(Reason.NO_LAUNCH, partial(has_launch, question), "it needs the parameter launch, from the EHR"),
        Limit(Reason.NO_SUCH_CONTEXT, partial(is_in_context, question), "the EHR had nothing of this type open"),
        Limit(Reason.NOT_REGISTERED, question.client.scope, "the app is not registered for it"),
        *only_own_state(question.client, question.fhir_server),
        *only_tests(
            question.client,
            question.fhir_server,
            by_test_account=question.by_test_account,
            patient=question.patient,
        ),
        Limit(Reason.NOT_REGISTERED, partial(may_refresh, question), "the app is not registered for refresh tokens"),
        Limit(Reason.USER_RIGHTS, ceiling(question), "the user may not pass on more than this"),
        Limit(Reason.USER_RIGHTS, partial(may_outlast, question), "the EHR vouches for the user in this session only"),
        Limit(Reason.POLICY, partial(may_last, question), "access to protected records is short and not renewed"),
        Limit(Reason.NO_PATIENT_CONTEXT, partial(has_patient, question), "there is no patient in context"),
        Limit(Reason.UNSUPPORTED, partial(has_identity, question), "it needs openid and a user with a FHIR resource"),
        *([] if question.agreed is None else [Limit(Reason.UNTICKED, question.agreed, UNTICKED)]),
        only_constraints_on(question.fhir_server.constraints),
    ]


def switched_off(server: FhirServer) -> list[Limit]:
    """What the hospital does not offer at this FHIR server (decision 23)."""
    found = []
    if not server.offers(Feature.SCOPES_V1):
        found.append(Limit(Reason.UNSUPPORTED, is_v2, "write it as SMART 2 does: .rs for .read, .cud for .write"))
    if not server.offers(Feature.OFFLINE_ACCESS):
        found.append(Limit(Reason.POLICY, ends_with_session, "access ends with the session at this FHIR server"))
    return found


def is_v2(scope: Scope) -> bool:
    return not (isinstance(scope, ResourceScope) and scope.is_v1)


def ends_with_session(scope: Scope) -> bool:
    return str(scope) != "offline_access"


def has_launch(question: AccessQuestion, scope: Scope) -> bool:
    """Without the EHR nobody says what else was open: only the patient and the visit can be chosen here."""
    return question.has_launch or not isinstance(scope, LaunchScope) or scope in CHOSEN_HERE


def is_in_context(question: AccessQuestion, scope: Scope) -> bool:
    """``launch/<type>`` is answered by items of that type, whatever their role: the role is a wish (SCP-24, FCX-07).

    Without a visit ``launch/encounter`` would promise what never comes; from an EHR it is a hint (CTX-11).
    """
    if scope == LaunchScope("encounter"):
        return question.has_launch or question.encounter is not None
    if not isinstance(scope, LaunchScope) or (scope.role is None and scope.type in OWN_MEMBERS):
        return True
    return scope.type in {type_.lower() for type_ in question.context_types}


def may_refresh(question: AccessQuestion, scope: Scope) -> bool:
    return str(scope) not in REFRESH or "refresh_token" in question.client.grant_types


def may_outlast(question: AccessQuestion, scope: Scope) -> bool:
    """An EHR's word that somebody represents a patient is good for its session, not for months."""
    return not question.is_vouched or str(scope) != "offline_access"


def may_last(question: AccessQuestion, scope: Scope) -> bool:
    """What was opened with a reason has no refresh token (REQ-87)."""
    return not question.is_protected or str(scope) not in REFRESH


def ceiling(question: AccessQuestion) -> ScopeSet:
    """What a user of this type may pass on (decision 16); it bounds resource scopes only."""
    user_type = question.fhir_user.partition("/")[0] if question.fhir_user else ""
    others = [scope for scope in question.requested if not isinstance(scope, ResourceScope)]
    return question.fhir_server.scope_ceilings.get(user_type, ScopeSet()) | ScopeSet.of(*others)


def has_patient(question: AccessQuestion, scope: Scope) -> bool:
    return question.patient is not None or not (isinstance(scope, ResourceScope) and scope.level == "patient")


def has_identity(question: AccessQuestion, scope: Scope) -> bool:
    """``fhirUser`` is granted only where the id_token can say it (SCP-30)."""
    openid = "openid" in question.requested and "openid" in question.client.scope
    return str(scope) != "fhirUser" or (question.fhir_user is not None and openid)
