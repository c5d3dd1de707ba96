"""Does it stay as cheap with a million tokens? `make bench-growth`: PostgreSQL that syncs and Redis, then SQLite.

Introspections that SQL is asked for, because the copies are of an older epoch; introspections answered by the store,
which has a copy of every token; refreshes; and pages of the purge. Each beside a constant answer in the same round. It
fails if an introspection has become 1.6 times as dear, or if a statement of a grant's life reads a large table from end
to end. At last the bytes of a token in each store.
"""

from __future__ import annotations

import os
import random
import statistics
import sys
import tempfile
import time
from collections import deque
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from authz.app import create_app
from authz.tokens.model import AccessTokenRow
from authz.tokens.purge import PAGE, TURN, rules
from benchmarks import room
from benchmarks.fill import fill, fill_copies, forget_copies, token
from benchmarks.lanes import Lane, Question, load
from benchmarks.plans import explained
from benchmarks.process import on_a_core, only_the_other_core
from benchmarks.questions import ACTIVE, FHIR_SERVER, LANES
from benchmarks.servers import FLOOR_FLASK, SERVERS
from benchmarks.this_server import installed, prepared, served
from tests.actors import FORM, basic
from tests.servers import postgres_server, redis_server

if TYPE_CHECKING:
    from flask import Flask

    from authz.settings import Settings
    from benchmarks.lanes import Source
    from benchmarks.running import Running

SIZES = tuple(int(size) for size in os.environ.get("SIZES", "1000,100000,1000000").split(","))
ROUNDS, SECONDS, PAGES = 5, 0.6, 5
LOOKS = 2_000  # at most, in a round; none of a token twice
EPOCH_SECONDS = 1.1  # a process reads the epoch once a second
MOST = 1.6  # times the cost with the fewest tokens
FIRST, HOT, REFRESH = "introspection, SQL asked", "introspection, store answers", "refresh"


@dataclass
class Site:
    """A server with its stores, and the floor; ``database`` is PostgreSQL's process."""

    settings: Settings
    app: Flask
    server: Running
    floor: Running
    database: int | None = None
    tokens: deque[str] = field(default_factory=deque)

    def looks(self) -> Source:
        host = f"POST /introspect HTTP/1.1\r\nHost: 127.0.0.1:{self.server.port}\r\nContent-Type: {FORM}\r\n"
        head = f"{host}Authorization: {basic(*FHIR_SERVER)['Authorization']}\r\n"
        while True:
            if self.tokens:
                body = f"token={self.tokens.popleft()}"
                yield Question(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode(), ACTIVE)
            else:
                yield None

    def begin(self, name: str, size: int) -> None:
        """Tokens all over the table, so many that a copy which is made of one is not met again."""
        if name == REFRESH:
            return
        self.tokens = deque(token(number) for number in random.sample(range(size), min(size, LOOKS)))
        if name == FIRST:
            forget_copies(self.settings.database_url)
            time.sleep(EPOCH_SECONDS)


def cost(site: Site, running: Running, lanes: list[Lane]) -> tuple[float, float]:
    """Microseconds of CPU of the server and of PostgreSQL for one answer."""
    watched = [running.pid, *([site.database] if site.database else [])]
    before = [on_a_core(pid) for pid in watched]
    busy = load(running.port, lanes, SECONDS)
    used = [(on_a_core(pid) - early) / len(busy.latencies) / 1000 for pid, early in zip(watched, before, strict=True)]
    return used[0], sum(used[1:])


def measure(site: Site, size: int, name: str) -> float:
    """Microseconds of an answer, to those of a constant one."""
    lanes = site.server.lanes["refresh"] if name == REFRESH else [Lane(site.looks()) for _ in range(LANES)]
    site.begin(name, size)
    cost(site, site.server, lanes)  # warm
    rounds = []
    for _ in range(ROUNDS):
        site.begin(name, size)
        own, behind = cost(site, site.server, lanes)
        rounds.append((own, behind, own / cost(site, site.floor, site.floor.lanes["constant"])[0]))
    own, behind, ratio = (float(statistics.median(each)) for each in zip(*rounds, strict=True))
    say(size, name, f"{own:6.0f} µs, {behind:5.0f} µs of PostgreSQL, {ratio:.2f} to floor")
    return ratio


def purging(site: Site, size: int) -> None:
    """The rows that are over lie among those that are not."""
    own = site.app.extensions["authz"]
    (rule,) = (one for one in rules(own.purge.now()) if one.table is AccessTokenRow)
    times = []
    with site.app.app_context():
        for _ in range(PAGES):
            begun = time.perf_counter()
            seen, gone = own.purge.page(rule)
            times.append((time.perf_counter() - begun) * 1000)
            assert seen == gone == PAGE, (seen, gone)
    result = f"{statistics.median(times):.1f} ms, the slowest {max(times):.1f} ms"
    say(size, "a page of the purge, 1,000 tokens", result)


def grow(site: Site) -> list[str]:
    """What is wrong at the end."""
    filled, ratios = 0, dict[str, list[float]]()
    for size in SIZES:
        fill(site.settings.database_url, filled, size)
        filled = size
        for name in (FIRST, HOT, REFRESH):
            if name == HOT:
                site.tokens = deque([token(0)])  # the server leaves the copy that the others are made of
                load(site.server.port, [Lane(site.looks())], SECONDS)
                fill_copies(site.app.extensions["authz"].hot, size)
            ratios.setdefault(name, []).append(measure(site, size, name))
        purging(site, size)
    growth = {name: found[-1] / found[0] for name, found in ratios.items()}
    print("times the cost with the fewest tokens:", {name: round(value, 2) for name, value in growth.items()})
    sizes = {table: round(size) for table, size in room.in_sql(site.settings.database_url).items()}
    print("bytes of a row, with its indexes:", sizes)
    dearer = [f"{name}: {growth[name]:.2f} times" for name in (FIRST, HOT) if growth[name] > MOST]
    return dearer + explained(site.app, site.settings.issuer)


def say(size: int, what: str, result: str) -> None:
    print(f"{size:>9,} tokens  {what:<36} {result}", flush=True)


def with_stores(stack: ExitStack) -> list[str]:
    database, store = stack.enter_context(postgres_server(is_durable=True)), stack.enter_context(redis_server())
    site = opened(stack, database.url, store.url)
    site.database = database.pid
    wrong = grow(site)
    print("bytes of a token in Redis:", round(room.in_redis(store.url)))
    return wrong


def on_sqlite(stack: ExitStack) -> list[str]:
    site = opened(stack)
    wrong = grow(site)
    path = Path(site.settings.short_lived_path)
    print("bytes of a token in the SQLite store:", round(room.in_sqlite_store(path)))
    return wrong


def opened(stack: ExitStack, database_url: str = "", redis_url: str = "") -> Site:
    folders = [Path(stack.enter_context(tempfile.TemporaryDirectory())) for _ in range(2)]
    settings = installed(folders[0], database_url, redis_url)
    server = prepared(settings.issuer, *stack.enter_context(served(settings, folders[0])))
    app = create_app(settings)
    assert app.extensions["authz"].backend.claim(TURN, b"taken", 86_400) is None, "the server purges nothing itself"
    return Site(settings, app, server, stack.enter_context(SERVERS[FLOOR_FLASK](folders[1])))


def main() -> int:
    only_the_other_core()
    wrong = []
    for run in (with_stores, on_sqlite):
        print(run.__name__.replace("_", " "))
        with ExitStack() as stack:
            wrong += run(stack)
    print("\n\n".join(wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
