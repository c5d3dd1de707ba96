"""How often something may be tried (security.md RL-02, RL-03, RL-05, decision 27)."""

from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import dataclass, replace
from ipaddress import IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING

from authz.errors import TooManyRequests
from authz.storage.records import digest
from authz.storage.short_lived import StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from authz.storage.short_lived import Backend

MOST_LOCAL_COUNTERS = 10_000
MOST_SHARED_COUNTERS = 10_000  # of addresses, and of networks, that a process makes in the store: 2.5 MB each
NEIGHBOURHOOD = {4: 24, 6: 48}  # bits: what one subscriber can usually move about in


@dataclass(frozen=True, slots=True)
class Limit:
    """At most ``tries`` within ``seconds`` after the first; what is measured is so many kilobytes instead."""

    name: str
    tries: int
    seconds: int

    def times(self, people: int) -> Limit:
        """The limit of so many together."""
        return replace(self, tries=self.tries * people)


class Address(str):
    """Of which one stranger may have any number."""

    __slots__ = ()


class Network(str):
    """Of which they have some."""

    __slots__ = ()


class Limiter:
    """Counts tries, whatever comes of them, for all processes together.

    Each process counts for itself as well, and what is more counts: never without a limit, neither while the store is
    away nor when somebody writes to it who should not. Where there are too many addresses or networks the next are
    counted by each process alone, so that they do not fill the store.
    """

    def __init__(self, backend: Backend, now: Callable[[], datetime]) -> None:
        self.backend = backend
        self.local = LocalCounters(now)
        self.shared: dict[type[str], SharedCounters] = {kind: SharedCounters(now) for kind in (Address, Network)}

    def check(self, limit: Limit, whose: str, words: str, amount: int = 1) -> None:
        """Count a try and raise TooManyRequests, with these words, if it is one too many."""
        count = self.count(limit, whose, amount)
        if count > limit.tries:
            raise TooManyRequests(words, limit.seconds, is_first=count - amount <= limit.tries)

    def is_used_up(self, limit: Limit, whose: str) -> bool:
        """Whether a try more would be one too many; it is none itself."""
        return self.count(limit, whose, 0) >= limit.tries

    def count(self, limit: Limit, whose: str, amount: int) -> int:
        key = f"throttle:{limit.name}:{digest(whose)}"
        count = self.local.count(key, limit.seconds, amount)
        shared = self.shared.get(type(whose))
        if shared is not None and not shared.has(key, limit.seconds):
            return count
        with suppress(StoreUnavailable):
            count = max(count, self.backend.count(key, limit.seconds, amount))
        return count


class LocalCounters:
    """The counters of this process alone; when there are too many the oldest windows are forgotten."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self.now = now
        self.lock = threading.Lock()
        self.counts: dict[str, tuple[int, float]] = {}

    def count(self, key: str, window_seconds: int, amount: int = 1) -> int:
        moment = self.now().timestamp()
        with self.lock:
            count, end = self.counts.pop(key, (0, 0.0))
            if end <= moment:
                count, end = 0, moment + window_seconds
                self.forget_oldest()
            self.counts[key] = (count + amount, end)
            return count + amount

    def forget_oldest(self) -> None:
        while len(self.counts) >= MOST_LOCAL_COUNTERS:
            del self.counts[next(iter(self.counts))]


class SharedCounters:
    """Which counters of one kind this process has made in the store, where they live as long as here."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self.now = now
        self.lock = threading.Lock()
        self.ends: dict[str, float] = {}
        self.looked_at = 0.0

    def has(self, key: str, window_seconds: int) -> bool:
        """Whether it is one of them, or there is room for it, so that it is one from now on."""
        moment = self.now().timestamp()
        with self.lock:
            if self.ends.get(key, 0.0) > moment:
                return True
            if len(self.ends) >= MOST_SHARED_COUNTERS and moment - self.looked_at >= 1:
                self.looked_at = moment
                self.ends = {one: end for one, end in self.ends.items() if end > moment}
            if len(self.ends) >= MOST_SHARED_COUNTERS:
                return False
            self.ends[key] = moment + window_seconds
            return True


def network(address: str | None) -> Address:
    """Who is counted as one: an IPv4 address, or the /64 that one IPv6 user has for themselves."""
    if address is None:
        return Address("unknown")
    parsed = ip_address(address)
    return Address(int(parsed) >> 64 if isinstance(parsed, IPv6Address) else address)


def neighbourhood(address: str | None) -> Network:
    """The /24 or /48 around an address: one who rents a few addresses is counted as one as well."""
    if address is None:
        return Network("unknown")
    parsed = ip_address(address)
    return Network(ip_network((parsed, NEIGHBOURHOOD[parsed.version]), strict=False))
