"""What FHIR servers said about single resources: believed for a moment, and asked once however many want to know."""

from __future__ import annotations

import threading
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from authz.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from authz.enforcement.turns import Wait

ANSWER_SECONDS = 1.0  # from when it was asked for
AT_MOST = 2_000


@dataclass(frozen=True, slots=True)
class Asked:
    """An answer that is there, or on its way."""

    at: float
    answer: Future[bool] = field(default_factory=Future)


class Answers:
    """Forgets everything when it holds too much. An error is not remembered."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self.monotonic = monotonic
        self.lock = threading.Lock()
        self.known: dict[Hashable, Asked] = {}

    def get(self, key: Hashable, ask: Callable[[], bool], wait: Wait) -> bool:
        """``wait`` is called before anything is waited for. Raises what it and ``ask`` raise, and Unavailable."""
        known = self.fresh(key)
        if known is not None and known.answer.done():
            return heard(known, 0)
        left, mine = wait(), Asked(self.monotonic())
        with self.lock:
            asked = self.fresh(key) or self.keep(key, mine)
        return self.asked(key, mine, ask) if asked is mine else heard(asked, left)

    def asked(self, key: Hashable, mine: Asked, ask: Callable[[], bool]) -> bool:
        try:
            mine.answer.set_result(ask())
        finally:
            if mine.answer.cancel():
                with self.lock:
                    self.known.pop(key, None)
        return mine.answer.result()

    def tell(self, key: Hashable, at: float, answer: bool) -> None:  # noqa: FBT001  it is the value itself
        """What was learnt besides, by a question of that time."""
        told = Asked(at)
        told.answer.set_result(answer)
        with self.lock:
            self.keep(key, told)

    def fresh(self, key: Hashable) -> Asked | None:
        asked = self.known.get(key)
        return asked if asked is not None and self.monotonic() - asked.at < ANSWER_SECONDS else None

    def keep(self, key: Hashable, asked: Asked) -> Asked:
        if len(self.known) >= AT_MOST:
            self.known.clear()
        self.known[key] = asked
        return asked


def heard(asked: Asked, seconds: float) -> bool:
    """Raises Unavailable."""
    try:
        return asked.answer.result(seconds)
    except (TimeoutError, CancelledError) as error:
        raise Unavailable("the FHIR server is being asked already, and has not answered") from error
