"""Questions to a server over its public address, as an app would ask them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from authz.outbound import Limits
from authz.outbound.client import Sent

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from authz.outbound import Answer, Outbound

SECONDS = 5.0  # for one answer
MAX_BYTES = 8_000_000  # a CapabilityStatement can be large
CLOCK_SECONDS = 10.0  # clocks may be apart; Date is to the second
FOREIGN_ORIGIN = "https://doctor.invalid"  # belongs to nobody (RFC 6761)
OK, NOT_FOUND, UNAUTHORIZED = 200, 404, 401


@dataclass(frozen=True, slots=True)
class Outside:
    outbound: Outbound

    def get(self, url: str, headers: Mapping[str, str] | None = None) -> Answer:
        """Raises FetchFailed."""
        return self.outbound.get(url, headers=headers, trusted=True, limits=Limits(SECONDS, MAX_BYTES))

    def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None) -> Answer:
        """Raises FetchFailed."""
        sent = Sent(method, dict(headers), body)
        return self.outbound.exchange(url, sent, Limits(SECONDS, MAX_BYTES), trusted=True)


def json_object(answer: Answer) -> dict[str, Any] | None:
    """The JSON object of a good answer; None for anything else."""
    if answer.status != OK:
        return None
    try:
        value = json.loads(answer.body)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def differing(found: Mapping[str, Any], ours: Mapping[str, Any]) -> list[str]:
    """The members that are not the same in both."""
    return sorted(name for name in found.keys() | ours.keys() if found.get(name) != ours.get(name))


def seconds_apart(answer: Answer, now: datetime) -> float | None:
    """How far the clock behind an answer is from ours; None if it does not say, or a cache answered."""
    if "age" in answer.headers:
        return None
    try:
        told = parsedate_to_datetime(answer.headers.get("date", ""))
    except ValueError:
        return None
    return None if told.tzinfo is None else abs((told - now).total_seconds())
