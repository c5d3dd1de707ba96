"""What FHIR servers say of themselves, asked once for all who come: a slow one holds up few (security.md H6, HP-14)."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from authz.errors import TooManyRequests, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from authz.enforcement.compartment import Resource
    from authz.enforcement.turns import Wait

FRESH_SECONDS = 60.0
REST_SECONDS = 10.0  # after a failure the FHIR server is left alone
STRANGERS_ASKING = 2  # threads of a process that those who are nobody may hold up, at all FHIR servers together


@dataclass(slots=True)
class Statement:
    """One FHIR server's; of the threads that need it one asks."""

    held: Resource | None = None
    fresh_until: float = 0.0
    failed_until: float = 0.0
    turn: threading.Lock = field(default_factory=threading.Lock)

    def at(self, now: float) -> Resource | None:
        """What holds now; None: it has to be asked for. Raises Unavailable."""
        if self.held is not None and now < self.fresh_until:
            return self.held
        if now < self.failed_until:
            raise Unavailable("the FHIR server did not say a moment ago what it can do")
        return None


class Statements:
    """While one is asked for anew, the one before is good for all others. Every method raises Unavailable."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self.monotonic = monotonic
        self.known: dict[Hashable, Statement] = {}
        self.places = threading.BoundedSemaphore(STRANGERS_ASKING)

    def get(self, key: Hashable, ask: Callable[[], Resource], wait: Wait) -> Resource:
        """For whoever has a token: waits where nothing is known yet. Raises what ``wait`` raises, too."""
        statement = self.known.setdefault(key, Statement())
        found = statement.at(self.monotonic())
        if found is not None:
            return found
        if statement.held is not None and statement.turn.locked():
            return statement.held
        try:
            patience = wait()
        except (TooManyRequests, Unavailable):
            if statement.held is None:
                raise
            return statement.held
        return self.in_turn(statement, ask, patience)

    def get_for_anybody(self, key: Hashable, ask: Callable[[], Resource]) -> Resource:
        """For whoever comes along: waits for nobody else."""
        statement = self.known.setdefault(key, Statement())
        found = statement.at(self.monotonic())
        if found is not None:
            return found
        if not self.places.acquire(blocking=False):
            return or_unavailable(statement.held)
        try:
            return self.in_turn(statement, ask, 0)
        finally:
            self.places.release()

    def in_turn(self, statement: Statement, ask: Callable[[], Resource], patience: float) -> Resource:
        if not statement.turn.acquire(timeout=0 if statement.held is not None else patience):
            return or_unavailable(statement.held)
        try:
            return statement.at(self.monotonic()) or self.asked(statement, ask)
        finally:
            statement.turn.release()

    def asked(self, statement: Statement, ask: Callable[[], Resource]) -> Resource:
        asked_at = self.monotonic()
        try:
            found = ask()
        except Unavailable:
            statement.failed_until = self.monotonic() + REST_SECONDS
            raise
        statement.held, statement.fresh_until = found, asked_at + FRESH_SECONDS
        return found


def or_unavailable(held: Resource | None) -> Resource:
    if held is None:
        raise Unavailable("the FHIR server is being asked already what it can do")
    return held


def search_parameters(statement: Resource) -> dict[str, frozenset[str]]:
    """Per resource type the parameters that the server says it has, those of every type included."""
    found: dict[str, frozenset[str]] = {}
    for rest in objects(statement.get("rest")):
        general = names(rest.get("searchParam"))
        for resource in objects(rest.get("resource")):
            found[str(resource.get("type"))] = general | names(resource.get("searchParam"))
    return found


def objects(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def names(value: Any) -> frozenset[str]:
    return frozenset(str(item.get("name")) for item in objects(value))
