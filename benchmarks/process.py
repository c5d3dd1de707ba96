"""A server's processes: one core for them, and what they cost."""

from __future__ import annotations

import os
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tests.live import ROOT, START_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

SERVER_CORE, OTHER_CORE = 0, 1  # load and stores have the other
CPUCLOCK_SCHED = 2  # linux/posix-timers.h: what the scheduler has counted, in nanoseconds


@contextmanager
def pinned(
    command: Sequence[str],
    log: Path,
    environ: Mapping[str, str] | None = None,
    cwd: Path = ROOT,
    cores: Sequence[int] = (SERVER_CORE,),
) -> Iterator[subprocess.Popen[bytes]]:
    """A server on its cores, its output in ``log``, gone at the end."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["taskset", "-c", ",".join(map(str, cores)), *command],
            cwd=cwd,
            env=environ or dict(os.environ),
            stdout=output,
            stderr=output,
        )
        try:
            yield process
        finally:
            process.terminate()
            process.wait(START_SECONDS)


def family(pid: int) -> list[int]:
    """A process and all that descend from it."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(one for child in children for one in family(int(child)))]


def on_a_core(pid: int) -> int:
    """Nanoseconds that a family has run so far, ended threads with it: exact, whatever else the machine does."""
    return sum(time.clock_gettime_ns(clock_of(one)) for one in family(pid))


def clock_of(pid: int) -> int:
    """The CPU clock of another process, as clock_getcpuclockid(3) names it."""
    return ~pid << 3 | CPUCLOCK_SCHED


def memory(pid: int) -> tuple[float, float]:
    """MiB of RSS of the largest process, and of PSS of the whole family."""
    found = [
        {line.split(":")[0]: int(line.split()[1]) for line in rollup.splitlines()[1:]}
        for rollup in (Path(f"/proc/{one}/smaps_rollup").read_text() for one in family(pid))
    ]
    return max(one["Rss"] for one in found) / 1024, sum(one["Pss"] for one in found) / 1024


def only_the_other_core() -> None:
    """This process, and the stores that it starts from now on."""
    os.sched_setaffinity(0, {OTHER_CORE})
