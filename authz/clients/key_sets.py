"""Where a client's public keys are: given at registration, or published by the client (SMART ASY-20..25, CA-39..45).

What was fetched is kept as long as its ``Cache-Control`` allows, by each process for itself. A set that does not hold
the right key may be outdated before its time: it is fetched once more, at most once a minute, or shortly before its
end, so that a flood renews the set that it meets. One that is over its time still tells whose assertion is worth a new
one: else whoever sends assertions in a client's name would choose how often it is asked, and keep the client waiting.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from authz import strict_json
from authz.audit.event import Event, EventName
from authz.clients.addresses import REST, Address, Fetched, Places, Terms, TooSoon
from authz.clients.assertion import BadAssertion
from authz.clients.freshness import freshness
from authz.errors import Unavailable
from authz.keyring.public_keys import MAX_KEYS
from authz.outbound import FetchFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from authz.audit.trail import Trail
    from authz.clients.addresses import Verifies
    from authz.clients.client import Client
    from authz.outbound import Answer, Outbound

log = logging.getLogger(__name__)
HTTP_OK = 200
MOST_WAITING = 5  # threads of a process that may wait for key sets at once, of its eight
STRANGERS_WAITING = 2  # of them, for the apps that nobody has approved
STRANGERS_REST = timedelta(seconds=30)
STRANGERS_LEAST = timedelta(seconds=30)  # a set of theirs is kept, whatever its Cache-Control says
MAX_ADDRESSES = 1_000  # remembered; a forgotten one is fetched anew
MAX_NODES = 10_000  # JSON values in a set of a hundred keys with certificates


class Shelf:
    """The addresses of clients of one standing."""

    def __init__(self, outbound: Outbound, terms: Terms) -> None:
        self.outbound = outbound
        self.terms = terms
        self.addresses: dict[tuple[str, str], Address] = {}

    def address(self, whose: tuple[str, str], fetch: Callable[[], Fetched], now: Callable[[], datetime]) -> Address:
        """Of one client alone: others may name the same URL, and have turns and places of their own."""
        known = self.addresses.get(whose)
        if known is None:
            if len(self.addresses) >= MAX_ADDRESSES:
                self.addresses.clear()
            known = self.addresses.setdefault(whose, Address(fetch, now, self.terms))
        return known


class KeySets:
    """Of a client that nobody has approved the address is its own choice, and however slow it is the others have
    their places and their turns: it is asked three times a minute at most, which its ``Cache-Control`` can't change.
    """

    def __init__(
        self,
        outbound: Outbound,
        trail: Trail,
        now: Callable[[], datetime],
        for_strangers: Outbound | None = None,
    ) -> None:
        self.trail = trail
        self.now = now
        places, of_strangers = Places(MOST_WAITING), Places(STRANGERS_WAITING)
        self.approved = Shelf(outbound, Terms(ahead=REST, places=(places,)))
        self.strangers = Shelf(
            for_strangers or outbound,
            Terms(least=STRANGERS_LEAST, rest=STRANGERS_REST, places=(of_strangers, places)),
        )

    def of(self, client: Client, verifies: Verifies | None = None) -> Iterator[dict[str, Any]]:
        """The client's key set, then a newer one for whoever did not find the right key; ``verifies`` tells junk.

        Raises BadAssertion if there is none or it can't be fetched; Unavailable if too many wait for it.
        """
        shelf = self.approved if client.is_approved else self.strangers
        yield from self.held(client.client_id, client.jwks, client.jwks_uri, shelf, verifies)

    def held(
        self,
        name: str,
        jwks: dict[str, Any] | None,
        jwks_uri: str | None,
        shelf: Shelf | None = None,
        verifies: Verifies | None = None,
    ) -> Iterator[dict[str, Any]]:
        """Likewise of anybody who gave or publishes keys; an administrator named them where there is no ``shelf``."""
        if jwks is not None:
            yield jwks
        elif jwks_uri is not None:
            with suppress(TooSoon):
                yield from self.address(name, jwks_uri, shelf or self.approved).sets(verifies=verifies)
        else:
            raise BadAssertion("the client has no keys")

    def address(self, client_id: str, url: str, shelf: Shelf) -> Address:
        return shelf.address((client_id, url), lambda: self.fetch(client_id, url, shelf.outbound), self.now)

    def fetch(self, client_id: str, url: str, outbound: Outbound) -> Fetched:
        """Raises BadAssertion; Unavailable where we could not ask, which says nothing about the client."""
        asked_at = self.now()  # the time of the answer's way counts as well
        try:
            answer = outbound.get(url, headers={"Accept": "application/json"})
        except FetchFailed as failure:
            log.warning("the key set of client %s can't be fetched: %s", client_id, failure)
            if failure.is_ours:
                raise Unavailable("the keys of this client can't be asked for") from failure
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
