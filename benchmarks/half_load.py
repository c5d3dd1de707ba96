"""One worker and two, full and half loaded: `make bench-workers`, two minutes.

Throughput with sixteen connections, then latency at half of it: requests come when they are due, not when the one
before was answered, and a latency counts from when it was due, so that a pause is felt by all that came during it.
"""

from __future__ import annotations

import selectors
import socket
import tempfile
import time
from collections import deque
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.lanes import ANSWER_SECONDS, Asking, Lane, Outcome, load
from benchmarks.process import memory, only_the_other_core
from benchmarks.this_server import installed, prepared, served
from tests.servers import postgres_server, redis_server

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.running import Running

OPERATIONS = ("introspection", "jwks", "refresh", "client_credentials, ES384")
WORKERS = (1, 2)
SECONDS = 4.0


def paced(port: int, lanes: Sequence[Lane], per_second: float, seconds: float) -> Outcome:
    """Ask so often, on whichever connection is free."""
    with ExitStack() as stack:
        selector = stack.enter_context(selectors.DefaultSelector())
        idle: deque[Asking] = deque()
        for lane in lanes:
            connection = socket.create_connection(("127.0.0.1", port), timeout=ANSWER_SECONDS)
            stack.enter_context(connection)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            idle.append(Asking(lane, connection))
            selector.register(connection, selectors.EVENT_READ, idle[-1])
        begun = time.perf_counter()
        due = [begun + number / per_second for number in range(int(seconds * per_second))]
        latencies: list[float] = []
        asked = 0
        while len(latencies) < len(due):
            while asked < len(due) and idle and due[asked] <= time.perf_counter():
                asking = idle.popleft()
                assert asking.lane.has_more()
                asking.ask()
                asking.asked_at = due[asked]
                asked += 1
            is_next_to_come = asked < len(due) and idle
            wait = max(0.0, due[asked] - time.perf_counter()) if is_next_to_come else ANSWER_SECONDS
            ready = selector.select(wait)
            assert ready or is_next_to_come, "no answer"
            for key, _ in ready:
                if key.data.take():
                    latencies.append(time.perf_counter() - key.data.asked_at)
                    idle.append(key.data)
        return Outcome(time.perf_counter() - begun, latencies)


def say(workers: int, operation: str, running: Running) -> None:
    lanes = running.lanes[operation]
    load(running.port, lanes, 1.0)
    full = load(running.port, lanes, SECONDS)
    half = paced(running.port, lanes, full.per_second / 2, SECONDS)
    waits = " / ".join(f"{half.percentile(share) * 1000:.1f}" for share in (0.5, 0.95, 0.99))
    print(
        f"{workers} workers  {operation:<28}{full.per_second:>7.0f} a second; at half of it p50 / p95 / p99 {waits} ms"
    )


def main() -> None:
    only_the_other_core()
    for workers in WORKERS:
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            database = stack.enter_context(postgres_server(is_durable=True)).url
            settings = installed(folder, database, stack.enter_context(redis_server()).url)
            pid, port, started = stack.enter_context(served(settings, folder, workers))
            running = prepared(settings.issuer, pid, port, started)
            for operation in OPERATIONS:
                say(workers, operation, running)
            rss, pss = memory(pid)
            size = f"{rss:.0f} MiB RSS of the largest process, {pss:.0f} MiB PSS of all"
            print(f"{workers} workers  {started:.1f} s to start, {size}")


if __name__ == "__main__":
    main()
