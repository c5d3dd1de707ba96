"""In an EHR's frame: the code that the window beside it shows, after somebody signed in there."""

from __future__ import annotations

from dataclasses import dataclass, replace
from hmac import compare_digest
from typing import TYPE_CHECKING

from authz.audit.event import EventName
from authz.authorize.ways_in import Place
from authz.storage.records import digest
from authz.wording import gettext, mark

if TYPE_CHECKING:
    from authz.authorize.front import FrontChannel
    from authz.authorize.outcome import BrowserFacts, Outcome, ShowLogin
    from authz.authorize.pending import Pending
    from authz.authorize.request import AuthorizationRequest
    from authz.authorize.signing_in import SigningIn

NOT_YET = mark("Sign in first. The code is shown in the window that opens.")
WRONG = mark("That is not the code in the window. Look again.")
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
            return self.signing_in.of_launch(request, replace(pending, elsewhere=None), waiting.sign_in, browser)
        refused = replace(pending.launch.event(EventName.LOGIN_FAILED, browser.peer), reason="wrong_window_code")
        self.front.guard.trail.refused(replace(refused, outcome="refused"))
        left = replace(waiting, tries_left=waiting.tries_left - 1)
        if left.tries_left == 0:
            return self.ask_again(request, replace(pending, elsewhere=None), gettext(TOO_OFTEN))
        return self.ask_again(request, replace(pending, elsewhere=left), gettext(WRONG))

    def ask_again(self, request: AuthorizationRequest, pending: Pending, problem: str) -> ShowLogin:
        handle = self.front.interactions.keep(pending)
        return self.front.next_page.sign_in.page(request, pending, handle, Place.FRAME, problem=problem, status=401)
