"""Back from the hospital's provider: who is it, and on to the app.

A provider's pages can't be framed. From an EHR's frame a window is opened, and the interaction goes on in the frame
once the code that the window shows is typed there: so it is one person, at one screen, who does both.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from authz.audit.event import Event, EventName
from authz.audit.support_code import new_support_code
from authz.authorize.arrival import Arrival
from authz.authorize.came import Came
from authz.authorize.failing import failed
from authz.authorize.outcome import Continue, ShowCandidates, ShowNobody, ShowWindowCode
from authz.authorize.pending import Elsewhere
from authz.authorize.refusal import NotOffered
from authz.authorize.show import frame
from authz.authorize.ways_in import Place
from authz.login.federated.why import UpstreamFailed, Why
from authz.login.method import SignIn, SignInEnded
from authz.scopes import LaunchScope, ResourceScope
from authz.storage.records import digest
from authz.wording import mark

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from authz.authorize.arrival import Arrivals
    from authz.authorize.front import FrontChannel
    from authz.authorize.identifying import Identifying
    from authz.authorize.outcome import BrowserFacts, Outcome
    from authz.authorize.pending import Pending
    from authz.authorize.request import AuthorizationRequest
    from authz.authorize.signing_in import SigningIn
    from authz.login.federated.federation import Federation
    from authz.login.federated.provider import Provider
    from authz.users.user import User

CODE_DIGITS = 6


@dataclass(frozen=True, slots=True)
class ComingBack:
    front: FrontChannel
    federation: Federation
    identifying: Identifying
    arrivals: Arrivals
    signing_in: SigningIn
    now: Callable[[], datetime]

    def come_back(self, name: str, answer: Mapping[str, str], browser: BrowserFacts) -> Outcome:
        """The answer of a provider, for the trip of its ``state`` and no other. Raises PageRefusal."""
        trip = self.federation.trips.end(answer.get("state", ""), name, browser.binding)
        pending = None if trip is None else self.front.interactions.look(trip.interaction, browser.binding)
        provider = self.federation.providers.get(name)
        if trip is None or pending is None or provider is None:
            raise self.front.out_of_date(browser)

        def arrived(request: AuthorizationRequest) -> Outcome:
            try:
                check_serves(provider, request)
                claims = self.identifying.claims(provider, request.fhir_server)
                proof = self.federation.relying_party.proof(provider, trip, answer, claims)
                self.federation.sessions.check_goes_on(proof.origin)
                arrival = Arrival(name, trip.interaction, trip.binding, trip.in_window, proof)
                person = self.identifying.person(came_of(request, pending, provider, arrival, browser))
            except UpstreamFailed as failure:
                place = Place.WINDOW if trip.in_window else Place.PAGE
                return failed(self.front, (request, pending, trip.interaction), (provider, failure), browser, place)
            if not isinstance(person, tuple):
                return self.enter(request, pending, (provider, arrival, person), browser)
            shown, app_name = frame(request, pending), request.client.shown_name
            return ShowCandidates(self.arrivals.keep(replace(arrival, candidates=person)), shown, app_name, person)

        return self.front.guarded(pending, browser, arrived)

    def choose(self, handle: str, reference: str | None, browser: BrowserFacts) -> Outcome:
        """Which of the resources on the page they are; None: they would rather not say, and the app is told.

        Raises PageRefusal, and NotOffered for one that was not on the page.
        """
        arrival = self.arrivals.take(handle, browser.binding)
        pending = None if arrival is None else self.front.interactions.look(arrival.interaction, browser.binding)
        provider = None if arrival is None else self.federation.providers.get(arrival.provider)
        if arrival is None or pending is None or provider is None:
            raise self.front.out_of_date(browser)
        if reference is None:
            return self.front.cancel(arrival.interaction, browser)

        def chosen(request: AuthorizationRequest) -> Outcome:
            candidate = next((one for one in arrival.candidates if one.reference == reference), None)
            if candidate is None:
                raise NotOffered(mark("This was not offered."))
            try:
                check_serves(provider, request)
                self.federation.sessions.check_goes_on(arrival.proof.origin)
                person = self.identifying.chosen(came_of(request, pending, provider, arrival, browser), candidate)
            except UpstreamFailed as failure:
                place = Place.WINDOW if arrival.in_window else Place.PAGE
                return failed(self.front, (request, pending, arrival.interaction), (provider, failure), browser, place)
            return self.enter(request, pending, (provider, arrival, person), browser)

        return self.front.guarded(pending, browser, chosen)

    def enter(
        self,
        request: AuthorizationRequest,
        pending: Pending,
        who: tuple[Provider, Arrival, User],
        browser: BrowserFacts,
    ) -> Outcome:
        """Signed in: on with the launch if it is its user, else with a session of this browser."""
        provider, arrival, person = who
        proof, interactions, sub = arrival.proof, self.front.interactions, person.sub
        how_proved = (proof.auth_time, proof.amr, proof.acr)
        sign_in = SignIn(sub, *how_proved, provider.name, self.now(), person.sessions_valid_from)
        how = {"amr": list(proof.amr), "provider": provider.name}
        launch_id = pending.launch_id
        entered = Event(EventName.LOGIN, sub=sub, launch_id=launch_id, peer=browser.peer, detail=how)
        with self.identifying.db.write() as sql:
            self.identifying.trail.record(sql, entered)
        if arrival.in_window:
            code = "".join(secrets.choice("0123456789") for _ in range(CODE_DIGITS))
            waiting = replace(pending, elsewhere=Elsewhere(sign_in, digest(code), origin=proof.origin))
            interactions.show(pending, waiting, arrival.interaction)
            return ShowWindowCode(frame(request, pending), request.client.shown_name, code)
        if interactions.take(arrival.interaction, browser.binding) is None:
            raise self.front.out_of_date(browser)  # of two at once the other one has gone on
        if pending.launch is not None:
            return self.signing_in.of_launch(request, pending, sign_in, browser, proof.origin)
        return self.begin_session(request, pending, (provider, arrival, sign_in), browser)

    def begin_session(
        self,
        request: AuthorizationRequest,
        pending: Pending,
        who: tuple[Provider, Arrival, SignIn],
        browser: BrowserFacts,
    ) -> Outcome:
        provider, arrival, sign_in = who
        self.signing_in.sign_out.make_way(browser.session, sign_in, browser.peer)
        try:
            cookie = self.begun(provider, arrival, sign_in, browser)
        except UpstreamFailed as failure:
            place = request, pending, self.front.interactions.keep(pending)
            return failed(self.front, place, (provider, failure), browser)
        handle = self.front.interactions.keep(pending.by(sign_in))
        server = request.fhir_server.name
        if not needs_somebody(request) or self.identifying.users.fhir_user(sign_in.sub, server) is not None:
            return Continue(handle, cookie)
        code = new_support_code()
        nobody = Event(EventName.USER_UNIDENTIFIED, "refused", "fhir_user_unknown", sub=sign_in.sub, support_code=code)
        about = replace(nobody, client_id=request.client.client_id, fhir_server=server, launch_id=pending.launch_id)
        self.identifying.trail.refused(replace(about, peer=browser.peer))
        return ShowNobody(handle, frame(request, pending), request.client.shown_name, code, cookie)

    def begun(self, provider: Provider, arrival: Arrival, sign_in: SignIn, browser: BrowserFacts) -> str:
        """The cookie of a session. Raises UpstreamFailed if what it would be of has ended meanwhile."""
        try:
            cookie, session = self.signing_in.sessions.begin(sign_in, browser.session, browser.peer.user_agent)
        except SignInEnded as ended:
            raise UpstreamFailed(Why.ENDED, "all sign-ins of this person were ended meanwhile") from ended
        with self.identifying.db.write() as sql:
            self.federation.sessions.note(sql, session.digest, provider, arrival.proof)
        try:
            self.federation.sessions.check_goes_on(arrival.proof.origin)  # once more: from now on it is found
        except UpstreamFailed:
            self.signing_in.sign_out.end_row(session.digest, sign_in.sub, "provider", browser.peer)
            raise
        return cookie


def check_serves(provider: Provider, request: AuthorizationRequest) -> None:
    if not provider.serves(request.fhir_server.name):
        raise UpstreamFailed(Why.UNAVAILABLE, "it was switched off meanwhile")


def came_of(
    request: AuthorizationRequest, pending: Pending, provider: Provider, arrival: Arrival, browser: BrowserFacts
) -> Came:
    client_id, launch_id = request.client.client_id, pending.launch_id
    return Came(provider, arrival.proof, request.fhir_server, client_id, launch_id, browser.peer)


def needs_somebody(request: AuthorizationRequest) -> bool:
    """Whether the app asks for what only somebody in the records has."""
    return any(isinstance(one, ResourceScope | LaunchScope) or str(one) == "fhirUser" for one in request.scope)
