"""What the rest of the server may ask of the short-lived store, and the circuit breaker before a store that hangs."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Protocol

from authz.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

FAILURES_TO_OPEN = 3
REST_SECONDS = 1.0


class StoreUnavailable(Unavailable):
    """The short-lived store did not answer, or refused: answered with 503 and ``Retry-After``.

    It never means "there is no such key", and a write that raised it may or may not have happened.
    """


class StoreFull(StoreUnavailable):
    """It answers, and has no room for what is new (security.md RL-02)."""


class Backend(Protocol):
    """Keys with a value and a lifetime, shared by all processes; losing everything in it grants nothing.

    An expired entry is never seen again. A lifetime is in seconds and lasts at least a millisecond. Every verb takes
    one round trip, may be called from any thread and raises StoreUnavailable. A backend may be carried over a fork
    that is made while no other thread is in a call.
    """

    def get(self, *keys: str) -> list[bytes | None]:
        """The values in the order of the keys; None where there is none."""
        ...

    def put(self, entries: Mapping[str, bytes], ttl_seconds: float) -> None:
        """Write all entries, over what was there. If this raises, some of them may have been written."""
        ...

    def take(self, key: str) -> bytes | None:
        """Read and delete in one step: of racing callers one gets the value."""
        ...

    def claim(self, key: str, value: bytes, ttl_seconds: float) -> bytes | None:
        """Write unless the key is held: None if it is ours now, else the value that holds it."""
        ...

    def count(self, key: str, window_seconds: int, amount: int = 1) -> int:
        """Add to a counter that vanishes ``window_seconds`` after its first count; the new count."""
        ...

    def expires_in(self, key: str) -> float | None:
        """Seconds until the store forgets a key that somebody else may have written; None if there is no such key."""
        ...

    def delete(self, *keys: str) -> None: ...

    def sweep(self) -> int:
        """Drop what has expired, where the store does not do so by itself; how many entries went."""
        ...

    def incarnation(self) -> str:
        """A name for this life of the store, to be compared within one process only.

        It differs after a restart, after the file was replaced, or when another server answers. Normally no round trip.
        Ask after reading what the answer is to vouch for.
        """
        ...

    def problems(self) -> list[str]:
        """What is wrong with the store's configuration, in words for an operator; empty if it may be used."""
        ...

    def facts(self) -> dict[str, str]:
        """What the store's server says of itself, by Redis' names (``redis_version`` …); empty if there is none.

        For the administrator only: it takes several round trips.
        """
        ...

    def ping(self) -> None:
        """Raise StoreUnavailable if the store does not answer."""
        ...

    def close(self) -> None:
        """Let go of all idle connections; a later call opens new ones."""
        ...


class Breaker:
    """Refuses at once while a dependency is known to be away, so that its time-outs do not use up every thread.

    Opens after three failures in a row; once a second one caller is let through to try, and its success closes it.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._failures = 0
        self._try_again_at = 0.0

    def admit(self) -> None:
        """Raise StoreUnavailable while open."""
        if self._failures < FAILURES_TO_OPEN:
            return
        with self._lock:
            if self._clock() < self._try_again_at:
                raise StoreUnavailable("the store failed a moment ago and is left alone")
            self._try_again_at = self._clock() + REST_SECONDS  # this caller tries, the others go on waiting

    def succeeded(self) -> None:
        if self._failures:
            with self._lock:
                self._failures = 0

    def failed(self) -> None:
        with self._lock:
            self._failures += 1
            self._try_again_at = self._clock() + REST_SECONDS
