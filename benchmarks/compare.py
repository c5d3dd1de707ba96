"""This server beside its peers, in one run on one machine: `make bench`.

All servers are started at once and share a core; load and stores have the other. In each round every server is asked
the same operation in turn, for as long; a ratio is taken within a round, and the median over the rounds is what counts.
"""

from __future__ import annotations

import argparse
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import own
from benchmarks.lanes import load
from benchmarks.process import memory, on_a_core, only_the_other_core
from benchmarks.questions import OPERATIONS as COMMON
from benchmarks.report import write
from benchmarks.servers import NODE, SERVERS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.lanes import Lane
    from benchmarks.running import Running


OPERATIONS = (*COMMON, *own.OPERATIONS)
CODES = 300  # the most that are used up in a sample


@dataclass(frozen=True)
class Sample:
    """One server, one operation, one round; times in microseconds of CPU and milliseconds of the clock."""

    cpu: float
    per_second: float
    busy_p50: float
    busy_p99: float
    alone_p50: float
    alone_p99: float


@dataclass(frozen=True)
class Size:
    rss: float  # MiB of the largest process
    pss: float  # MiB of all processes
    start: float  # seconds to the first answer


@dataclass(frozen=True)
class Plan:
    rounds: int
    seconds: float
    warm_up: float
    only: list[str]
    peers: list[str]

    @property
    def operations(self) -> list[str]:
        return [name for name in OPERATIONS if not self.only or name in self.only]


def lanes_of(running: Running, operation: str) -> list[Lane]:
    """A floor has the one answer, whatever is asked of the others; nothing, if a server does not do it."""
    return running.lanes.get(operation) or running.lanes.get("constant", [])


def nothing(_count: int) -> None: ...


def sample(running: Running, operation: str, seconds: float) -> Sample:
    """Sixteen connections, then one; only what runs beside the first counts as CPU."""
    lanes, refill = lanes_of(running, operation), running.refill.get(operation, nothing)
    refill(CODES)
    before = on_a_core(running.pid)
    busy = load(running.port, lanes, seconds)
    cpu = (on_a_core(running.pid) - before) / len(busy.latencies) / 1000
    refill(CODES // 4)
    alone = load(running.port, lanes[:1], seconds / 3)
    waits = [one * 1000 for outcome in (busy, alone) for one in (outcome.percentile(0.5), outcome.percentile(0.99))]
    return Sample(cpu, busy.per_second, *waits)


def warm_up(running: Running, operation: str, seconds: float) -> None:
    """node, which compiles while it runs, as long as it takes; others are warm after a second."""
    seconds = seconds if running.compiles else min(seconds, 1.0)
    running.refill.get(operation, nothing)(CODES)
    load(running.port, lanes_of(running, operation), seconds)


def measure(plan: Plan, running: dict[str, Running]) -> dict[str, dict[str, list[Sample]]]:
    """By operation and server, the samples of each round."""
    found: dict[str, dict[str, list[Sample]]] = {}
    for operation in plan.operations:
        able = {name: each for name, each in running.items() if lanes_of(each, operation)}
        samples: dict[str, list[Sample]] = {name: [] for name in able}
        for server in able.values():
            warm_up(server, operation, plan.warm_up)
        for _ in range(plan.rounds):
            for name, server in able.items():
                samples[name].append(sample(server, operation, plan.seconds))
        if samples:
            found[operation] = samples
        print(operation, {name: round(each[-1].cpu) for name, each in samples.items()}, flush=True)
    return found


def asked(arguments: Sequence[str] | None = None) -> Plan:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.5, help="of each server and operation in a round")
    parser.add_argument("--warm-up", type=float, default=5.0, help="seconds of node for each operation")
    parser.add_argument("--only", action="append", default=[], choices=list(OPERATIONS))
    parser.add_argument("--peer", action="append", default=[], choices=list(SERVERS), dest="peers")
    found = parser.parse_args(arguments)
    return Plan(found.rounds, found.seconds, found.warm_up, found.only, found.peers or list(SERVERS))


def main() -> None:
    plan = asked()
    only_the_other_core()
    with ExitStack() as stack:
        running = {}
        for name in plan.peers:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            running[name] = stack.enter_context(SERVERS[name](folder))
        found = measure(plan, running)
        sizes = {name: Size(*memory(server.pid), server.start_seconds) for name, server in running.items()}
    write(plan, found, sizes, reference=NODE)


if __name__ == "__main__":
    main()
