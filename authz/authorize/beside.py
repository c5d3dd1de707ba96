"""In an EHR's frame: the code that the window beside it shows, after somebody signed in there."""

from __future__ import annotations

from dataclasses import dataclass, replace
from hmac import compare_digest
from typing import TYPE_CHECKING

from authz.audit.event import EventName
from authz.authorize.ways_in import Place
from authz.login.federated.why import Why
from authz.storage.records import digest
from authz.wording import gettext, mark

if TYPE_CHECKING:
    from authz.authorize.front import FrontChannel
    from authz.authorize.outcome import BrowserFacts, Outcome, ShowLogin
    from authz.authorize.pending import Pending
    from authz.authorize.request import AuthorizationRequest
    from authz.authorize.signing_in import SigningIn
    from authz.launch.launch import Launch

NOT_YET = mark("Sign in first. The code is shown in the window that opens.")
WRONG = mark("That is not the code in the window. Look again.")
ENDED = mark("That sign-in has ended. Sign in again.")
TOO_OFTEN = mark("That was not the code either. Sign in again.")


@dataclass(frozen=True, slots=True)
class Beside:
    front: FrontChannel
    signing_in: SigningIn

    def collect(self, handle: str, code: str, browser: BrowserFacts) -> Outcome:
        """On with the launch, if the code is that of the window; it is asked for three times."""
        pending = self.front.take(handle, browser)
        return self.front.guarded(pending, browser, lambda request: self.collected(request, pending, code, browser))

    def collected(self, request: AuthorizationRequest, pending: Pending, code: str, browser: BrowserFacts) -> Outcome:
        waiting = pending.elsewhere
        if waiting is None or pending.launch is None:
            return self.ask_again(request, pending, gettext(NOT_YET))
        typed = "".join(character for character in code if character.isdigit())
        if compare_digest(waiting.code_digest, digest(typed)):
            if waiting.origin is not None and self.signing_in.sign_out.upstream.has_ended(waiting.origin):
                return self.ended(request, replace(pending, elsewhere=None), pending.launch, browser)
            confirmed = replace(pending, elsewhere=None)
            return self.signing_in.of_launch(request, confirmed, waiting.sign_in, browser, waiting.origin)
        self.refused(pending.launch, "wrong_window_code", browser)
        left = replace(waiting, tries_left=waiting.tries_left - 1)
        if left.tries_left == 0:
            return self.ask_again(request, replace(pending, elsewhere=None), gettext(TOO_OFTEN))
        return self.ask_again(request, replace(pending, elsewhere=left), gettext(WRONG))

    def ended(
        self, request: AuthorizationRequest, pending: Pending, launch: Launch, browser: BrowserFacts
    ) -> ShowLogin:
        """The provider told so while the window was open (OpenID Connect Back-Channel Logout §2.7)."""
        self.refused(launch, Why.ENDED.value, browser)
        return self.ask_again(request, pending, gettext(ENDED))

    def refused(self, launch: Launch, reason: str, browser: BrowserFacts) -> None:
        event = launch.event(EventName.LOGIN_FAILED, browser.peer)
        self.front.guard.trail.refused(replace(event, outcome="refused", reason=reason))

    def ask_again(self, request: AuthorizationRequest, pending: Pending, problem: str) -> ShowLogin:
        handle = self.front.interactions.keep(pending)
        return self.front.next_page.sign_in.page(request, pending, handle, Place.FRAME, problem=problem, status=401)
