"""Where an interaction stands: who is signed in, for which patient, what would be granted, is consent needed."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from authz.authorize.checks import (
    Protected,
    check_app,
    check_person,
    check_something_left,
    ehr_vouches,
    is_protected,
    may_skip,
    must_ask,
)
from authz.authorize.steps import Facts
from authz.authorize.whom import SOMEBODY, Context, find_context, question
from authz.consent.decide import ConsentQuestion
from authz.errors import AccessDenied, InvalidRequest
from authz.launch.company import patients_of
from authz.launch.launch import LaunchUnusable, Origin, Unusable
from authz.launch.resolve import UNUSABLE
from authz.launch.standing import STAFF, Standing, standing
from authz.policy.access import decide
from authz.policy.rights import RightsQuestion

if TYPE_CHECKING:
    from authz.authorize.outcome import BrowserFacts
    from authz.authorize.pending import Pending
    from authz.authorize.presence import Presence
    from authz.authorize.request import AuthorizationRequest
    from authz.consent.decide import Consents
    from authz.login.method import BrokenGlass, SignIn
    from authz.policy.access import AccessQuestion
    from authz.policy.rights import UserRights
    from authz.policy.sensitive import Sensitivity
    from authz.scopes import Judgement, ScopeSet
    from authz.users.registry import User, Users
    from authz.users.representation_links import Meeting


@dataclass(frozen=True, slots=True)
class Situation:
    """Everything the next page or the answer to the app depends on."""

    facts: Facts
    sign_in: SignIn | None = None
    sid: str | None = None
    user: User | None = None
    fhir_user: str | None = None  # relative reference
    context: Context = field(default_factory=Context)
    stands: Standing | None = None  # what the user is to the patient, once that is known
    judgement: Judgement | None = None
    consent: ConsentQuestion | None = None
    remembered_consent: str | None = None
    skips_consent: bool = False
    protected: Protected = Protected.NO
    glass: BrokenGlass | None = None  # why the user sees protected records

    @property
    def is_staff(self) -> bool:
        return (self.fhir_user or "").partition("/")[0] in STAFF


@dataclass(frozen=True, slots=True)
class Judge:
    """Finds out where an interaction stands; changes nothing, but hears from the FHIR server who acts for whom."""

    users: Users
    presence: Presence
    rights: UserRights
    consents: Consents
    sensitivity: Sensitivity
    representing: Meeting

    def look(
        self,
        request: AuthorizationRequest,
        pending: Pending,
        browser: BrowserFacts,
        agreed: ScopeSet | None = None,
    ) -> Situation:
        """Raises OAuthError for what must end the interaction with an error to the app."""
        may_ask = "none" not in request.prompt
        sign_in, sid = self.presence.signed_in(request, pending, browser)
        if sign_in is None:
            return Situation(facts(may_ask=may_ask, is_signed_in=False))
        check_person(request, sign_in)
        user = self.user(pending, sign_in)
        fhir_user = self.users.fhir_user(user.sub, request.fhir_server.name)
        check_app(request, user, fhir_user)
        self.representing.meet(request.fhir_server, fhir_user, request.client.client_id, browser.peer)
        context = find_context(request, pending, self.users, user, fhir_user)
        for patient in named(pending, context.patient):
            check_app(request, user, fhir_user, patient)
        stands = self.standing(request, pending, user, fhir_user, context.patient)
        self.check_rights(request, pending, user, fhir_user, context.patient)
        known = Situation(facts(context, may_ask=may_ask), sign_in, sid, user, fhir_user, context, stands)
        if context.needs_patient:
            return known
        if context.needs_encounter:
            of_any_visit = replace(known, context=replace(context, encounter=SOMEBODY))
            granted = decide(self.question(request, pending, of_any_visit, user, agreed)).granted
            return self.guarded(request, pending, known, user, granted)
        return self.decided(request, pending, known, user, agreed)

    def user(self, pending: Pending, sign_in: SignIn) -> User:
        user = self.users.by_sub(sign_in.sub)
        if user is None or not user.enabled:
            raise AccessDenied("this user may not sign in here")
        if pending.sign_in is not None and not sign_in.counts_in(user.sessions_valid_from):
            raise AccessDenied("this sign-in was ended meanwhile")
        launch = pending.launch
        if launch is not None and launch.origin is Origin.TRIAL and not user.is_sandbox:
            raise InvalidRequest(UNUSABLE) from LaunchUnusable(Unusable.USER_GONE, launch.launch_id)
        return user

    def decided(
        self, request: AuthorizationRequest, pending: Pending, known: Situation, user: User, agreed: ScopeSet | None
    ) -> Situation:
        """What would be granted to whoever is known by now, and what has to be asked before."""
        fhir_user, patient = known.fhir_user, known.context.patient
        asked = self.question(request, pending, known, user, agreed)
        judgement = decide(asked)
        known = self.guarded(request, pending, known, user, judgement.granted)
        if known.protected:
            judgement = decide(replace(asked, is_protected=True))
        check_something_left(judgement, pending, agreed)
        consent = ConsentQuestion(
            user.sub, request.client, request.redirect_uri, request.fhir_server.name, patient, judgement.granted
        )
        skips = may_skip(request, pending, fhir_user)
        asks = skips or bool(known.protected) or must_ask(request, pending, fhir_user)
        remembered = None if asks else self.consents.remembered(consent)
        needs_consent = not skips and remembered is None
        return replace(
            known,
            facts=replace(known.facts, needs_consent=needs_consent),
            judgement=judgement,
            consent=consent,
            remembered_consent=remembered,
            skips_consent=skips,
        )

    def guarded(
        self, request: AuthorizationRequest, pending: Pending, known: Situation, user: User, scope: ScopeSet
    ) -> Situation:
        """Whether staff have to say why first, before any more of the patient is shown or granted (REQ-87)."""
        patient = known.context.patient
        protected = is_protected(self.sensitivity, request, user, known.fhir_user, (patient, scope))
        glass = pending.glass if protected and pending.glass and pending.glass.patient == patient else None
        needs_reason = bool(protected) and glass is None
        return replace(known, facts=replace(known.facts, needs_reason=needs_reason), protected=protected, glass=glass)

    def question(
        self,
        request: AuthorizationRequest,
        pending: Pending,
        known: Situation,
        user: User,
        agreed: ScopeSet | None,
    ) -> AccessQuestion:
        asked = question(request, pending, known.fhir_user, known.context, agreed)
        return replace(asked, is_vouched=known.stands is Standing.VOUCHED, by_test_account=user.is_sandbox)

    def check_rights(
        self, request: AuthorizationRequest, pending: Pending, user: User, fhir_user: str | None, patient: str | None
    ) -> None:
        if patient is None:
            return
        vouches = ehr_vouches(request, pending)
        asked = RightsQuestion(user, fhir_user, request.fhir_server.name, patient, request.client, vouches)
        if not self.rights.allows(asked):
            raise AccessDenied("this user may not share the records of this patient")

    def standing(
        self, request: AuthorizationRequest, pending: Pending, user: User, fhir_user: str | None, patient: str | None
    ) -> Standing | None:
        """What the user is to the patient: in a launch perhaps by the EHR's word alone."""
        if patient is None:
            return None

        def represents() -> bool:
            return patient in self.users.represented(user.sub, request.fhir_server.name)

        return standing(fhir_user, patient, represents, ehr_vouches=ehr_vouches(request, pending))


def named(pending: Pending, patient: str | None) -> set[str]:
    """Everybody whose record is concerned, as far as that is known."""
    launched = patients_of(pending.launch.context) if pending.launch is not None else set()
    return launched if patient is None else launched | {patient}


def facts(context: Context | None = None, *, may_ask: bool, is_signed_in: bool = True) -> Facts:
    context = context or Context()
    return Facts(may_ask, is_signed_in, context.needs_patient, context.needs_encounter, needs_consent=False)
