"""How much of the short-lived store people may fill who open apps by themselves (security.md RL-02, decision 27).

Nobody vouches for them, and what they begin waits in the store until they have answered a page. So it is measured, and
together they get a share; the rest is for the launches of EHRs, for sessions and for tokens, whatever strangers do.
The arithmetic is in ``docs/how-to/production.md``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from authz.audit.event import Event, EventName
from authz.storage.limiter import Limit, neighbourhood, network
from authz.wording import mark

if TYPE_CHECKING:
    from authz.audit.event import Peer
    from authz.limits import AuditedLimiter

KILOBYTE = 1024
AROUND = 256  # bytes beside the content of a record: key, seal, the store's own
ROUNDED = 5 / 4  # what the store rounds a length up to, at most
ALIVE = 2  # windows: a record lives as long as one, and may begin at the end of the one before
LONGEST_KEPT = 900  # seconds: ways to a provider and back, sign-outs; interactions as the setting says
OF_PERSON, OF_ADDRESS, OF_NETWORK = 1 / 32, 1 / 4, 1 / 2
FULL = mark("too many people open apps at this moment; wait a few minutes, then try again")


@dataclass(frozen=True, slots=True)
class Room:
    """``megabytes`` for strangers within ``seconds``, the longest that anything of theirs is kept."""

    limiter: AuditedLimiter
    megabytes: int
    seconds: int

    def take(self, content: int, peer: Peer, sub: str | None = None) -> None:
        """Count what is about to be kept, in bytes; a person who is signed in has a share of their own.

        Raises TooManyRequests.
        """
        about = Event(EventName.RATE_LIMITED, peer=peer, sub=sub)
        for limit, whose in self.strangers(peer.address) if sub is None else ((self.part("person", OF_PERSON), sub),):
            self.limiter.check(limit, whose, FULL, about, kilobytes(content))

    def strangers(self, address: str | None) -> tuple[tuple[Limit, str], ...]:
        """The smallest first: who is over it takes nothing from the others."""
        return (
            (self.part("address", OF_ADDRESS), network(address)),
            (self.part("network", OF_NETWORK), neighbourhood(address)),
            (self.part("everybody", 1), ""),
        )

    def part(self, whose: str, share: float) -> Limit:
        """In kilobytes."""
        return Limit(f"room of {whose}", int(self.megabytes * KILOBYTE * share), self.seconds)


def kilobytes(content: int) -> int:
    """What so many bytes take up in Redis, key and all; measured, and rounded up."""
    return int((content + AROUND) * ROUNDED) // KILOBYTE + 1
