"""The front channel: each step looks at where the interaction stands and returns what the browser gets next."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from authz.audit.event import Event, EventName
from authz.authorize.outcome import (
    Continue,
    Done,
    GoToProvider,
    ShowConsent,
    ShowEncounters,
    ShowGlass,
    ShowLogin,
    ShowPatients,
)
from authz.authorize.parameters import read
from authz.authorize.pending import Pending
from authz.authorize.refusal import PageRefusal
from authz.authorize.show import frame
from authz.authorize.steps import Step, next_step
from authz.errors import NotAgreed, OAuthError
from authz.launch.launch import Origin
from authz.launch.resolve import Asked, EhrLaunch, check_open, claim, resolve
from authz.storage.records import digest
from authz.wording import mark

if TYPE_CHECKING:
    from collections.abc import Callable

    from authz.authorize.guard import Guard
    from authz.authorize.next_page import NextPage
    from authz.authorize.outcome import BrowserFacts, Outcome
    from authz.authorize.pending import Interactions
    from authz.authorize.request import AuthorizationRequest
    from authz.authorize.respond import Responder
    from authz.authorize.show import Consenting
    from authz.authorize.situation import Judge, Situation
    from authz.consent.choices import Offer
    from authz.launch.store import Launches
    from authz.strangers import Room

OUT_OF_DATE = mark("This page is out of date, or it was opened in another browser.")


@dataclass(frozen=True, slots=True)
class FrontChannel:
    consenting: Consenting
    guard: Guard
    launches: Launches
    judge: Judge
    responder: Responder
    interactions: Interactions
    next_page: NextPage
    room: Room

    def begin(self, pairs: list[tuple[str, str]], browser: BrowserFacts) -> Outcome:
        """A request at the authorization endpoint. Raises PageRefusal."""
        parameters = dict(pairs)
        return self.guard.run(
            pairs,
            Event(EventName.AUTHORIZE_REFUSED, peer=browser.peer),
            lambda request: self.start(request, parameters, browser),
            is_ehr_launch=bool(parameters.get("launch")),
        )

    def start(self, request: AuthorizationRequest, parameters: dict[str, str], browser: BrowserFacts) -> Outcome:
        asked = Asked(request.launch, request.scope, request.client.client_id, request.fhir_server.name, browser.peer)
        found = resolve(self.launches, asked)
        if isinstance(found, EhrLaunch):
            claimant = f"{request.client.client_id}\n{request.code_challenge or ''}\n{request.state or ''}"
            claim(self.launches, found.launch, digest(claimant), asked)
            kept = {name: value for name, value in read(parameters).items() if name != "launch"}
            try:
                return self.proceed(
                    request, Pending(kept, launch=found.launch, fhir_server=request.fhir_server.name), browser
                )
            except OAuthError as error:
                error.launch_id = found.launch.launch_id  # a signed one has no other name
                error.by_ehr = found.launch.origin is not Origin.TRIAL
                raise
        binding = browser.binding or secrets.token_urlsafe(32)
        pending = Pending(read(parameters), binding=digest(binding), fhir_server=request.fhir_server.name)
        outcome = self.proceed(request, pending, replace(browser, binding=binding))
        if isinstance(outcome, ShowLogin | GoToProvider | ShowPatients | ShowEncounters | ShowGlass | ShowConsent):
            return replace(outcome, new_binding=binding)  # also one that is there: it must live as long as the page
        return outcome

    def resume(self, handle: str, browser: BrowserFacts) -> Outcome:
        """Back at the authorization endpoint after a form; reloading shows the same page."""
        pending = self.interactions.look(handle, browser.binding)
        if pending is None or pending.launch is not None:
            raise self.out_of_date(browser)
        return self.guarded(pending, browser, lambda request: self.proceed(request, pending, browser, handle))

    def decide(self, handle: str, ticked: frozenset[str], browser: BrowserFacts) -> Outcome:
        """The person agreed to what was left ticked; it can only be less than what was shown (LC-10)."""
        pending = self.take(handle, browser)

        def decided(request: AuthorizationRequest) -> Outcome:
            situation = self.judge.look(request, pending, browser)
            if situation.judgement is None or next_step(situation.facts) is not Step.CONSENT:
                return self.proceed(request, pending, browser)
            asked = self.consenting.offer(request, situation)
            if (
                asked.fingerprint(situation.context.patient) != pending.asked
            ):  # rights have changed since the page was shown
                return self.proceed(request, pending, browser)
            if not asked.is_whole(ticked):
                left = self.judge.look(request, pending, browser, asked.agreed(ticked))
                if left.judgement is None or left.facts.needs_reason:  # it has changed since the look above
                    return self.proceed(request, pending, browser)
                situation = replace(left, consent=situation.consent)
            check_enough(asked, ticked, situation)
            location = self.responder.grant(request, pending, situation, browser.peer, asked=True)
            return Done(location, frame(request, pending))

        return self.guarded(pending, browser, decided)

    def cancel(self, handle: str, browser: BrowserFacts) -> Outcome:
        """The person does not want to go on: the app is told, the session stays."""
        pending = self.take(handle, browser)

        def cancelled(_request: AuthorizationRequest) -> Outcome:
            raise NotAgreed("the user did not agree")

        return self.guarded(pending, browser, cancelled)

    def proceed(
        self, request: AuthorizationRequest, pending: Pending, browser: BrowserFacts, handle: str | None = None
    ) -> Outcome:
        """The next thing to do; a handle that the page was reached by stays good for it."""
        situation = self.judge.look(request, pending, browser)
        is_there = request.client.is_own and situation.facts.is_signed_in
        step = Step.DONE if is_there else next_step(situation.facts)
        if step is Step.DONE:
            if handle is not None and self.interactions.take(handle, browser.binding) is None:
                raise PageRefusal(OUT_OF_DATE)  # of two at once the other one got the code
            if is_there:
                return Done(request.redirect_uri, frame(request, pending))
            location = self.responder.grant(request, pending, situation, browser.peer, asked=False)
            return Done(location, frame(request, pending))
        if handle is None and pending.launch is None:
            self.room.take(pending.size, browser.peer, situation.sign_in.sub if situation.sign_in else None)
        return self.next_page.show(step, request, pending, situation, browser, handle)

    def go_on(self, request: AuthorizationRequest, pending: Pending, browser: BrowserFacts) -> Outcome:
        """After a form: back to /authorize, or at once to the next page where no cookie ties it to the browser."""
        if pending.launch is not None:
            return self.proceed(request, pending, browser)
        return Continue(self.interactions.keep(pending))

    def guarded(
        self,
        pending: Pending,
        browser: BrowserFacts,
        then: Callable[[AuthorizationRequest], Outcome],
    ) -> Outcome:
        """A step of an interaction that has begun; of a launch only while it may go on."""

        def still(request: AuthorizationRequest) -> Outcome:
            if pending.fhir_server not in {None, request.fhir_server.name}:
                raise self.out_of_date(browser)
            if pending.launch is not None:
                check_open(self.launches, pending.launch, self.interactions.seconds)
            return then(request)

        if pending.launch is None:
            self.guard.limits.stepping(browser.peer)
        pairs = list(pending.parameters.items())
        about = pending.event(EventName.AUTHORIZE_REFUSED, browser.peer)
        return self.guard.run(pairs, about, still, is_ehr_launch=pending.launch is not None)

    def take(self, handle: str, browser: BrowserFacts) -> Pending:
        """The interaction of a form, once: the handle is its CSRF token too. Raises PageRefusal."""
        pending = self.interactions.take(handle, browser.binding)
        if pending is None:
            raise self.out_of_date(browser)
        return pending

    def out_of_date(self, browser: BrowserFacts) -> PageRefusal:
        refusal = PageRefusal(OUT_OF_DATE)
        self.guard.limits.refused(refusal, browser.peer)
        about = Event(EventName.AUTHORIZE_REFUSED, peer=browser.peer)
        self.guard.audit(about, "out_of_date", refusal, refusal.support_code)
        return refusal


def check_enough(asked: Offer, ticked: frozenset[str], situation: Situation) -> None:
    if not asked.is_enough(ticked):
        verdicts = situation.judgement.verdicts if situation.judgement else ()
        refusal = NotAgreed("the user did not agree to what the app can not work without")
        raise refusal.explained([verdict.as_dict() for verdict in verdicts])
