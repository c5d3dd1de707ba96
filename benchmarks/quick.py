"""Has an operation become dearer? `make bench-quick`, at most three minutes.

Each operation of this server beside a constant answer through Flask, in pairs that follow each other at once; what is
held against ``baseline.json`` is the median of the ratios of CPU, which depends little on the machine and its other
work. What seems dearer is measured once more, and only what is dearer both times fails.
`make bench-quick BENCH=--store` keeps the ratios as they are now.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.compare import OPERATIONS, lanes_of, nothing, warm_up
from benchmarks.lanes import load
from benchmarks.process import on_a_core, only_the_other_core
from benchmarks.servers import FLOOR_FLASK, POSTGRES, SERVERS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from benchmarks.running import Running

BASELINE = Path(__file__).parent / "baseline.json"
MOST = 1.25  # times the ratio in the baseline
ROUNDS = 7
SECONDS, FLOOR_SECONDS, WARM_UP_SECONDS = 0.5, 0.25, 1.0
CODES = 60
SAME = {"client_credentials, secret"}  # the peers' question; this server's answer stands under ES384


def cpu(running: Running, operation: str, seconds: float) -> float:
    """Microseconds of one answer, with sixteen connections."""
    running.refill.get(operation, nothing)(CODES)
    before = on_a_core(running.pid)
    outcome = load(running.port, lanes_of(running, operation), seconds)
    return (on_a_core(running.pid) - before) / len(outcome.latencies) / 1000


def ratio(server: Running, floor: Running, operation: str) -> float:
    warm_up(server, operation, WARM_UP_SECONDS)
    pairs = [(cpu(server, operation, SECONDS), cpu(floor, operation, FLOOR_SECONDS)) for _ in range(ROUNDS)]
    return statistics.median(own / constant for own, constant in pairs)


def dearer(found: Mapping[str, float], baseline: Mapping[str, float]) -> list[str]:
    """An operation without a baseline is dearer than none: it has to be stored."""
    return [name for name, value in found.items() if value > MOST * baseline.get(name, 0.0)]


def table(found: Mapping[str, float], baseline: Mapping[str, float]) -> str:
    rows = [f"{'operation':<28}{'to floor':>10}{'baseline':>10}{'change':>8}"]
    for name, value in found.items():
        before = baseline.get(name)
        compared = f"{'-':>10}{'-':>8}" if before is None else f"{before:>10.2f}{value / before:>8.2f}"
        rows.append(f"{name:<28}{value:>10.2f}{compared}")
    return "\n".join(rows)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", action="store_true", help="keep what is found as the baseline")
    is_storing = parser.parse_args().store
    baseline = json.loads(BASELINE.read_text())
    operations = [name for name in OPERATIONS if name not in SAME]
    only_the_other_core()
    with ExitStack() as stack:
        server, floor = (
            stack.enter_context(SERVERS[name](Path(stack.enter_context(tempfile.TemporaryDirectory()))))
            for name in (POSTGRES, FLOOR_FLASK)
        )
        found = {name: ratio(server, floor, name) for name in operations}
        print(table(found, baseline), flush=True)
        if is_storing:
            BASELINE.write_text(json.dumps({name: round(value, 2) for name, value in found.items()}, indent=2) + "\n")
            return 0
        again = {name: ratio(server, floor, name) for name in dearer(found, baseline)}
    still = dearer(again, baseline)
    if still:
        print("dearer than the baseline, twice:\n" + table({name: again[name] for name in still}, baseline))
    return 1 if still else 0


if __name__ == "__main__":
    sys.exit(main())
