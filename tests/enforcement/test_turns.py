"""How many threads the questions to FHIR servers hold up: never all, whoever asks and however slow the answers are."""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass, field

import pytest

from authz.enforcement.turns import DECISION_SECONDS, PROMPT_SECONDS, SHORT_WAITS, AtOnce, Turn, Turns
from authz.errors import TooManyRequests, Unavailable


@dataclass
class Scene:
    """Eight threads; ``slow``: decisions that ask and have not ended."""

    turns: Turns = field(default_factory=lambda: Turns(at_once=AtOnce(4, 3, 2, 0)))
    slow: ExitStack = field(default_factory=ExitStack)

    def asks(self, person: str, server: str = "main") -> Turn:
        turn = self.slow.enter_context(self.turns.turn(server, person))
        turn.take()
        return turn

    def seconds_until_refused(self, person: str, server: str = "main") -> float:
        before = time.monotonic()
        with pytest.raises((TooManyRequests, Unavailable)), self.turns.turn(server, person) as turn:
            turn.take()
        return time.monotonic() - before


@pytest.mark.parametrize(
    ("threads", "at_once"),
    [
        (1, AtOnce(1, 1, 1, 0)),
        (2, AtOnce(1, 1, 1, 0)),
        (4, AtOnce(2, 1, 1, 1)),
        (8, AtOnce(4, 3, 2, 2)),
        (16, AtOnce(8, 6, 4, 4)),
    ],
)
def test_half_of_the_threads_ask_and_a_quarter_waits_long(threads: int, at_once: AtOnce) -> None:
    """RL-07, HP-14: whatever ``WEB_THREADS`` says."""
    assert AtOnce.of(threads) == at_once


def test_one_person_has_two_decisions_that_ask() -> None:
    """RL-07: whatever tokens they have; another person is not hindered."""
    scene = Scene()
    with scene.slow:
        scene.asks("ann")
        scene.asks("ann")
        with pytest.raises(TooManyRequests) as refused:
            scene.asks("ann")
        assert refused.value.headers() == {"Retry-After": "1"}
        scene.asks("bob")
    scene.asks("ann")


def test_a_slow_fhir_server_leaves_one_turn_and_all_half_of_the_threads() -> None:
    """HP-14."""
    scene = Scene()
    with scene.slow:
        for person in ("ann", "bob", "eve"):
            scene.asks(person)
        with pytest.raises(Unavailable):
            scene.asks("joe")
        scene.asks("joe", "other")
        with pytest.raises(Unavailable):
            scene.asks("kim", "third")


def test_where_answers_are_slow_nobody_waits() -> None:
    """RL-07: who waits holds a thread as well."""
    scene = Scene()
    with scene.slow:
        for person in ("ann", "bob", "eve"):
            scene.asks(person)
        time.sleep(PROMPT_SECONDS)
        assert max(scene.seconds_until_refused("joe") for _ in range(50)) < PROMPT_SECONDS / 2


def test_two_wait_for_a_slow_answer_but_not_longer_than_a_decision_may_take() -> None:
    scene = Scene(Turns(at_once=AtOnce(4, 3, 2, 2)))
    waited = list[float]()
    with scene.slow:
        for person in ("ann", "bob", "eve"):
            scene.asks(person)
        threads = [threading.Thread(target=lambda: waited.append(scene.seconds_until_refused("joe"))) for _ in "12"]
        for thread in threads:
            thread.start()
        time.sleep(2 * PROMPT_SECONDS)
        assert scene.seconds_until_refused("joe") < PROMPT_SECONDS
        for thread in threads:
            thread.join(10)
    assert all(DECISION_SECONDS <= seconds < DECISION_SECONDS + 0.5 for seconds in waited)


def test_a_crowd_whose_answers_are_prompt_is_served_one_after_the_other() -> None:
    """An app that reads thirty resources at once gets all of them, as before."""
    scene, served, at_once = Scene(), list[int](), list[int]()

    def decide() -> None:
        with scene.turns.turn("main", "ann") as turn:
            turn.take()
            at_once.append(len(scene.turns.asking))
            time.sleep(0.005)
        served.append(1)

    threads = [threading.Thread(target=decide) for _ in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert (len(served), max(at_once), scene.turns.asking, scene.turns.waiting) == (30, 2, [], 0)


def test_a_crowd_of_one_person_that_never_ends_is_refused_at_once() -> None:
    """RL-07: however prompt the answers are, those who wait would hold all threads."""
    scene, refused = Scene(), list[float]()

    def decide() -> None:
        before = time.monotonic()
        try:
            with scene.turns.turn("main", "ann") as turn:
                turn.take()
                time.sleep(0.002)
        except TooManyRequests:
            refused.append(time.monotonic() - before)

    def crowd() -> None:
        for _ in range(40):
            time.sleep(0.002)  # a request has more to it than its turn
            decide()

    threads = [threading.Thread(target=crowd) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(refused) > SHORT_WAITS
    assert sorted(refused)[len(refused) // 2] < 0.002
    scene.asks("bob")


def test_a_decision_has_one_turn_however_often_it_asks() -> None:
    scene = Scene()
    with scene.turns.turn("main", "ann") as turn:
        assert scene.turns.asking == []  # most decisions ask nothing
        assert turn.take() >= turn.take() > DECISION_SECONDS - 1
        assert scene.turns.asking == [turn]
    assert scene.turns.asking == []
