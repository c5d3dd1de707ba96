"""Looking up names: how many threads may hang at name servers that do not answer, and whose names they belong to."""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING

from authz.outbound.failure import FetchFailed

if TYPE_CHECKING:
    from collections.abc import Callable

LOOKUPS_AT_ONCE = 8
LOOKUPS_OF_ONE = 2  # of them, for all names below one that somebody registered
REST = 30.0  # seconds from when a name did not answer; until then it is left alone
MOST_RESTING = 1_000
COUNTRY = 2  # letters of a top level
BELOW_COUNTRIES = frozenset({"ac", "co", "com", "edu", "go", "gob", "gouv", "gov", "net", "nhs", "or", "org"})


def registered(host: str) -> str:
    """The part of a name that somebody registered, whose name servers answer for all below it; an address is its own.

    Public suffixes that are not known here are taken for a name that somebody registered: those below share its places.
    """
    labels = host.rstrip(".").split(".")
    if ":" in host or labels[-1].isdigit():
        return host
    is_suffix = len(labels[-1]) == COUNTRY and len(labels) > 1 and labels[-2] in BELOW_COUNTRIES
    return ".".join(labels[-3 if is_suffix else -2 :])


class Lookups:
    """Look-ups that share their places; each is a thread of its own, as the resolver has no time limit.

    ``of_one``: how many of the places the names of one owner may take; ``rest`` in seconds.
    """

    def __init__(
        self,
        resolver: Callable[[str], list[str]],
        monotonic: Callable[[], float],
        of_one: int = LOOKUPS_OF_ONE,
        rest: float = REST,
    ) -> None:
        self.resolver = resolver
        self.monotonic = monotonic
        self.of_one = of_one
        self.rest = rest
        self.has_ended = threading.Condition()
        self.under_way: Counter[str] = Counter()  # by what was registered
        self.silent: dict[str, float] = {}  # host -> since when

    def look_up(self, host: str, seconds: float) -> list[str]:
        """Every address of a name. Raises FetchFailed, OSError, UnicodeError."""
        ends_at = self.monotonic() + seconds
        answer: list[str] = []
        problem: list[OSError | UnicodeError] = []

        def ask() -> None:
            try:
                answer.extend(self.resolver(host))
                self.silent.pop(host, None)
            except (OSError, UnicodeError) as error:
                problem.append(error)
            finally:
                self.end(host)

        self.begin(host, seconds)
        thread = threading.Thread(target=ask, name="resolver", daemon=True)
        thread.start()
        thread.join(max(0.0, ends_at - self.monotonic()))
        if thread.is_alive():
            self.note_silence(host)
            raise FetchFailed("the name server does not answer in time", is_ours=True)
        if problem:
            raise problem[0]
        return answer

    def begin(self, host: str, seconds: float) -> None:
        """Take a place, or wait for one. Raises FetchFailed if there is none, or the name rests."""
        since, owner = self.silent.get(host), registered(host)
        if since is not None and self.monotonic() - since < self.rest:
            raise FetchFailed("the name server does not answer, and is asked again in a while", is_ours=True)
        with self.has_ended:
            if not self.has_ended.wait_for(lambda: self.has_room(owner), seconds):
                raise FetchFailed("the name server does not answer", is_ours=True)
            self.under_way[owner] += 1

    def has_room(self, owner: str) -> bool:
        return self.under_way.total() < LOOKUPS_AT_ONCE and self.under_way[owner] < self.of_one

    def end(self, host: str) -> None:
        with self.has_ended:
            self.under_way -= Counter([registered(host)])  # who has none left is not remembered
            self.has_ended.notify_all()

    def note_silence(self, host: str) -> None:
        if len(self.silent) >= MOST_RESTING:
            self.silent.clear()
        self.silent[host] = self.monotonic()
