"""A short-lived store that tells how long it took to answer, and when it did not."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

from authz.storage.short_lived import StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from authz.storage.short_lived import Backend

Found = TypeVar("Found")


class TimedBackend:
    """Backend in front of another. Each hearer is told the verb and the seconds, or None if it was StoreUnavailable.

    Told of are the verbs that requests use; not what operators ask, and not what takes no round trip.
    """

    def __init__(self, plain: Backend, hearers: Sequence[Callable[[str, float | None], None]]) -> None:
        self._plain = plain
        self._hearers = hearers
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

    def count(self, key: str, window_seconds: int) -> int:
        return self._heard("count", lambda: self._plain.count(key, window_seconds))

    def expires_in(self, key: str) -> float | None:
        return self._heard("expires_in", lambda: self._plain.expires_in(key))

    def delete(self, *keys: str) -> None:
        self._heard("delete", lambda: self._plain.delete(*keys))

    def _heard(self, verb: str, call: Callable[[], Found]) -> Found:
        began = time.perf_counter()
        try:
            found = call()
        except StoreUnavailable:
            self._tell(verb, None)
            raise
        self._tell(verb, time.perf_counter() - began)
        return found

    def _tell(self, verb: str, seconds: float | None) -> None:
        for hear in self._hearers:
            hear(verb, seconds)
