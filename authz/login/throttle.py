"""How often one may try a password (security.md LC-02, LC-03, RL-02, RL-05, RL-06)."""

from __future__ import annotations

import secrets as random
import threading
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING

from authz.errors import TooManyRequests
from authz.storage.records import digest
from authz.storage.short_lived import StoreUnavailable
from authz.users.user import login_name

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from authz.keyring.secrets import Secrets
    from authz.storage.short_lived import Backend

KNOWN_DEVICE = "known device"  # purpose of the key
MOST_LOCAL_COUNTERS = 10_000


@dataclass(frozen=True, slots=True)
class Limit:
    """At most ``tries`` within ``seconds`` after the first."""

    name: str
    tries: int
    seconds: int


# A hospital is often one address, so that one is generous; a success counts too, for a counter must not be resettable.
ACCOUNT = Limit("account", 10, 600)
DEVICE = Limit("device", 10, 600)
ADDRESS = Limit("address", 100, 600)
EVERYBODY = Limit("everybody", 600, 60)


class Throttle:
    """Counts tries to sign in, whatever comes of them, for all processes together.

    A browser that has signed in to the account before is counted by itself, so that somebody who uses up an account's
    tries does not lock its owner out. While the store is away each process counts for itself: never without a limit.
    """

    def __init__(self, backend: Backend, secrets: Secrets, now: Callable[[], datetime]) -> None:
        self.backend = backend
        self.secrets = secrets
        self.local = LocalCounters(now)

    def admit(self, name: str, address: str | None, device: str | None) -> None:
        """Count a try and raise TooManyRequests if it is one too many.

        ``device`` is what the browser sent of ``device_mark``.
        """
        self.check(ADDRESS, network(address))
        if device is not None and self.knows(device, name):
            self.check(DEVICE, device)
            return
        self.check(EVERYBODY, "")
        self.check(ACCOUNT, account(name))

    def check(self, limit: Limit, whose: str) -> None:
        key = f"throttle:{limit.name}:{digest(whose)}"
        try:
            count = self.backend.count(key, limit.seconds)
        except StoreUnavailable:
            count = self.local.count(key, limit.seconds)
        if count > limit.tries:
            raise TooManyRequests("too many attempts to sign in; wait a few minutes and try again", limit.seconds)

    def device_mark(self, name: str) -> str:
        """What a browser keeps to be known for this account again; it signs nobody in."""
        nonce = random.token_urlsafe(16)
        return f"{nonce}.{self.secrets.mac(KNOWN_DEVICE, f'{nonce} {account(name)}')}"

    def knows(self, device: str, name: str) -> bool:
        nonce, _, mac = device.partition(".")
        return self.secrets.matches(KNOWN_DEVICE, f"{nonce} {account(name)}", mac)


class LocalCounters:
    """The counters of this process alone; when there are too many the oldest windows are forgotten."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self.now = now
        self.lock = threading.Lock()
        self.counts: dict[str, tuple[int, float]] = {}

    def count(self, key: str, window_seconds: int) -> int:
        moment = self.now().timestamp()
        with self.lock:
            count, end = self.counts.pop(key, (0, 0.0))
            if end <= moment:
                count, end = 0, moment + window_seconds
                self.forget_oldest()
            self.counts[key] = (count + 1, end)
            return count + 1

    def forget_oldest(self) -> None:
        while len(self.counts) >= MOST_LOCAL_COUNTERS:
            del self.counts[next(iter(self.counts))]


def account(name: str) -> str:
    """One counter for all spellings of a login name, also for one that nobody can have."""
    return login_name(name) or name


def network(address: str | None) -> str:
    """Who is counted as one: an IPv4 address, or the /64 that one IPv6 user has for themselves."""
    if address is None:
        return "unknown"
    parsed = ip_address(address)
    return str(int(parsed) >> 64) if isinstance(parsed, IPv6Address) else address
