"""What strangers make the trail keep: so many records one by one, and of the rest how many there were (decision 45).

A record is kept for years and costs whoever causes it nothing. Whoever has proved who they are is no stranger; but a
token that is over names a person as well, so that each has a bound of their own.
"""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from authz.audit.event import Event, EventName
from authz.errors import TooManyRequests
from authz.storage.limiter import Limit, neighbourhood

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from authz.storage.limiter import Limiter

# for each of the people who share an address, as for passwords: a network leaves four fifths of everybody's to the rest
OF_NETWORK = Limit("records of a network", 6, 600)
OF_STRANGERS = Limit("records of strangers", 30, 600)
OF_PERSON = Limit("records of a person", 1_200, 600)
LEAST_PEOPLE = 200


@dataclass
class Counted:
    """What had no record of its own since then: of a network, of a person, or of the other strangers together."""

    network: str | None
    sub: str | None
    since: datetime
    events: Counter[str] = field(default_factory=Counter)

    def event(self) -> Event:
        detail = {"since": self.since.isoformat(timespec="milliseconds"), "events": dict(self.events)}
        reason = "person" if self.sub else "network" if self.network else "strangers"
        detail |= {"network": self.network} if self.network else {}
        return Event(EventName.STRANGERS_COUNTED, "refused", reason, sub=self.sub, detail=detail)


class Flood:
    """Counts the records of strangers for all processes together; what is beyond, each process for itself."""

    def __init__(self, limiter: Limiter, people_per_address: int, now: Callable[[], datetime]) -> None:
        people = max(people_per_address, LEAST_PEOPLE)
        self.of_network, self.of_strangers = OF_NETWORK.times(people), OF_STRANGERS.times(people)
        self.limiter = limiter
        self.now = now
        self.lock = threading.Lock()
        self.counted: dict[tuple[str | None, str | None], Counted] = {}

    def admit(self, event: Event) -> None:
        """Count a record that is to be written. Raises TooManyRequests if it is only counted."""
        if event.peer is None or event.one_by_one:
            return
        if event.sub is not None:
            if event.grant_id is not None:  # a token or code was shown, which may be over
                self.check(OF_PERSON, event.sub, event, sub=event.sub)
            return
        network = neighbourhood(event.peer.address)
        self.check(self.of_network, network, event, network=network)
        self.check(self.of_strangers, "", event)

    def check(
        self, limit: Limit, whose: str, event: Event, *, network: str | None = None, sub: str | None = None
    ) -> None:
        try:
            self.limiter.check(limit, whose, "too many records of strangers")
        except TooManyRequests:
            self.note([Counted(network, sub, self.now(), Counter([event.event.value]))])
            raise

    def note(self, more: Iterable[Counted]) -> None:
        with self.lock:
            for one in more:
                known = self.counted.setdefault((one.network, one.sub), Counted(one.network, one.sub, one.since))
                known.since = min(known.since, one.since)
                known.events.update(one.events)

    def take(self) -> list[Counted]:
        """What was counted since the last time."""
        with self.lock:
            counted, self.counted = self.counted, {}
        return list(counted.values())
