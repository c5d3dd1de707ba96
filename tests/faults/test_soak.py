"""The judgement of the soak can say yes and no (security.md R-20)."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from tests.faults.ledger import Use
from tests.faults.soak import Sample, problems, slope, soak

if TYPE_CHECKING:
    from pathlib import Path

SHORT_SECONDS = 45.0
LINE = [(x, 3.0 * x + 7) for x in range(10)]


def test_the_slope_of_a_line_is_found_exactly() -> None:
    assert slope(LINE) == pytest.approx((3.0, 0.0))


def samples(kb_per_request: float, later_log_bytes: int = 300) -> list[Sample]:
    """Of 30,000 requests, with the noise of a process."""
    dice = random.Random(1)  # noqa: S311  the same at each run
    return [
        Sample(
            100 * n,
            Use(memory_kb=round(100_000 + 100 * n * kb_per_request + dice.uniform(-300, 300))),
            100 * n * 300 + max(0, n - 200) * 100 * (later_log_bytes - 300),
        )
        for n in range(300)
    ]


def test_a_process_that_stays_as_large_is_well() -> None:
    assert problems(samples(0.0)) == []


def test_two_megabytes_per_ten_thousand_requests_are_told() -> None:
    (problem,) = problems(samples(0.2))
    assert problem.startswith("memory grows by ")


def test_a_log_that_says_more_and_more_is_told() -> None:
    (problem,) = problems(samples(0.0, later_log_bytes=900))
    assert problem.startswith("the log grew by 300, later ")


@pytest.mark.redis
@pytest.mark.postgres
@pytest.mark.fault
@pytest.mark.campaign
def test_nothing_is_left_over(tmp_path: Path) -> None:
    """R-20, I8, I12: threads, keys of Redis and rows come back to what they were; ``make soak`` is longer."""
    _, found = soak(tmp_path, SHORT_SECONDS)
    assert found == []
