"""What FHIR servers say of themselves: asked once for all, and a slow one holds up few."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any

import pytest

from authz.enforcement.statements import FRESH_SECONDS, REST_SECONDS, Statements
from authz.errors import TooManyRequests, Unavailable

FIRST, SECOND = {"date": "1"}, {"date": "2"}


@dataclass
class Scene:
    time: float = 0.0
    answers: list[Any] = field(default_factory=lambda: [FIRST])
    asked: threading.Event = field(default_factory=threading.Event)
    go: threading.Event = field(default_factory=threading.Event)
    asks: int = 0

    def __post_init__(self) -> None:
        self.statements = Statements(lambda: self.time)
        self.go.set()

    def ask(self) -> Any:
        self.asks += 1
        self.asked.set()
        assert self.go.wait(10)
        answer = self.answers.pop(0)
        if answer is None:
            raise Unavailable("nothing came")
        return answer

    def anybody(self, server: str = "main") -> Any:
        return self.statements.get_for_anybody(server, self.ask)

    def holder(self, server: str = "main") -> Any:
        """Of a token."""
        return self.statements.get(server, self.ask, lambda: 5.0)

    def slowly(self, *calls: Any) -> list[threading.Thread]:
        """Each is being answered, or waits to be."""
        self.go.clear()
        threads = [threading.Thread(target=call) for call in calls]
        for thread in threads:
            self.asked.clear()
            thread.start()
            assert self.asked.wait(10)
        return threads

    def end(self, threads: list[threading.Thread]) -> None:
        self.go.set()
        for thread in threads:
            thread.join(10)


def test_a_statement_is_asked_for_once_a_minute() -> None:
    """RL-07: however many ask for it; the object is the same until then."""
    scene = Scene(answers=[FIRST, SECOND])
    assert all(scene.anybody() is FIRST and scene.holder() is FIRST for _ in range(100))
    scene.time += FRESH_SECONDS
    assert (scene.anybody(), scene.holder(), scene.asks) == (SECOND, SECOND, 2)


def test_while_it_is_asked_for_anew_everybody_else_has_the_one_before() -> None:
    """HP-14: a FHIR server that has become slow holds one thread."""
    scene = Scene(answers=[FIRST, SECOND])
    scene.anybody()
    scene.time += FRESH_SECONDS
    waiting = scene.slowly(scene.anybody)
    assert [scene.anybody() for _ in range(40)] + [scene.holder() for _ in range(40)] == [FIRST] * 80
    scene.end(waiting)
    assert (scene.anybody(), scene.asks) == (SECOND, 2)


@pytest.mark.parametrize("refusal", [Unavailable("the turns are taken"), TooManyRequests("yours are", 1)])
def test_who_may_not_ask_now_has_the_one_before(refusal: Exception) -> None:
    """RL-07: a search is decided by it, however busy the FHIR server is; where nothing is known that is no yes."""

    def wait() -> float:
        raise refusal

    scene = Scene(answers=[FIRST, SECOND])
    with pytest.raises(type(refusal)):
        scene.statements.get("main", scene.ask, wait)
    assert scene.holder() is FIRST
    scene.time += FRESH_SECONDS
    assert scene.statements.get("main", scene.ask, wait) is FIRST
    assert (scene.holder(), scene.asks) == (SECOND, 2)


def test_where_nothing_is_known_yet_nobody_waits_for_another_stranger() -> None:
    """H6, HP-14: one thread for each FHIR server that is slow to say, and two at all of them together."""
    scene = Scene(answers=[FIRST, SECOND])
    waiting = scene.slowly(scene.anybody, lambda: scene.anybody("other"))
    for server in ("main", "other", "third"):
        with pytest.raises(Unavailable):
            scene.anybody(server)
    scene.end(waiting)
    scene.answers.append({})
    assert scene.anybody("third") == {}


def test_those_who_have_a_token_wait_for_the_same_answer() -> None:
    scene, found = Scene(), list[Any]()
    waiting = scene.slowly(scene.anybody)
    holders = [threading.Thread(target=lambda: found.append(scene.holder())) for _ in range(3)]
    for thread in holders:
        thread.start()
    scene.end([*waiting, *holders])
    assert (found, scene.asks) == ([FIRST] * 3, 1)


def test_a_failure_is_remembered_for_ten_seconds_and_no_longer() -> None:
    """H6: or each request would wait for a FHIR server that is not there."""
    scene = Scene(answers=[None, FIRST, None, SECOND])
    for _ in range(20):
        with pytest.raises(Unavailable):
            scene.anybody()
        with pytest.raises(Unavailable):
            scene.holder()
    assert scene.asks == 1
    scene.time += REST_SECONDS
    assert scene.holder() == FIRST
    scene.time += FRESH_SECONDS
    for _ in range(2):  # what is over its time is good while another is asked for, and not when none comes
        with pytest.raises(Unavailable):
            scene.holder()
    scene.time += REST_SECONDS
    assert (scene.holder(), scene.asks) == (SECOND, 4)
