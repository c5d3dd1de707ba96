"""How often one may register, look after a registration or sign in with its token; how many may wait (RG-19, RL-02)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from authz.audit.event import Event, EventName
from authz.errors import TooManyRequests
from authz.registration.model import RegistrationRow, Source, State
from authz.storage.limiter import Limit, neighbourhood, network

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from authz.audit.event import Peer
    from authz.limits import AuditedLimiter

HOUR = 3600
NEIGHBOURS = 4  # a network may do so many times what one address may
TOKEN_SIGN_INS = Limit("registration tokens", 60, 600)
MANAGEMENT = Limit("registration management", 300, 600)
OF_NETWORK = Limit("registration management of a network", NEIGHBOURS * MANAGEMENT.tries, MANAGEMENT.seconds)
WAITING = (State.SANDBOX.value, State.REQUESTED.value, State.HELD.value)
FULL = "this server has as many unapproved apps as it takes; ask the hospital"


@dataclass(frozen=True, slots=True)
class Limits:
    """Everything raises TooManyRequests; what came of a try does not matter, so that no success resets a counter."""

    limiter: AuditedLimiter
    per_hour: int  # registrations that one address may try
    most_waiting: int  # unapproved apps at one FHIR server

    def registering(self, peer: Peer) -> None:
        """Count a request to register an app, before it is read."""
        of_address = Limit("registrations", self.per_hour, HOUR)
        of_network = Limit("registrations of a network", NEIGHBOURS * self.per_hour, HOUR)
        words = "too many registrations from this address; try again in an hour"
        self.check(of_address, network(peer.address), words, peer)
        self.check(of_network, neighbourhood(peer.address), words, peer)

    def managing(self, peer: Peer) -> None:
        """Count a request of the client configuration endpoint (RFC 7592)."""
        words = "too many requests about registrations from this address; wait a few minutes"
        self.check(MANAGEMENT, network(peer.address), words, peer)
        self.check(OF_NETWORK, neighbourhood(peer.address), words, peer)

    def signing_in(self, peer: Peer) -> None:
        """Count a sign-in with a registration access token; by app it would only lock its vendor out (RL-06)."""
        words = "too many attempts to sign in; wait a few minutes and try again"
        self.check(TOKEN_SIGN_INS, network(peer.address), words, peer)

    def check_room(self, session: Session, fhir_server: str | None) -> None:
        """Refuse one more app that nobody vouches for, so that strangers can't fill the disk.

        In the transaction that adds it; of two at once both may come in.
        """
        here = RegistrationRow.fhir_server == fhir_server if fhir_server else RegistrationRow.fhir_server.is_(None)
        waiting = (RegistrationRow.source == Source.OPEN.value) & RegistrationRow.state.in_(WAITING) & here
        count = session.scalar(select(func.count()).select_from(RegistrationRow).where(waiting)) or 0
        if count >= self.most_waiting:
            raise TooManyRequests(FULL, HOUR)

    def check(self, limit: Limit, whose: str, words: str, peer: Peer) -> None:
        self.limiter.check(limit, whose, words, Event(EventName.RATE_LIMITED, peer=peer))
