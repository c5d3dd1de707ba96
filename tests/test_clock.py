"""The time never goes back (security.md I10, R-15)."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authz.clock import SteadyClock

if TYPE_CHECKING:
    from datetime import datetime

START = 1_800_000_000.0


@dataclass
class Machine:
    """Its clock, which may be set, and the time that passes, whatever that says."""

    clock: float = START
    passed: float = 0.0

    def wait(self, seconds: float) -> None:
        self.clock += seconds
        self.passed += seconds

    def steady(self) -> SteadyClock:
        return SteadyClock(lambda: self.clock, lambda: self.passed)


STEPS = st.lists(st.tuples(st.floats(0, 10_000), st.floats(-100_000, 100_000)), max_size=20)


@given(STEPS)
def test_whatever_is_done_to_the_machines_clock_the_time_goes_on(steps: list[tuple[float, float]]) -> None:
    """Never behind what was told, unless by hours, nor further ahead of the machine's than that was taken back."""
    machine = Machine()
    now = machine.steady()
    before, taken_back = now(), 0.0
    for waited, jump in steps:
        machine.wait(waited)
        machine.clock += jump
        taken_back += max(0.0, -jump)
        told = now()
        went_back = told < before
        if went_back:
            assert told.timestamp() == pytest.approx(machine.clock)
            assert before.timestamp() + waited / 2 - machine.clock > 3 * 3600 - 1e-3
        taken_back = 0.0 if went_back else taken_back
        assert machine.clock - 1e-3 <= told.timestamp() <= machine.clock + taken_back + 1e-3
        before = told


def test_the_machines_clock_is_followed_while_it_goes_on() -> None:
    machine = Machine()
    now = machine.steady()
    for seconds in (0.0, 1.5, 86_400.0):
        machine.wait(seconds)
        assert now().timestamp() == machine.clock
    machine.clock += 3_600
    assert now().timestamp() == machine.clock


def test_an_hour_that_is_taken_back_is_made_up_for_in_two(caplog: pytest.LogCaptureFixture) -> None:
    """R-15: the step of the fault campaign. What had expired stays expired, and the log says why time is ahead."""
    machine = Machine()
    now = machine.steady()
    machine.clock -= 3_600
    told: list[datetime] = []
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            told.append(now())
            machine.wait(3_600)
    assert [moment.timestamp() - START for moment in told] == [0.0, 1_800.0, 3_600.0]
    assert caplog.messages == [
        "the machine's clock was set back by 3600 s; until it has caught up, time goes slower here"
    ]
    assert now().timestamp() == machine.clock


def test_a_mistake_of_months_does_not_go_on(caplog: pytest.LogCaptureFixture) -> None:
    """I5: tokens of a year, and people whose sign-ins had ended in a year, would come of one wrong second."""
    machine = Machine()
    now = machine.steady()
    machine.clock += 365 * 86_400
    assert now().timestamp() == machine.clock
    machine.wait(1)
    machine.clock -= 365 * 86_400
    assert now().timestamp() == machine.clock
    assert "this server goes back with it" in caplog.text
