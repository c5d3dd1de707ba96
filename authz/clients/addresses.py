"""One address where keys are published: what it last answered, and how many threads may wait for its next answer."""

from __future__ import annotations

import threading
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from authz.clients.assertion import BadAssertion
from authz.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import datetime

    Verifies = Callable[[dict[str, Any]], bool]

REFETCH = timedelta(minutes=1)
REST = timedelta(seconds=10)
MAX_WAITING = 4  # threads of a process that one address may hold up
TURN_SECONDS = 5.0


class TooSoon(Unavailable):
    """A newer set is not asked for yet, so nobody knows what is in it."""


@dataclass(frozen=True, slots=True)
class Fetched:
    jwks: dict[str, Any]
    at: datetime
    fresh_for: timedelta

    def is_fresh(self, now: datetime) -> bool:
        return self.at <= now < self.at + self.fresh_for

    def kept_for(self, least: timedelta) -> Fetched:
        return replace(self, fresh_for=max(self.fresh_for, least))


class Places(threading.BoundedSemaphore):
    """For threads that wait for an answer; one too many waits ``patience`` seconds to be one of them."""

    def __init__(self, number: int, patience: float = 0.0) -> None:
        super().__init__(number)
        self.patience = patience


@dataclass(frozen=True, slots=True)
class Terms:
    """On which an address is asked."""

    least: timedelta = timedelta(0)  # an answer is kept so long, whatever its ``Cache-Control`` says
    ahead: timedelta = timedelta(0)  # so long before its end whoever misses a key in it may have it renewed
    rest: timedelta = REST  # after a failure the address is left alone
    places: tuple[Places, ...] = ()  # for those who wait for this address or any other like it
    waiting: int = MAX_WAITING
    patience: float = 0.0


class Address:
    """One ``jwks_uri`` and what it last answered; threads take turns, so that they fetch once for all."""

    def __init__(self, fetch: Callable[[], Fetched], now: Callable[[], datetime], terms: Terms) -> None:
        self.fetch = fetch
        self.now = now
        self.terms = terms
        self.places = Places(self.terms.waiting, self.terms.patience)
        self.lock = threading.Lock()
        self.held: Fetched | None = None
        self.failed_at: datetime | None = None
        self.refetched_at: datetime | None = None
        self.begun = self.held_from = 0  # how many fetches were begun; which of them brought what is held
        self.guessed_at: datetime | None = None  # asked for somebody whom the last set did not verify

    def sets(self, *own: Places, verifies: Verifies | None = None) -> Iterator[dict[str, Any]]:
        """The set that holds now; whoever asks on did not find the right key in it, and gets a newer one.

        Nobody waits while there is one that holds. One that does not hold any more proves nothing, but tells by
        ``verifies`` who is likely to be right: for the others a new one is asked for now and then only. ``own`` are the
        places of those who ask for the same reason. Raises BadAssertion, Unavailable, and TooSoon while nothing newer
        is asked for.
        """
        begun, held = self.begun, self.kept()
        if held is None:
            if self.is_junk(verifies):
                raise TooSoon("a newer key set was asked for a moment ago")
            with self.turn(own):
                found = self.kept() or self.begun_after(begun) or self.fetched()
            yield found.jwks
        else:
            yield held.jwks
            yield self.newer(held, own).jwks

    def is_junk(self, verifies: Verifies | None) -> bool:
        """What the last set does not verify either, while somebody had a new one asked for a moment ago."""
        last, now = self.held, self.now()
        if verifies is None or last is None or verifies(last.jwks):
            return False
        if self.guessed_at is not None and now - self.guessed_at < self.terms.rest:
            return True
        self.guessed_at = now
        return False

    def kept(self) -> Fetched | None:
        return self.held if self.held is not None and self.held.is_fresh(self.now()) else None

    def begun_after(self, begun: int) -> Fetched | None:
        """What somebody else asked for while this one waited: as new as an answer of its own, however short its life.

        RFC 9111 §5.2.2.5.
        """
        return self.held if self.held_from > begun else None

    def newer(self, held: Fetched, own: Iterable[Places]) -> Fetched:
        """What somebody else has got meanwhile, or is getting; else it is asked for, unless it is too soon.

        So a flood of assertions that nobody signed costs a fetch a minute, or what a renewal would have cost.
        """
        if self.lock.locked() or self.may_refetch():  # else nobody takes a place
            with self.turn(own):
                if self.held is held and self.may_refetch():
                    self.refetched_at = self.now()
                    self.fetched()
        latest = self.held
        if latest is None or latest is held:
            raise TooSoon("a newer key set was asked for a moment ago")
        return latest

    def may_refetch(self) -> bool:
        """A minute after the last such attempt, and shortly before the set would have to be fetched anyway."""
        now, last, held = self.now(), self.refetched_at, self.held
        ends_soon = held is not None and not held.is_fresh(now + self.terms.ahead)
        return ends_soon or last is None or now - last >= REFETCH

    def fetched(self) -> Fetched:
        """Raises BadAssertion; a set that is over its time is of no use then."""
        now = self.now()
        self.begun += 1
        if self.failed_at is not None and now - self.failed_at < self.terms.rest:
            raise BadAssertion("the client's keys could not be fetched a moment ago")
        try:
            self.held = self.fetch().kept_for(self.terms.least)
            self.held_from, self.failed_at = self.begun, None
        except BadAssertion:
            self.failed_at = now
            raise
        return self.held

    @contextmanager
    def turn(self, own: Iterable[Places]) -> Iterator[None]:
        """Raises Unavailable if too many wait already, or it takes too long.

        An address that did not answer the last time is worth nobody's patience.
        """
        with ExitStack() as turn:
            for places in (*own, self.places, *self.terms.places):
                if not places.acquire(timeout=places.patience if self.failed_at is None else 0.0):
                    raise Unavailable("too many requests wait for keys that clients publish")
                turn.callback(places.release)
            if not self.lock.acquire(timeout=TURN_SECONDS):
                raise Unavailable("the keys of this client take too long to come")
            turn.callback(self.lock.release)
            yield
