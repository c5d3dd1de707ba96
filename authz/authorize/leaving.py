"""To the hospital's provider, from a page of an interaction."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from authz.authorize.failing import failed
from authz.authorize.outcome import Leave
from authz.authorize.refusal import NotOffered
from authz.authorize.ways_in import Place
from authz.login.federated.trip import Trip, Wanted, encode
from authz.login.federated.why import UpstreamFailed
from authz.storage.records import digest
from authz.wording import mark

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from authz.authorize.front import FrontChannel
    from authz.authorize.outcome import BrowserFacts, Outcome
    from authz.authorize.pending import Pending
    from authz.authorize.request import AuthorizationRequest
    from authz.login.federated.federation import Federation
    from authz.login.federated.provider import Provider


@dataclass(frozen=True, slots=True)
class Leaving:
    front: FrontChannel
    federation: Federation
    now: Callable[[], datetime]

    def leave(self, name: str, door_name: str, browser: BrowserFacts) -> Outcome:
        """On to the provider's pages; the interaction waits, and may be left as often as somebody likes.

        Raises PageRefusal, NotOffered for a provider at which people of this FHIR server do not sign in, and
        TooManyRequests: each time something is kept.
        """
        door = self.front.next_page.sign_in.doors.behind(door_name)
        pending = None if door is None else self.front.interactions.look(door.interaction, browser.binding)
        if door is None or pending is None:
            raise self.front.out_of_date(browser)

        def left(request: AuthorizationRequest) -> Outcome:
            provider = self.federation.providers.get(name)
            if provider is None or not provider.serves(request.fhir_server.name):
                raise NotOffered(mark("This way to sign in is not offered."))
            binding = browser.binding or secrets.token_urlsafe(32)
            wanted = wanted_of(request, pending, provider)
            trip = Trip(
                provider=provider.name,
                interaction=door.interaction,
                binding=digest(binding),
                began_at=self.now(),
                max_age=wanted.max_age,
                acr_values=provider.acr_values,
                in_window=door.in_window and pending.launch is not None,
            )
            if pending.launch is None:
                self.front.room.take(len(encode(trip)), browser.peer)
            state = self.federation.trips.begin(trip)
            try:
                location = self.federation.relying_party.way_there(provider, trip, state, wanted)
            except UpstreamFailed as failure:
                place = Place.WINDOW if trip.in_window else Place.PAGE
                return failed(self.front, (request, pending, door.interaction), (provider, failure), browser, place)
            return Leave(location, binding)

        return self.front.guarded(pending, browser, left)


def wanted_of(request: AuthorizationRequest, pending: Pending, provider: Provider) -> Wanted:
    """How the person is to sign in: as the app asks, and anew where the launch must be confirmed (reauthenticate)."""
    anew = "login" in request.prompt or (pending.launch is not None and request.fhir_server.reauthenticate)
    chosen = "select_account" if "select_account" in request.prompt else None
    return Wanted(
        prompt="login" if anew else chosen,
        max_age=0 if anew else request.max_age,
        login_hint=request.login_hint,
        ui_locales=pending.parameters.get("ui_locales"),
        acr_values=tuple(sorted(request.essential_acr or ())) or provider.acr_values,
    )
