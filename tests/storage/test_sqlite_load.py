"""SQLite for both stores under the load of several processes: writers queue, and nobody is told that it is locked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.half_load import MIXED, four_on_sqlite
from benchmarks.lanes import load
from benchmarks.process import family

if TYPE_CHECKING:
    from pathlib import Path

SECONDS = 3.0


def test_of_four_processes_that_read_and_write_none_finds_the_database_locked(tmp_path: Path) -> None:
    """performance.md target 10: 90 % introspections, 10 % tokens; every answer is a good one, which ``load`` checks."""
    with four_on_sqlite(tmp_path) as running:
        assert len(family(running.pid)) == 5, "one that watches over four"
        outcome = load(running.port, running.lanes[MIXED], SECONDS)
    assert len(outcome.latencies) > 10 * len(running.lanes[MIXED]), "each lane has issued a token"
    assert "locked" not in (tmp_path / "gunicorn.log").read_text()
