"""What a client did and was told, and what the database holds in the end: all that the checker goes by."""

from __future__ import annotations

import itertools
import threading
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

CUT = 0  # the status of a request that got no answer at all


class Outcome(StrEnum):
    OK = "ok"
    REFUSED = "refused"
    UNKNOWN = "unknown"  # it may or may not have happened


@dataclass(frozen=True, slots=True)
class Operation:
    """``subject``: the single-use or living thing that it is about: a code, a token, a launch, an assertion.

    ``family`` joins everything that comes of one authorization. Times are in seconds since 1970, by the client's clock.
    """

    id: int
    op: str
    subject: str
    family: str
    invoked: float
    returned: float
    outcome: Outcome
    status: int = 200
    answer: dict[str, Any] = field(default_factory=dict)
    arguments: dict[str, str] = field(default_factory=dict)
    retry_after: str | None = None

    def __str__(self) -> str:
        told = {name: value for name, value in self.answer.items() if name in {"error", "active", "exp", "scope"}}
        times = f"{self.invoked:.3f}+{self.returned - self.invoked:.3f}"
        return (
            f"{self.id:5} {times} {self.op} {self.subject[:12]} of {self.family}: {self.outcome} {self.status} {told}"
        )


class Ledger:
    """Append-only, for many threads."""

    def __init__(self) -> None:
        self._ids = itertools.count(1)
        self._lock = threading.Lock()
        self.operations: list[Operation] = []

    def next_id(self) -> int:
        return next(self._ids)

    def add(self, operation: Operation) -> Operation:
        with self._lock:
            self.operations.append(operation)
        return operation

    def __str__(self) -> str:
        return "\n".join(map(str, sorted(self.operations, key=lambda each: each.invoked)))


@dataclass(frozen=True, slots=True)
class TokenFacts:
    """A row of an access token."""

    digest: str
    jti: str
    grant_id: str


@dataclass(frozen=True, slots=True)
class Truth:
    """What the database holds after the campaign."""

    tokens: tuple[TokenFacts, ...] = ()
    grants: dict[str, dict[str, Any]] = field(default_factory=dict)  # id -> client_id, sub, patient, scope
    recorded: tuple[str, ...] = ()  # token_id of each audit record of an issue
    live_refresh: dict[str, int] = field(default_factory=dict)  # grant -> refresh tokens that could be used


@dataclass(frozen=True, slots=True)
class Use:
    """What the server's processes hold."""

    memory_kb: int = 0
    descriptors: int = 0
    threads: int = 0
    database_connections: int = 0


@dataclass(frozen=True, slots=True)
class History:
    ledger: Ledger
    truth: Truth = field(default_factory=Truth)
    recovered_seconds: float = 0.0  # from the end of the fault until everything was ready
    before: Use = field(default_factory=Use)
    after: Use = field(default_factory=Use)
    may_cut: bool = False  # workers were killed: their connections broke
    calm_until: float = 0.0  # when the fault began, by the client's clock

    def p95_seconds(self) -> tuple[float, float]:
        """Of what was answered without a fault, and of what came after it began."""
        took: tuple[list[float], list[float]] = ([], [])
        for each in self.ledger.operations:
            if each.outcome is not Outcome.UNKNOWN and each.op != "verify":
                took[each.invoked > self.calm_until].append(each.returned - each.invoked)
        calm, later = (sorted(each)[int(len(each) * 0.95)] if each else 0.0 for each in took)
        return calm, later
