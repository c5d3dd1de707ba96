"""The world outside, as a test says it is: what is asked for is recorded and answered from a table."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from authz.outbound import Answer, FetchFailed, Outbound

if TYPE_CHECKING:
    from authz.outbound import Limits
    from authz.outbound.client import Sent


@dataclass(frozen=True)
class Asked:
    method: str
    url: str
    headers: dict[str, str]
    body: bytes | None
    trusted: bool
    limits: Limits


@dataclass
class Outside:
    """``answers`` by address; an address that is not there can't be reached."""

    answers: dict[str, Answer] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)


class FakeOutbound(Outbound):
    """Opens no connection."""

    def __init__(self, outside: Outside) -> None:
        super().__init__()
        self.outside = outside

    def exchange(self, url: str, sent: Sent, limits: Limits, *, trusted: bool) -> Answer:
        self.outside.asked.append(Asked(sent.method, url, sent.headers, sent.body, trusted, limits))
        answer = self.outside.answers.get(url)
        if answer is None:
            raise FetchFailed("nobody is there")
        return answer
