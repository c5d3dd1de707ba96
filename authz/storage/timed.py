"""A short-lived store that tells how long it took to answer, when it did not, and when it is full."""

from __future__ import annotations

import logging
import math
import time
from typing import TYPE_CHECKING, TypeVar

from authz.storage.short_lived import StoreFull, StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from authz.storage.short_lived import Backend

Found = TypeVar("Found")
LOG = logging.getLogger(__name__)
QUIET_SECONDS = 60.0


class TimedBackend:
    """Backend in front of another. Each hearer is told the verb and the seconds, or None if it was StoreUnavailable.

    Told of are the verbs that requests use; not what operators ask, and not what takes no round trip. That the store is
    full is an error in the log, once a minute for each process, for as long as something is refused.
    """

    def __init__(self, plain: Backend, hearers: Sequence[Callable[[str, float | None], None]]) -> None:
        self._plain = plain
        self._hearers = hearers
        self._told_of_full_at = -math.inf
        self.sweep = plain.sweep
        self.incarnation = plain.incarnation
        self.problems = plain.problems
        self.facts = plain.facts
        self.ping = plain.ping
        self.close = plain.close

    def get(self, *keys: str) -> list[bytes | None]:
        return self._heard("get", lambda: self._plain.get(*keys))

    def put(self, entries: Mapping[str, bytes], ttl_seconds: float) -> None:
        self._heard("put", lambda: self._plain.put(entries, ttl_seconds))

    def take(self, key: str) -> bytes | None:
        return self._heard("take", lambda: self._plain.take(key))

    def claim(self, key: str, value: bytes, ttl_seconds: float) -> bytes | None:
        return self._heard("claim", lambda: self._plain.claim(key, value, ttl_seconds))

    def count(self, key: str, window_seconds: int, amount: int = 1) -> int:
        return self._heard("count", lambda: self._plain.count(key, window_seconds, amount))

    def expires_in(self, key: str) -> float | None:
        return self._heard("expires_in", lambda: self._plain.expires_in(key))

    def delete(self, *keys: str) -> None:
        self._heard("delete", lambda: self._plain.delete(*keys))

    def _heard(self, verb: str, call: Callable[[], Found]) -> Found:
        began = time.perf_counter()
        try:
            found = call()
        except StoreUnavailable as problem:
            if isinstance(problem, StoreFull):
                self._tell_that_it_is_full(problem)
            self._tell(verb, None)
            raise
        self._tell(verb, time.perf_counter() - began)
        return found

    def _tell_that_it_is_full(self, problem: StoreFull) -> None:
        now = time.monotonic()
        if now - self._told_of_full_at >= QUIET_SECONDS:
            self._told_of_full_at = now
            LOG.error("the short-lived store is full: %s", problem)

    def _tell(self, verb: str, seconds: float | None) -> None:
        for hear in self._hearers:
            hear(verb, seconds)
