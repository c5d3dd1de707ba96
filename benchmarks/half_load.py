"""One worker, two and four, full and half loaded: `make bench-workers`, three minutes.

Throughput with sixteen connections, then latency at half of it: requests come when they are due, not when the one
before was answered, and a latency counts from when it was due, so that a pause is felt by all that came during it.
At last four workers on SQLite alone, whose file has one writer: of ten requests one issues a token.
"""

from __future__ import annotations

import selectors
import socket
import tempfile
import time
from collections import deque
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.lanes import ANSWER_SECONDS, Asking, Lane, Outcome, load
from benchmarks.process import memory, only_the_other_core
from benchmarks.this_server import installed, prepared, served
from tests.servers import postgres_server, redis_server

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.lanes import Source
    from benchmarks.running import Running

OPERATIONS = ("introspection", "jwks", "refresh", "client_credentials, ES384")
WORKERS = (1, 2, 4)
LOOKS, TOKENS = OPERATIONS[0], OPERATIONS[3]
MIXED = "nine introspections, a token"
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


def nine_looks_and_a_token(looks: Source, tokens: Source) -> Source:
    while True:
        for _ in range(9):
            yield next(looks)
        yield next(tokens)


@contextmanager
def four_on_sqlite(folder: Path) -> Iterator[Running]:
    """Four processes that share one file for the truth and one for what is short-lived."""
    settings = installed(folder)
    with served(settings, folder, workers=4) as (pid, port, started):
        running = prepared(settings.issuer, pid, port, started)
        pairs = zip(running.lanes[LOOKS], running.lanes[TOKENS], strict=True)
        running.lanes[MIXED] = [Lane(nine_looks_and_a_token(one.source, other.source)) for one, other in pairs]
        yield running


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
    with tempfile.TemporaryDirectory() as place, four_on_sqlite(Path(place)) as running:
        print("SQLite alone:")
        say(4, MIXED, running)
        assert "locked" not in Path(place, "gunicorn.log").read_text()


if __name__ == "__main__":
    main()
