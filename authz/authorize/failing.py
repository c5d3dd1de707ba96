"""A sign-in at a provider that came to nothing: the sign-in page again, in words, and an entry on the trail."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from authz.audit.event import Event, EventName
from authz.audit.support_code import new_support_code
from authz.authorize.ways_in import Place

if TYPE_CHECKING:
    from authz.authorize.front import FrontChannel
    from authz.authorize.outcome import BrowserFacts, ShowLogin
    from authz.authorize.pending import Pending
    from authz.authorize.request import AuthorizationRequest
    from authz.login.federated.provider import Provider
    from authz.login.federated.why import UpstreamFailed

log = logging.getLogger(__name__)


def failed(
    front: FrontChannel,
    where: tuple[AuthorizationRequest, Pending, str],
    what: tuple[Provider, UpstreamFailed],
    browser: BrowserFacts,
    place: Place = Place.PAGE,
) -> ShowLogin:
    """The page on which one may try again, or another way; the app hears of it only when the person gives up."""
    (request, pending, handle), (provider, failure) = where, what
    log.warning("signing in at %s came to nothing (%s): %s", provider.name, failure.why.value, failure)
    code = new_support_code()
    front.guard.trail.refused(
        Event(
            EventName.LOGIN_FAILED,
            outcome="refused",
            reason=failure.why.value,
            client_id=request.client.client_id,
            fhir_server=request.fhir_server.name,
            launch_id=pending.launch_id,
            support_code=code,
            peer=browser.peer,
            detail={"provider": provider.name, "cause": str(failure)},
        )
    )
    problem = failure.sentence(provider.label)
    return front.next_page.sign_in.page(
        request, pending, handle, place, problem=problem, status=failure.status, support_code=code
    )
