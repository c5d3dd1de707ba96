"""How often this server may be asked, and may have to refuse (security.md RL-01..06; decision 27): one table.

What is counted in ``login.throttle`` and ``registration.limits`` stands there. A limit on refusals never refuses
somebody who proves who they are: nobody can lock a client, a FHIR server or an EHR out by calling in its name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from authz.audit.event import Event, EventName
from authz.errors import InvalidClient, TooManyRequests
from authz.storage.limiter import Limit, network
from authz.wording import mark

if TYPE_CHECKING:
    from authz.audit.event import Peer
    from authz.audit.trail import Trail
    from authz.errors import OAuthError
    from authz.storage.limiter import Limiter

# for each of the people that share an address
AUTHORIZATION_REQUESTS = Limit("authorization requests", 6, 60)
STEPS = Limit("pages of apps being opened", 30, 60)
SIGN_OUTS = Limit("sign-outs", 6, 60)
REFUSALS = Limit("refusals", 3, 60)
# for each client, EHR, person, address
FAILED_AUTHENTICATION = Limit("failed client authentication", 30, 60)
LAUNCHES = Limit("launches", 6_000, 60)
SEARCHES = Limit("record searches", 60, 60)
SUPPORT_CODES = Limit("support codes", 30, 600)


@dataclass(frozen=True, slots=True)
class AuditedLimiter:
    """The first refusal of a window is on the trail; the others would only fill the disk."""

    limiter: Limiter
    trail: Trail

    def check(self, limit: Limit, whose: str, words: str, about: Event, amount: int = 1) -> None:
        """Count a try; of ``about`` only who it was and where from counts. Raises TooManyRequests."""
        try:
            self.limiter.check(limit, whose, words, amount)
        except TooManyRequests as error:
            if error.is_first:
                self.trail.refused(limited(limit, about))
            raise


def limited(limit: Limit, about: Event) -> Event:
    reason = limit.name.replace(" ", "_")
    return Event(
        EventName.RATE_LIMITED,
        outcome="refused",
        reason=reason,
        sub=about.sub,
        client_id=about.client_id,
        fhir_server=about.fhir_server,
        launch_id=about.launch_id,
        peer=about.peer,
        one_by_one=about.one_by_one,
        detail=about.detail,
    )


@dataclass(frozen=True, slots=True)
class Limits:
    """Everything raises TooManyRequests."""

    limiter: AuditedLimiter
    people: int  # that may share an address

    def authorizing(self, peer: Peer) -> None:
        """Count a new request at the authorization endpoint."""
        words = mark("too many apps are opened from this address at this moment")
        self.check(AUTHORIZATION_REQUESTS.times(self.people), network(peer.address), words, peer)

    def stepping(self, peer: Peer) -> None:
        """Count a page, or the answer to one, of an app that a person opens by themselves."""
        words = mark("too many pages are opened from this address at this moment")
        self.check(STEPS.times(self.people), network(peer.address), words, peer)

    def signing_out(self, peer: Peer) -> None:
        """Count what another site posts to sign somebody out: it is kept until the browser asks for it."""
        words = mark("too many people are signed out from this address at this moment")
        self.check(SIGN_OUTS.times(self.people), network(peer.address), words, peer)

    def refused(self, error: OAuthError, peer: Peer, claimed: str | None = None) -> None:
        """Count a refusal, before it goes on the trail; ``claimed`` is who a program says it is, without proof.

        By address first: an address that is over its limit makes no more counters of names that it invents.
        """
        words = mark("too many requests from this address had to be refused; wait a minute")
        self.check(REFUSALS.times(self.people), network(peer.address), words, peer)
        if claimed is not None and isinstance(error, InvalidClient):
            words = "too many failed authentications of this client; see to its credential and wait a minute"
            self.check(FAILED_AUTHENTICATION, claimed, words, peer, client_id=claimed)

    def is_refused(self, peer: Peer) -> bool:
        """Whether the next refusal would be one too many."""
        return self.limiter.limiter.is_used_up(REFUSALS.times(self.people), network(peer.address))

    def launching(self, ehr: str, peer: Peer) -> None:
        """Count a launch that an EHR puts down."""
        words = "too many launches within a minute"
        self.check(LAUNCHES, ehr, words, peer, one_by_one=True, detail={"ehr": ehr})

    def searching(self, about: Event) -> None:
        """Count a search in somebody's name."""
        if about.sub is not None:
            self.limiter.check(SEARCHES, about.sub, "too many searches within a minute", about)

    def looking_up(self, peer: Peer) -> None:
        """Count a support code that is looked up, good or not, so that none can be guessed."""
        words = "too many codes were looked up from this address"
        self.check(SUPPORT_CODES, network(peer.address), words, peer)

    def check(self, limit: Limit, whose: str, words: str, peer: Peer, **about: Any) -> None:
        self.limiter.check(limit, whose, words, Event(EventName.RATE_LIMITED, peer=peer, **about))
