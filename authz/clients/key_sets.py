"""Where a client's public keys are: given at registration, or published by the client (SMART ASY-20..25, CA-39..45).

What was fetched is kept as long as its ``Cache-Control`` allows and never longer, by each process for itself. A set
that does not hold the right key may be outdated before its time: it is fetched once more, at most once a minute.
"""

from __future__ import annotations

import logging
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from authz import strict_json
from authz.audit.event import Event, EventName
from authz.clients.assertion import BadAssertion
from authz.clients.freshness import freshness
from authz.errors import Unavailable
from authz.keyring.public_keys import MAX_KEYS
from authz.outbound import FetchFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from authz.audit.trail import Trail
    from authz.clients.client import Client
    from authz.outbound import Answer, Outbound

log = logging.getLogger(__name__)
HTTP_OK = 200
REFETCH = timedelta(minutes=1)
REST = timedelta(seconds=10)  # after a failure the address is left alone
MAX_WAITING = 4  # threads of a process that one client's address may hold up
TURN_SECONDS = 5.0
MAX_ADDRESSES = 1_000  # remembered; a forgotten one is fetched anew
MAX_NODES = 10_000  # JSON values in a set of a hundred keys with certificates


@dataclass(frozen=True, slots=True)
class Fetched:
    jwks: dict[str, Any]
    at: datetime
    fresh_for: timedelta

    def is_fresh(self, now: datetime) -> bool:
        return self.at <= now < self.at + self.fresh_for


class Address:
    """One ``jwks_uri`` and what it last answered; threads take turns, so that they fetch once for all."""

    def __init__(self, fetch: Callable[[], Fetched], now: Callable[[], datetime]) -> None:
        self.fetch = fetch
        self.now = now
        self.places = threading.BoundedSemaphore(MAX_WAITING)
        self.lock = threading.Lock()
        self.held: Fetched | None = None
        self.begun = self.held_from = 0  # how many fetches were begun; which of them brought what is held
        self.failed_at: datetime | None = None
        self.refetched_at: datetime | None = None

    def sets(self) -> Iterator[dict[str, Any]]:
        """The set that holds now; whoever asks on did not find the right key in it, and gets a newer one if any."""
        begun, held = self.begun, self.held
        was_kept = held is not None and held.is_fresh(self.now())
        if held is None or not was_kept:
            with self.turn():
                held = self.kept() or self.begun_after(begun) or self.fetched()
        yield held.jwks
        if was_kept:
            with self.turn():
                kept = self.kept()
                newer = kept if kept is not None and kept is not held else self.refetched()
            if newer is not None:
                yield newer.jwks

    def kept(self) -> Fetched | None:
        return self.held if self.held is not None and self.held.is_fresh(self.now()) else None

    def begun_after(self, begun: int) -> Fetched | None:
        """What somebody else asked for while this one waited: as new as an answer of its own, however short its life.

        So a flood of assertions that nobody signed costs one fetch at a time, and not one for each.
        """
        return self.held if self.held_from > begun else None

    def fetched(self) -> Fetched:
        """Raises BadAssertion; a set that is over its time is of no use then."""
        now = self.now()
        if self.failed_at is not None and now - self.failed_at < REST:
            raise BadAssertion("the client's keys could not be fetched a moment ago")
        self.begun += 1
        try:
            self.held = self.fetch()
            self.held_from = self.begun
        except BadAssertion:
            self.failed_at = now
            raise
        return self.held

    def refetched(self) -> Fetched | None:
        """None while the last such attempt is less than a minute ago."""
        now = self.now()
        if self.refetched_at is not None and now - self.refetched_at < REFETCH:
            return None
        self.refetched_at = now
        return self.fetched()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Raises Unavailable if too many wait already, or it takes too long."""
        if not self.places.acquire(blocking=False):
            raise Unavailable("too many requests wait for the keys of this client")
        try:
            if not self.lock.acquire(timeout=TURN_SECONDS):
                raise Unavailable("the keys of this client take too long to come")
            try:
                yield
            finally:
                self.lock.release()
        finally:
            self.places.release()


class KeySets:
    def __init__(self, outbound: Outbound, trail: Trail, now: Callable[[], datetime]) -> None:
        self.outbound = outbound
        self.trail = trail
        self.now = now
        self.addresses: dict[str, Address] = {}

    def of(self, client: Client) -> Iterator[dict[str, Any]]:
        """The client's key set, then a newer one for whoever did not find the right key.

        Raises BadAssertion if there is none or it can't be fetched; Unavailable if too many wait for it.
        """
        yield from self.held(client.client_id, client.jwks, client.jwks_uri)

    def held(self, name: str, jwks: dict[str, Any] | None, jwks_uri: str | None) -> Iterator[dict[str, Any]]:
        """Likewise of anybody who gave or publishes keys."""
        if jwks is not None:
            yield jwks
        elif jwks_uri is not None:
            yield from self.address(name, jwks_uri).sets()
        else:
            raise BadAssertion("the client has no keys")

    def address(self, client_id: str, url: str) -> Address:
        known = self.addresses.get(url)
        if known is None:
            if len(self.addresses) >= MAX_ADDRESSES:
                self.addresses.clear()
            known = self.addresses.setdefault(url, Address(lambda: self.fetch(client_id, url), self.now))
        return known

    def fetch(self, client_id: str, url: str) -> Fetched:
        """Raises BadAssertion."""
        asked_at = self.now()  # the time of the answer's way counts as well
        try:
            answer = self.outbound.get(url, headers={"Accept": "application/json"})
        except FetchFailed as failure:
            log.warning("the key set of client %s can't be fetched: %s", client_id, failure)
            if failure.refused:
                self.trail.refused(Event(EventName.FETCH_REFUSED, "refused", "jwks_uri", client_id=client_id))
            raise BadAssertion("the client's keys can't be fetched") from failure
        try:
            jwks = key_set(answer)
        except ValueError as problem:
            log.warning("the key set of client %s is none: %s", client_id, problem)
            raise BadAssertion("what the client publishes is not a key set") from problem
        return Fetched(jwks, asked_at, freshness(answer.headers))


def key_set(answer: Answer) -> dict[str, Any]:
    """The document, its keys unchecked: each is looked at when it is to be used. Raises ValueError without a quote."""
    if answer.status != HTTP_OK:
        raise ValueError(f"status {answer.status}")
    document = strict_json.parse(answer.body, max_nodes=MAX_NODES)
    keys = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(keys, list) or len(keys) > MAX_KEYS:
        raise ValueError(f'no member "keys" with at most {MAX_KEYS} keys')
    return {"keys": keys}
