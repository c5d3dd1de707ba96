"""The circuit breaker in front of a store that fails (security.md R-03)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from authz.storage.short_lived import Breaker, StoreUnavailable

if TYPE_CHECKING:
    from tests.storage.conftest import Clock


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker(clock)


def admits(breaker: Breaker) -> bool:
    try:
        breaker.admit()
    except StoreUnavailable:
        return False
    return True


def fail(breaker: Breaker, times: int) -> None:
    for _ in range(times):
        breaker.admit()
        breaker.failed()


def test_two_failures_in_a_row_do_not_open_it(breaker: Breaker) -> None:
    fail(breaker, 2)
    assert admits(breaker)


def test_a_success_between_failures_starts_the_count_again(breaker: Breaker) -> None:
    fail(breaker, 2)
    breaker.succeeded()
    fail(breaker, 2)
    assert admits(breaker)


def test_three_failures_in_a_row_open_it_for_a_second(breaker: Breaker, clock: Clock) -> None:
    fail(breaker, 3)
    assert not admits(breaker)
    clock.time += 0.99
    assert not admits(breaker)


def test_after_a_second_one_caller_tries_while_the_others_wait(breaker: Breaker, clock: Clock) -> None:
    fail(breaker, 3)
    clock.time += 1
    assert [admits(breaker), admits(breaker), admits(breaker)] == [True, False, False]


def test_the_success_of_that_caller_closes_it(breaker: Breaker, clock: Clock) -> None:
    fail(breaker, 3)
    clock.time += 1
    breaker.admit()
    breaker.succeeded()
    assert [admits(breaker), admits(breaker)] == [True, True]


def test_its_failure_opens_it_for_another_second(breaker: Breaker, clock: Clock) -> None:
    fail(breaker, 3)
    clock.time += 1
    fail(breaker, 1)
    assert not admits(breaker)
    clock.time += 1
    assert admits(breaker)


def test_a_caller_that_never_reports_back_does_not_keep_it_open(breaker: Breaker, clock: Clock) -> None:
    """A worker's thread may be killed in the middle of its try."""
    fail(breaker, 3)
    clock.time += 1
    breaker.admit()
    clock.time += 1
    assert admits(breaker)
