"""The page for a step, and what is kept with it: for whom it is, what it offers, what it asks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from authz.audit.support_code import new_support_code
from authz.authorize.checks import Protected
from authz.authorize.outcome import ShowCode, ShowConsent, ShowEncounters, ShowGlass, ShowPatients
from authz.authorize.show import frame
from authz.authorize.steps import Step

if TYPE_CHECKING:
    from authz.authorize.outcome import BrowserFacts, Outcome
    from authz.authorize.pending import Interactions, Pending
    from authz.authorize.picker import Picker
    from authz.authorize.request import AuthorizationRequest
    from authz.authorize.show import Consenting
    from authz.authorize.sign_in_page import SignInPage
    from authz.authorize.situation import Situation
    from authz.my_apps.reminder import Reminders


@dataclass(frozen=True, slots=True)
class NextPage:
    interactions: Interactions
    picker: Picker
    consenting: Consenting
    sign_in: SignInPage
    reminders: Reminders

    def show(
        self,
        step: Step,
        request: AuthorizationRequest,
        pending: Pending,
        situation: Situation,
        browser: BrowserFacts,
        handle: str | None,
    ) -> Outcome:
        """A handle that the page was reached by stays good for it."""
        kept = replace(pending, shown_to=situation.sign_in.sub if situation.sign_in else None, asked=None)
        shown, app_name = frame(request, pending), request.client.shown_name
        if step is Step.LOGIN:
            handle = self.interactions.show(pending, kept, handle)
            if pending.half is not None:
                return ShowCode(handle, shown, app_name)
            return self.sign_in.first(request, pending, browser, handle)
        if step is Step.SELECT_PATIENT:
            patients, picking = self.picker.patients(request, pending, situation, browser.peer)
            handle = self.interactions.show(pending, replace(kept, picking=picking), handle)
            return ShowPatients(handle, shown, app_name, patients, reminder=self.reminder(pending, situation))
        if step is Step.SELECT_ENCOUNTER:
            encounters, picking = self.picker.encounters(request, pending, situation, browser.peer)
            handle = self.interactions.show(pending, replace(kept, picking=picking), handle)
            return ShowEncounters(handle, shown, app_name, encounters)
        if step is Step.BREAK_GLASS:
            unknown = new_support_code() if situation.protected is Protected.PERHAPS else None
            return ShowGlass(self.interactions.show(pending, kept, handle), shown, app_name, support_code=unknown)
        asked = self.consenting.offer(request, situation)
        handle = self.interactions.show(
            pending, replace(kept, asked=asked.fingerprint(situation.context.patient)), handle
        )
        page = self.consenting.page(request, pending, situation, asked, browser.peer)
        return ShowConsent(handle, shown, page, reminder=self.reminder(pending, situation))

    def reminder(self, pending: Pending, situation: Situation) -> tuple[str, ...]:
        """After a sign-in here, now and then, the apps that go on while the person is away (SMART BP-01).

        Of what many people did with a test account, nobody is reminded.
        """
        if pending.launch is not None or pending.sign_in is None or situation.user is None or situation.user.is_sandbox:
            return ()
        sign_in, ways = pending.sign_in, self.sign_in.ways
        return self.reminders.due(sign_in.sub, lambda fhir_server: ways.of(fhir_server).allow(sign_in))
