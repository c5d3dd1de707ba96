"""When a token was last asked about, to about a minute, at no cost for whoever asks.

An introspection leaves a note in the process's memory; once a minute the notes go to the short-lived store together.
Lost notes are no harm: they are for the administrator who looks into one launch, and for people's own page of their
apps. One that somebody else wrote into the store is as one that was lost.
"""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING

from authz.storage.short_lived import StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from authz.storage.records import Sealing
    from authz.storage.short_lived import Backend

MOST = 20_000  # notes between two flushes; further tokens are not noted
AT_ONCE = 500
KEPT_SECONDS = 86_400
PREFIX = "seen:"


class LastSeen:
    def __init__(self, backend: Backend, seal: Sealing, now: Callable[[], datetime]) -> None:
        self.backend = backend
        self.seal = seal
        self.now = now
        self.noted: set[str] = set()

    def note(self, digest: str) -> None:
        if len(self.noted) < MOST:
            self.noted.add(digest)

    def flush(self) -> None:
        """Write down what was noted since the last time; from the background, never from a request."""
        noted, self.noted = self.noted, set()
        at = str(int(self.now().timestamp())).encode()
        waiting = (PREFIX + digest for digest in noted)
        try:
            while some := list(islice(waiting, AT_ONCE)):
                self.backend.put({key: self.seal.close(key, at) for key in some}, KEPT_SECONDS)
        except StoreUnavailable:
            return

    def of(self, digests: list[str]) -> dict[str, datetime]:
        """The minute in which each token was last asked about. Raises StoreUnavailable."""
        return dict(self.found(digests))

    def found(self, digests: list[str]) -> Iterator[tuple[str, datetime]]:
        keys = [PREFIX + digest for digest in digests]
        for digest, key, stored in zip(digests, keys, self.backend.get(*keys), strict=True):
            mark = None if stored is None else self.seal.open(key, stored)
            if mark is not None:
                yield digest, datetime.fromtimestamp(int(mark), UTC)
