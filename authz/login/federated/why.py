"""Why a sign-in at a provider came to nothing: a machine's word for the audit trail, a sentence for the person."""

from __future__ import annotations

from enum import StrEnum

from authz.errors import AuthzError
from authz.wording import gettext, mark


class Why(StrEnum):
    UNAVAILABLE = "provider_unavailable"  # it, or its document or keys, can't be had
    FAILED = "provider_failed"  # it says itself that it could not
    DECLINED = "provider_declined"  # access_denied and the like: the person, or the hospital's rules there
    UNTRUSTED = "provider_untrusted"  # what came is not from it, not for us, or not for this request
    NOT_FRESH = "provider_not_fresh"  # an earlier sign-in, where a new one was demanded
    ENDED = "provider_session_ended"  # there, by its own word, while the person was on the way here
    TOO_WEAK = "provider_too_weak"  # none of the demanded acr
    UNKNOWN_PERSON = "provider_unknown_person"  # proved, but nobody here, and nobody may be created
    DISABLED = "user_disabled"
    SEARCH_FAILED = "fhir_user_search_failed"


SENTENCES = {
    Why.UNAVAILABLE: mark("%(provider)s does not answer at the moment. Try again in a few minutes."),
    Why.FAILED: mark("%(provider)s could not sign you in. Try again in a few minutes."),
    Why.DECLINED: mark("%(provider)s did not sign you in."),
    Why.UNTRUSTED: mark("The answer of %(provider)s can not be trusted. You are not signed in."),
    Why.NOT_FRESH: mark("You have to sign in anew, and %(provider)s did not ask you to. You are not signed in."),
    Why.ENDED: mark("Your session at %(provider)s has ended. Sign in again."),
    Why.TOO_WEAK: mark("%(provider)s did not sign you in the way this hospital demands."),
    Why.UNKNOWN_PERSON: mark(
        "%(provider)s knows you, but you have no access here yet. Ask the support desk, with the code."
    ),
    Why.DISABLED: mark("You may not sign in here. Ask the support desk, with the code."),
    Why.SEARCH_FAILED: mark("The health record system does not answer at the moment. Try again in a few minutes."),
}
PASSING = frozenset({Why.UNAVAILABLE, Why.FAILED, Why.SEARCH_FAILED})


class UpstreamFailed(AuthzError):
    """No sign-in came of it. The text is for the log and the trail, and quotes nothing that came."""

    def __init__(self, why: Why, text: str) -> None:
        super().__init__(text)
        self.why = why

    def sentence(self, label: str) -> str:
        return gettext(SENTENCES[self.why], provider=label)

    @property
    def status(self) -> int:
        return 503 if self.why in PASSING else 403
