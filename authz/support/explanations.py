"""Every reason for a refusal or a trimmed scope: what it means, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from authz.scopes import Reason

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Explanation:
    meaning: str
    advice: str


UNKNOWN = Explanation(
    "This version of the server has no explanation for it.", "Ask the administrator of this server, with the code."
)
ASK_HOSPITAL = "Ask the hospital's administrator"

SCOPES: Mapping[str, Explanation] = {
    Reason.MALFORMED: Explanation(
        "The spelling is not that of a SMART scope.",
        "Correct the spelling; the text beside the scope says where it goes wrong. The letters are c r u d s in order.",
    ),
    Reason.UNSUPPORTED: Explanation(
        "This server has nothing of the kind, or not under this name.",
        "Leave it out, or take the name that is suggested. What is offered stands in scopes_supported of the SMART"
        " configuration.",
    ),
    Reason.EXPERIMENTAL: Explanation(
        "The constraint uses a search modifier, chaining, _filter or _has, which SMART calls experimental.",
        "Constrain by a plain parameter, such as category=laboratory.",
    ),
    Reason.RESULT_PARAMETER: Explanation(
        "The constraint shapes an answer (_count, _include and the like) and limits no access.",
        "Leave it out of the scope and put it into the search itself.",
    ),
    Reason.LEVEL_NOT_ALLOWED: Explanation(
        "A scope of this level has no place in this kind of request.",
        "Ask for patient/ or user/ scopes where a person is present, and for system/ scopes as a backend service.",
    ),
    Reason.NOT_REGISTERED: Explanation(
        "The app's registration does not include it.",
        f"{ASK_HOSPITAL} to register the app for it (authz client update --scope), or do not ask for it.",
    ),
    Reason.NOT_APPROVED: Explanation(
        "The app registered itself and is not approved yet: it works with test accounts and test patients only, and"
        " gets neither offline_access nor user/, system/ or messaging/ scopes.",
        f"Try it with a test account. {ASK_HOSPITAL} to approve the app (authz registration approve), or wait.",
    ),
    Reason.USER_RIGHTS: Explanation(
        "A user of this kind can't pass on more than this.",
        f"Expect the narrower scope. {ASK_HOSPITAL} if users of this kind should be able to pass it on.",
    ),
    Reason.NO_LAUNCH: Explanation(
        "It needs a launch by the EHR, and the request had no parameter launch.",
        "Leave it out when people open the app by themselves, and ask for launch/patient instead.",
    ),
    Reason.NO_PATIENT_CONTEXT: Explanation(
        "There was no patient in context, so a patient/ scope would give access to nothing.",
        "Have the EHR launch the app with a patient, or ask for launch/patient.",
    ),
    Reason.NO_EHR_WINDOW: Explanation(
        "Messages go to the EHR's window, and no launch said which origin that has.",
        "Work without messages when people open the app by themselves. Else have the EHR say web_messaging_origin in"
        " the launch.",
    ),
    Reason.NO_SUCH_CONTEXT: Explanation(
        "The EHR had nothing of this type open when it launched the app.",
        "Work without it, or have the EHR launch the app from something of this type.",
    ),
    Reason.POLICY: Explanation(
        "The hospital's own rules do not allow it here.", f"{ASK_HOSPITAL} which rule it is; the code finds it."
    ),
    Reason.UNTICKED: Explanation(
        "The person was asked and did not agree to it.",
        "Work without it, and explain in the app what it is for before asking again.",
    ),
    Reason.SUPERSEDED: Explanation(
        "Another scope that was granted stands for it.", "Nothing: of online_access and offline_access ask for one."
    ),
}

OPEN_CAUSES = frozenset({"app_not_approved", "user_type"})  # may be told to whom the refusal was

REFUSALS: Mapping[str, Explanation] = {
    "page": Explanation(
        "It was not certain which app asked, or where the answer may be sent, so nothing was sent anywhere.",
        "Compare client_id and redirect_uri with the registration, letter by letter.",
    ),
    "out_of_date": Explanation(
        "The form belonged to a page that was answered before, is too old, or was opened in another browser.",
        "Start again from the app, and answer each page once.",
    ),
    "provider_unavailable": Explanation(
        "The hospital's sign-in provider did not answer, or its documents could not be had.",
        "Try again in a few minutes. The administrator finds more with authz sign-in-provider check.",
    ),
    "provider_failed": Explanation(
        "The hospital's sign-in provider said itself that it could not.", "Try again in a few minutes."
    ),
    "provider_declined": Explanation(
        "The hospital's sign-in provider did not sign the person in: they cancelled, or its own rules forbid it.",
        f"Try again; if it happens again, {ASK_HOSPITAL.lower()} with the code.",
    ),
    "provider_untrusted": Explanation(
        "What came from the sign-in provider was not from it, not for this server, or not for this sign-in.",
        f"{ASK_HOSPITAL}, with the code: the registration at the provider is wrong, or somebody has interfered.",
    ),
    "provider_not_fresh": Explanation(
        "A new sign-in was demanded (prompt=login, max_age, or the hospital's rule for launches), and an earlier one"
        " came.",
        f"{ASK_HOSPITAL} whether its provider heeds max_age and tells auth_time.",
    ),
    "provider_session_ended": Explanation(
        "The provider told that the person's session there had ended, after they were sent there and before they were"
        " signed in here.",
        "Sign in again. If nobody signed out, ask the hospital's administrator who ended the session at the provider.",
    ),
    "provider_too_weak": Explanation(
        "The sign-in did not reach any of the classes (acr) that the hospital demands.",
        "Sign in with the second factor of the hospital.",
    ),
    "provider_unknown_person": Explanation(
        "The provider knows the person, this server does not, and nobody is created at this FHIR server.",
        f"{ASK_HOSPITAL} for access.",
    ),
    "user_disabled": Explanation("The person is switched off here.", f"{ASK_HOSPITAL}."),
    "fhir_user_search_failed": Explanation(
        "The FHIR server did not answer when the person was looked for.", "Try again in a few minutes."
    ),
    "fhir_user_unknown": Explanation(
        "The person signed in, and no resource of the FHIR server is certainly theirs.",
        f"{ASK_HOSPITAL} to look with authz user explain. Apps that need no health record work all the same.",
    ),
    "other_user": Explanation(
        "Somebody else signed in than the person for whom the EHR opened the app.",
        "Open the app from one's own session in the EHR.",
    ),
    "invalid_request": Explanation(
        "The request has something missing, twice, or with a value that can't be.",
        "The description names it. A launch works once, for the app and FHIR server it was made for, and for some"
        " minutes only.",
    ),
    "invalid_client": Explanation(
        "The app did not prove who it is: its client_id, its secret or its assertion is not right.",
        "Check the registered method (token_endpoint_auth_method), the secret or key in use, and the clock: an"
        " assertion lives five minutes and works once.",
    ),
    "invalid_grant": Explanation(
        "The code or refresh token is unknown, over, used before or another app's; or redirect_uri or code_verifier"
        " do not fit.",
        "Redeem a code once, within a minute, with the redirect_uri and code_verifier of its request. Keep only the"
        " newest refresh token. Else start a new authorization.",
    ),
    "invalid_scope": Explanation(
        "Nothing of what was asked can be granted, or the scope can't be read.", "See what became of each scope."
    ),
    "invalid_target": Explanation(
        "resource does not name a FHIR server that this app may use here.",
        "Send the FHIR base URL as iss or the SMART configuration spells it.",
    ),
    "unauthorized_client": Explanation(
        "The app is not registered for this kind of request.", f"{ASK_HOSPITAL} to register the grant type."
    ),
    "unsupported_grant_type": Explanation(
        "The server does not offer this grant type.", "See grant_types_supported of the SMART configuration."
    ),
    "unsupported_response_type": Explanation("Only the code flow is offered.", "Send response_type=code."),
    "access_denied": Explanation(
        "The person declined, may not sign in here, or may not share these records.",
        "The description says which. Let the person try again, or ask the hospital if it should have worked.",
    ),
    "app_not_approved": Explanation(
        "The app registered itself and is not approved yet: it is for test accounts with test patients.",
        f"Sign in with a test account that the hospital has published. {ASK_HOSPITAL} to approve the app, or wait.",
    ),
    "user_type": Explanation(
        "The app is for other people than the one who signed in (fhir_user_types).",
        "Let somebody open it for whom it is; or change for whom the app is registered.",
    ),
    "login_required": Explanation(
        "Nobody was signed in as the request wanted it, and no page could be shown.",
        "Send the request again without prompt=none.",
    ),
    "consent_required": Explanation(
        "The person has not agreed to this yet, and no page could be shown.",
        "Send the request again without prompt=none.",
    ),
    "interaction_required": Explanation(
        "The person has something to choose, and no page could be shown.",
        "Send the request again without prompt=none.",
    ),
    "unmet_authentication_requirements": Explanation(
        "The person did not sign in the way the app demands (acr).",
        "Ask for the acr as voluntary, or ask the hospital whether it offers this way.",
    ),
    "request_not_supported": Explanation("Request objects are not offered.", "Send plain parameters."),
    "request_uri_not_supported": Explanation("Requests by reference are not offered.", "Send plain parameters."),
    "registration_not_supported": Explanation(
        "Registration within a request is not offered.", f"{ASK_HOSPITAL} to register the app."
    ),
    "temporarily_unavailable": Explanation(
        "A part of the server did not answer, or there were too many requests.", "Try again in a little while."
    ),
    "server_error": Explanation("Something unexpected happened here.", ASK_HOSPITAL + ", with the code."),
    "insufficient_scope": Explanation(
        "The credential or token is not for this FHIR server, or not for this endpoint.",
        "Use the credential that belongs to it.",
    ),
    "invalid_token": Explanation("The token is unknown, expired or revoked.", "Get a new one."),
    "invalid_client_metadata": Explanation(
        "The registration has a value that can't be.", "The description names every one of them; correct them."
    ),
    "invalid_redirect_uri": Explanation(
        "A redirect URI can't be registered.",
        "Use https, a scheme of the app's own, or http on the loopback address; no fragment, no wildcard.",
    ),
    "invalid_software_statement": Explanation(
        "The software statement is not signed as its issuer signs, or is over.", "Get a new one from its issuer."
    ),
    "unapproved_software_statement": Explanation(
        "The software statement is genuine at best, but its issuer is not trusted here.",
        f"Register without it, or {ASK_HOSPITAL[0].lower()}{ASK_HOSPITAL[1:]} to trust the issuer.",
    ),
    "already_decided": Explanation(
        "Somebody else has decided about the app, or it was changed, since it was looked at.",
        "Look at it again, and decide about what you see then.",
    ),
    "not_found": Explanation("There is nothing of this name for this caller.", "Check the id."),
}


def of_scope(reason: str | None) -> Explanation:
    return SCOPES.get(reason or "", UNKNOWN)


def of_refusal(reason: str | None, cause: str | None = None) -> Explanation:
    """By what was told, or more closely where the cause is nobody's secret."""
    return REFUSALS.get((cause if cause in OPEN_CAUSES else reason) or "", UNKNOWN)
