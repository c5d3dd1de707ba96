"""The sign-in within an interaction: name and password, a code, the launch's user or somebody else."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from authz.audit.event import Event, EventName
from authz.audit.support_code import new_support_code
from authz.authorize.beside import ENDED
from authz.authorize.outcome import Continue, ShowCode, ShowWrongUser
from authz.authorize.refusal import NotOffered
from authz.authorize.show import frame
from authz.authorize.sign_in_page import place_of
from authz.errors import TooManyRequests
from authz.login.by_password import Attempt, CodeAttempt
from authz.login.method import HalfSignIn, SignInEnded
from authz.wording import gettext, mark

if TYPE_CHECKING:
    from authz.authorize.front import FrontChannel
    from authz.authorize.outcome import BrowserFacts, Outcome, ShowLogin
    from authz.authorize.pending import Pending
    from authz.authorize.request import AuthorizationRequest
    from authz.login.by_password import ByPassword
    from authz.login.federated.id_token import Origin
    from authz.login.method import SignIn
    from authz.login.session import Sessions
    from authz.tokens.sign_out import SignOut

WRONG = mark("The user name or the password is not right.")
WRONG_CODE = mark("The code is not right, or it was used before. Wait for the next one.")
TOO_LATE = mark("That took too long. Sign in again.")
TOO_MANY = mark("Too many attempts to sign in. Wait a few minutes, then try again.")


@dataclass(frozen=True, slots=True)
class SigningIn:
    front: FrontChannel
    sessions: Sessions
    by_password: ByPassword
    sign_out: SignOut

    def sign_in(self, handle: str, name: str, password: str, browser: BrowserFacts) -> Outcome:
        """Name and password; a wrong one shows the page again, somebody else than the launch's user goes no further."""
        pending = self.front.take(handle, browser)
        attempt = Attempt(name, password, browser.peer, browser.device, pending.launch_id)
        return self.front.guarded(pending, browser, lambda request: self.signed_in(request, pending, attempt, browser))

    def signed_in(
        self, request: AuthorizationRequest, pending: Pending, attempt: Attempt, browser: BrowserFacts
    ) -> Outcome:
        if not self.front.next_page.sign_in.ways.of(request.fhir_server.name).has_password:
            raise NotOffered(mark("This way to sign in is not offered."))

        def again(problem: str, status: int, retry_after: int | None = None) -> ShowLogin:
            shown = {"problem": problem, "status": status, "retry_after": retry_after, "username": attempt.name}
            return self.page(request, pending, browser, **shown)

        try:
            sign_in = self.by_password.enter(attempt)
        except TooManyRequests as error:
            return again(gettext(TOO_MANY), error.status, error.retry_after)
        if sign_in is None:
            return again(gettext(WRONG), 401)
        if isinstance(sign_in, HalfSignIn):
            return self.front.go_on(request, replace(pending, half=sign_in), browser)
        return self.entered(request, pending, sign_in, browser)

    def finish(self, handle: str, code: str, browser: BrowserFacts) -> Outcome:
        """The code after the password."""
        pending = self.front.take(handle, browser)
        return self.front.guarded(pending, browser, lambda request: self.finished(request, pending, code, browser))

    def finished(self, request: AuthorizationRequest, pending: Pending, code: str, browser: BrowserFacts) -> Outcome:
        half, shown, app_name = pending.half, frame(request, pending), request.client.shown_name
        if half is None or not self.by_password.is_current(half):
            shown_again = {"username": half.name if half else "", "problem": gettext(TOO_LATE), "status": 401}
            return self.page(request, replace(pending, half=None), browser, **shown_again)
        try:
            attempt = CodeAttempt(half, code, browser.peer, browser.device, pending.launch_id)
            sign_in = self.by_password.finish(attempt)
        except TooManyRequests as error:
            handle = self.front.interactions.keep(pending)
            problem, after = gettext(TOO_MANY), error.retry_after
            return ShowCode(handle, shown, app_name, problem, status=error.status, retry_after=after)
        if sign_in is None:
            return ShowCode(self.front.interactions.keep(pending), shown, app_name, gettext(WRONG_CODE), status=401)
        return self.entered(request, replace(pending, half=None), sign_in, browser)

    def page(self, request: AuthorizationRequest, pending: Pending, browser: BrowserFacts, **more: Any) -> ShowLogin:
        """The sign-in page once more; ``more`` says why."""
        handle, place = self.front.interactions.keep(pending), place_of(pending, browser)
        return self.front.next_page.sign_in.page(request, pending, handle, place, **more)

    def entered(
        self, request: AuthorizationRequest, pending: Pending, sign_in: SignIn, browser: BrowserFacts
    ) -> Outcome:
        """Signed in: on with the launch if it is its user, else with a session of this browser."""
        if pending.launch is not None:
            return self.of_launch(request, pending, sign_in, browser)
        self.sign_out.make_way(browser.session, sign_in, browser.peer)
        try:
            cookie, _session = self.sessions.begin(sign_in, browser.session, browser.peer.user_agent)
        except SignInEnded:
            refused = Event(EventName.LOGIN_FAILED, "refused", "sign_in_out_of_date", sign_in.sub, peer=browser.peer)
            self.front.guard.trail.refused(replace(refused, one_by_one=True))
            return self.page(request, pending, browser, problem=gettext(ENDED), status=401)
        handle = self.front.interactions.keep(pending.by(sign_in))
        return Continue(handle, cookie, self.by_password.throttle.devices.remember(browser.device, sign_in))

    def of_launch(
        self,
        request: AuthorizationRequest,
        pending: Pending,
        sign_in: SignIn,
        browser: BrowserFacts,
        origin: Origin | None = None,
    ) -> Outcome:
        """On with the launch, if this is its user; ``origin``: at which provider they signed in."""
        assert pending.launch is not None
        if sign_in.sub != pending.launch.user_sub:
            return self.wrong_user(request, pending, sign_in.sub, browser)
        return self.front.proceed(request, pending.by(sign_in, origin), browser)

    def wrong_user(
        self, request: AuthorizationRequest, pending: Pending, sub: str, browser: BrowserFacts
    ) -> ShowWrongUser:
        assert pending.launch is not None
        users = self.front.judge.users
        signed_in, expected = users.by_sub(sub), users.by_sub(pending.launch.user_sub)
        event = pending.launch.event(EventName.LAUNCH_REFUSED, browser.peer)
        code = new_support_code()
        refusal = replace(event, outcome="refused", reason="other_user", sub=sub, support_code=code)
        self.front.guard.trail.refused(refusal)
        return ShowWrongUser(
            self.front.interactions.keep(pending),
            frame(request, pending),
            request.client.shown_name,
            signed_in_as=signed_in.display_name if signed_in else "",
            expected=expected.display_name if expected else "",
            support_code=code,
        )

    def again(self, handle: str, browser: BrowserFacts) -> Outcome:
        """From "not you?" back to the sign-in."""
        pending = replace(self.front.take(handle, browser), half=None)
        return self.front.guarded(pending, browser, lambda request: self.front.proceed(request, pending, browser))
