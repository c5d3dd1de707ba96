"""Who of those that are to be told is next, so that nobody's slow address delays anybody else.

Everything here is of one process: each has places of its own, and finds out itself who does not answer.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

T = TypeVar("T")
AT_ONCE = 10
OF_RECEIVER = 2  # of them
OF_STRANGERS = 3  # of them, for all apps together that nobody has approved
RESTS = (timedelta(seconds=10), timedelta(minutes=1))  # after a first failure, and after each more in a row
MOST_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class Receiver:
    """A host; what strangers register there is not told to those who were approved."""

    host: str
    is_approved: bool = True


NOBODY = Receiver("")


class Places:
    """How many more may be told at this moment."""

    def __init__(self, under_way: Iterable[Receiver]) -> None:
        self.of = Counter(under_way)

    def left(self, receiver: Receiver) -> int:
        limits = [AT_ONCE - self.of.total(), OF_RECEIVER - self.of[receiver]]
        if not receiver.is_approved:
            limits.append(OF_STRANGERS - sum(n for one, n in self.of.items() if not one.is_approved))
        return min(limits)

    def take(self, receiver: Receiver, number: int) -> None:
        self.of[receiver] += number


class Turns:
    def __init__(self) -> None:
        self.failures: dict[Receiver, int] = {}  # in a row
        self.rests: dict[Receiver, datetime] = {}  # until when it is left alone, with all its notices
        self.last: dict[Receiver, int] = {}
        self.count = 0

    def order(self, receivers: Mapping[str, Receiver], oldest: Mapping[str, datetime], now: datetime) -> list[str]:
        """The clients that may be told: approved ones first, then whose turn was longest ago."""
        awake = (name for name, receiver in receivers.items() if self.rests.get(receiver, now) <= now)

        def place(name: str) -> tuple[bool, int, datetime]:
            receiver = receivers[name]
            return not receiver.is_approved, self.last.get(receiver, 0), oldest[name]

        return sorted(awake, key=place)

    def take(self, receiver: Receiver) -> None:
        self.count += 1
        remember(self.last, receiver, self.count)

    def answered(self, receiver: Receiver) -> None:
        self.failures.pop(receiver, None)
        self.rests.pop(receiver, None)

    def failed(self, receiver: Receiver, now: datetime) -> None:
        failures = self.failures.get(receiver, 0)
        remember(self.failures, receiver, failures + 1)
        remember(self.rests, receiver, now + RESTS[min(failures, len(RESTS) - 1)])


def remember(what: dict[Receiver, T], receiver: Receiver, value: T) -> None:
    if len(what) >= MOST_REMEMBERED:
        what.clear()
    what[receiver] = value
