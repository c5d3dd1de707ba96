"""Whose decisions may hold up threads while a FHIR server is asked (security.md RL-07, HP-14).

A decision that needs no answer of a FHIR server knows nothing of this. Of those that do, as many ask at once in a
process as leave half of its threads free: of eight threads four, three of them at one FHIR server, two for one person.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

from authz import concurrency
from authz.errors import TooManyRequests, Unavailable
from authz.storage.recent import Recent

if TYPE_CHECKING:
    from collections.abc import Iterator

DECISION_SECONDS = 2.0  # from its beginning, however many questions it has
PROMPT_SECONDS = 0.1  # who has asked for longer is not waited for by all and sundry
SHORT_WAITS, SHORT_WAITS_SECONDS = 50, 10.0  # of one person: enough for a crowd, not for one that never ends

Wait = Callable[[], float]  # takes a turn; the seconds that are left


@dataclass(frozen=True, slots=True)
class AtOnce:
    """How many decisions of a process; ``waiting``: may wait for a turn however slow those before them are."""

    asking: int
    of_server: int
    of_person: int
    waiting: int

    @classmethod
    def of(cls, threads: int) -> AtOnce:
        half = max(1, threads // 2)
        return cls(half, max(1, half * 3 // 4), max(1, half // 2), threads // 4)


AT_ONCE = AtOnce.of(concurrency.threads())


@dataclass(slots=True, eq=False)
class Turn:
    """One decision's."""

    turns: Turns
    server: str
    person: str
    ends_at: float
    began_at: float = math.inf

    def take(self) -> float:
        """Before anything is waited for: the seconds that the decision has left.

        Raises TooManyRequests where the person's own decisions are in the way, Unavailable where others' are or the
        time is over.
        """
        if self.began_at == math.inf:
            self.turns.begin(self)
        left = self.ends_at - self.turns.monotonic()
        if left <= 0:
            raise Unavailable(f"{self.server}: the decision took too long")
        return left


class Turns:
    """One process's. While FHIR servers answer promptly everybody waits for a turn; where one is slow, few do."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic, at_once: AtOnce = AT_ONCE) -> None:
        self.monotonic = monotonic
        self.at_once = at_once
        self.changed = threading.Condition()
        self.asking: list[Turn] = []  # the one that began first is the first
        self.waiting = 0
        self.short_waits: Recent[Iterator[int]] = Recent(SHORT_WAITS_SECONDS, monotonic)

    @contextmanager
    def turn(self, server: str, person: str) -> Iterator[Turn]:
        """For one decision, which begins now."""
        turn = Turn(self, server, person, self.monotonic() + DECISION_SECONDS)
        try:
            yield turn
        finally:
            with self.changed:
                if turn in self.asking:
                    self.asking.remove(turn)
                    self.changed.notify_all()

    def begin(self, turn: Turn) -> None:
        """Raises TooManyRequests, Unavailable."""
        with self.changed:
            if self.in_the_way(turn):
                self.wait(turn)
            turn.began_at = self.monotonic()
            self.asking.append(turn)

    def wait(self, turn: Turn) -> None:
        """Until nobody is in the way. Raises TooManyRequests, Unavailable."""
        stays = self.waiting < self.at_once.waiting
        may_wait = stays or next(self.short_waits.get(turn.person, count)) < SHORT_WAITS
        self.waiting += stays
        try:
            while before := self.in_the_way(turn):
                until = turn.ends_at if stays else min(turn.ends_at, before[0].began_at + PROMPT_SECONDS)
                left = until - self.monotonic()
                if not may_wait or left <= 0:
                    raise refusal(turn, before)
                self.changed.wait(left)
        finally:
            self.waiting -= stays

    def in_the_way(self, turn: Turn) -> list[Turn]:
        """Those that ask already, where they are as many as may."""
        of_person = [other for other in self.asking if other.person == turn.person]
        of_server = [other for other in self.asking if other.server == turn.server]
        at_once = self.at_once
        for before, most in (
            (of_person, at_once.of_person),
            (of_server, at_once.of_server),
            (self.asking, at_once.asking),
        ):
            if len(before) >= most:
                return before
        return []


def refusal(turn: Turn, before: list[Turn]) -> TooManyRequests | Unavailable:
    if all(other.person == turn.person for other in before):
        return TooManyRequests("too many requests of one person wait for the FHIR server, send fewer at once", 1)
    return Unavailable(f"{turn.server}: {len(before)} requests wait for the FHIR server already")
