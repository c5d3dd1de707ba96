"""What must hold before anybody goes on: the right person, something left to grant, and when consent is not asked."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from authz.authorize.refusal import PageRefusal
from authz.errors import (
    AccessDenied,
    InvalidScope,
    LoginRequired,
    NotAgreed,
    NotApproved,
    NotForThisUser,
    UnmetAuthenticationRequirements,
)
from authz.fhir_servers.people import for_whom
from authz.launch.standing import STAFF
from authz.policy.access import REFRESH
from authz.policy.hook import NoAnswer
from authz.policy.sandbox import is_confined, is_test, why_not
from authz.policy.sensitive import SensitivityQuestion, needs_reason
from authz.scopes import LaunchScope
from authz.wording import mark

if TYPE_CHECKING:
    from authz.authorize.pending import Pending
    from authz.authorize.request import AuthorizationRequest
    from authz.login.method import SignIn
    from authz.login.session import BrowserSession
    from authz.policy.sensitive import Sensitivity
    from authz.scopes import Judgement, ScopeSet
    from authz.users.registry import User


class Protected(Enum):
    """Whether staff have to say why they need these records (decision 0054)."""

    NO = 0
    YES = 1
    PERHAPS = 2  # the hospital's rules did not answer: as if they had said yes

    def __bool__(self) -> bool:
        return self is not Protected.NO


class SomebodyElse(PageRefusal):
    """The browser's session is over, or another person's than the one the page was for."""

    status = 403


def check_session(pending: Pending, session: BrowserSession | None) -> None:
    """Whoever has got somewhere in an interaction must still be the one signed in here (security.md LC-09)."""
    who = pending.sign_in.sub if pending.sign_in else pending.shown_to
    is_another = session is None or session.sign_in.sub != who
    if pending.sign_in is not None and session is not None:  # by a provider's word, which may end that session
        is_another = session.sign_in.account != pending.sign_in.account
    if who is not None and is_another:
        raise SomebodyElse(mark("You have signed out, or somebody else has signed in, since this page was shown."))


def check_person(request: AuthorizationRequest, sign_in: SignIn) -> None:
    """Whether this is who the app wants, signed in the way it wants (OIDC Core §5.5.1)."""
    if request.wanted_sub is not None and request.wanted_sub != sign_in.sub:
        raise LoginRequired("somebody else is signed in than the app asked for")
    if request.essential_acr is not None and sign_in.acr not in request.essential_acr:
        raise UnmetAuthenticationRequirements("the user did not sign in the way the app demands")


def check_app(request: AuthorizationRequest, user: User, fhir_user: str | None, patient: str | None = None) -> None:
    """Whether the app is for this person, and with this patient if one is known; again at every step."""
    client, server = request.client, request.fhir_server
    if not client.is_for(fhir_user):
        raise NotForThisUser(f"this app is for {for_whom(client.user_types)}, and this user is none of them")
    confined = is_confined(client, server, by_test_account=user.is_sandbox)
    if confined and not is_test(server, by_test_account=user.is_sandbox, patient=patient):
        raise (AccessDenied if client.is_approved else NotApproved)(why_not(client))


def check_something_left(judgement: Judgement, pending: Pending, agreed: ScopeSet | None) -> None:
    """SCP-17: no code for nothing; and an EHR launch's context is only for an app that may be launched."""
    verdicts = [verdict.as_dict() for verdict in judgement.verdicts]
    if agreed is not None and all(
        isinstance(scope, LaunchScope) or str(scope) in REFRESH for scope in judgement.granted
    ):
        raise NotAgreed("the user agreed to none of the scopes").explained(verdicts)
    if not judgement.granted:
        raise InvalidScope("none of the scopes can be granted").explained(verdicts)
    if pending.launch is not None and "launch" not in judgement.granted:
        raise InvalidScope("the app is not registered for scope launch").explained(verdicts)


def ehr_vouches(request: AuthorizationRequest, pending: Pending) -> bool:
    """Only for the patient that the EHR named itself."""
    named = pending.launch is not None and pending.launch.context.patient is not None
    return named and request.fhir_server.vouched_representatives


def must_ask(request: AuthorizationRequest, pending: Pending, fhir_user: str | None) -> bool:
    """Whether what was agreed to before does not count.

    In a launch from a portal nobody has shown to be there; an app that is not approved is one nobody has looked at.
    """
    is_staff = (fhir_user or "").partition("/")[0] in STAFF
    from_portal = pending.launch is not None and not is_staff
    return "consent" in request.prompt or from_portal or not request.client.is_approved


def is_protected(
    sensitivity: Sensitivity,
    request: AuthorizationRequest,
    user: User,
    fhir_user: str | None,
    about: tuple[str | None, ScopeSet],
) -> Protected:
    patient, scope = about
    asked = SensitivityQuestion(user, fhir_user, request.fhir_server, patient, request.client, scope)
    try:
        return Protected.YES if needs_reason(sensitivity, asked) else Protected.NO
    except NoAnswer:
        return Protected.PERHAPS


def may_skip(request: AuthorizationRequest, pending: Pending, fhir_user: str | None) -> bool:
    """A vetted app in the hands of staff, opened by the EHR: the hospital decided for them; a patient is asked."""
    is_staff = (fhir_user or "").partition("/")[0] in STAFF
    vetted = pending.launch is not None and request.client.skip_consent_in_ehr_launch and request.client.is_approved
    return vetted and is_staff and "consent" not in request.prompt
