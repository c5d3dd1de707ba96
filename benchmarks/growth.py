"""Does it stay as cheap with a million tokens? `make bench-growth`, on PostgreSQL that syncs and Redis, five minutes.

Introspections of tokens that Redis has no copy of, so that PostgreSQL is asked; refreshes; and pages of the purge. Each
beside a constant answer in the same round. Then every statement of a grant's life is explained by PostgreSQL, and one
that reads a large table from end to end fails.
"""

from __future__ import annotations

import itertools
import os
import re
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import event, text

from authz.app import create_app
from authz.tokens.model import AccessTokenRow
from authz.tokens.purge import PAGE, rules
from benchmarks.fill import fill, token
from benchmarks.lanes import Lane, Question, load
from benchmarks.own import Asked
from benchmarks.process import on_a_core, only_the_other_core
from benchmarks.questions import ACTIVE, FHIR_SERVER, LANES
from benchmarks.servers import FLOOR_FLASK, SERVERS
from benchmarks.this_server import installed, prepared, served
from tests.actors import FORM, basic
from tests.servers import postgres_server, redis_server
from tests.transport import InProcess

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flask import Flask

    from benchmarks.lanes import Source
    from benchmarks.running import Running

SIZES = tuple(int(size) for size in os.environ.get("SIZES", "10000,100000,1000000").split(","))
ROUNDS, SECONDS, PAGES = 5, 1.0, 5
LARGE = 100_000  # rows; PostgreSQL reads a smaller table from end to end, and is right
FIRST = "introspection of what Redis has no copy of"


def first_looks(port: int, numbers: Iterator[int]) -> Source:
    head = "POST /introspect HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nContent-Type: {}\r\nAuthorization: {}\r\n".format(
        port, FORM, basic(*FHIR_SERVER)["Authorization"]
    )
    while True:
        body = f"token={token(next(numbers))}"
        yield Question(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode(), ACTIVE)


def cost(server: Running, database: int, lanes: list[Lane]) -> tuple[float, float, float]:
    """Microseconds of CPU of the server and of PostgreSQL for one answer; median milliseconds with one connection."""
    before = on_a_core(server.pid), on_a_core(database)
    busy = load(server.port, lanes, SECONDS)
    after = on_a_core(server.pid), on_a_core(database)
    used = [(late - early) / len(busy.latencies) / 1000 for early, late in zip(before, after, strict=True)]
    return used[0], used[1], load(server.port, lanes[:1], SECONDS / 2).percentile(0.5) * 1000


def measure(size: int, server: Running, floor: Running, database: int) -> None:
    for name in (FIRST, "refresh"):
        rounds = []
        for _ in range(ROUNDS):
            own, behind, alone = cost(server, database, server.lanes[name])
            rounds.append((own, behind, alone, own / cost(floor, database, floor.lanes["constant"])[0]))
        own, behind, alone, ratio = (statistics.median(each) for each in zip(*rounds, strict=True))
        say(size, name, f"{own:6.0f} µs, {behind:5.0f} µs of PostgreSQL, {alone:.2f} ms alone, {ratio:.2f} to floor")


def purging(size: int, app: Flask) -> None:
    """The rows that are over lie among those that are not."""
    own = app.extensions["authz"]
    (rule,) = (one for one in rules(own.purge.now()) if one.table is AccessTokenRow)
    times = []
    with app.app_context():
        for _ in range(PAGES):
            begun = time.perf_counter()
            seen, gone = own.purge.page(rule)
            times.append((time.perf_counter() - begun) * 1000)
            assert seen == gone == PAGE, (seen, gone)
    say(
        size, "a page of the purge, 1,000 tokens", f"{statistics.median(times):.1f} ms, the slowest {max(times):.1f} ms"
    )


@contextmanager
def statements(app: Flask) -> Iterator[dict[str, object]]:
    """What is asked of the database, with what was filled in last."""
    found: dict[str, object] = {}

    def note(_connection: object, _cursor: object, statement: str, parameters: object, *_: object) -> None:
        found[statement] = parameters

    engine = app.extensions["authz"].db.engine
    event.listen(engine, "before_cursor_execute", note)
    yield found
    event.remove(engine, "before_cursor_execute", note)


def explained(app: Flask, issuer: str) -> list[str]:
    """The statements of a grant's life that read a large table from end to end."""
    own = app.extensions["authz"]
    with app.app_context(), statements(app) as found:
        asked = Asked.at(issuer, InProcess(app, issuer))
        tokens = asked.tokens()
        tokens = asked.app.refresh(tokens["refresh_token"]).json()
        own.introspection.token_facts(tokens["access_token"])
        assert asked.app.revoke(tokens["refresh_token"]).status == 200
        own.purge.once(seconds=2)
    wrong = []
    asked_for = [item for item in found.items() if item[0].split()[0] in {"SELECT", "UPDATE", "DELETE", "WITH"}]
    with app.app_context(), own.db.engine.connect() as connection:
        sizes = {
            row.relname: row.reltuples for row in connection.execute(text("SELECT relname, reltuples FROM pg_class"))
        }
        for statement, parameters in asked_for:
            plan = "\n".join(row[0] for row in connection.exec_driver_sql(f"EXPLAIN {statement}", parameters))
            if any(sizes[table] > LARGE for table in re.findall(r"Seq Scan on (\w+)", plan)):
                wrong.append(f"{statement}\n{plan}")
    print(f"{len(asked_for)} statements explained, {len(wrong)} read a large table from end to end")
    return wrong


def say(size: int, what: str, result: str) -> None:
    print(f"{size:>9,} tokens  {what:<44} {result}", flush=True)


def main() -> int:
    only_the_other_core()
    with ExitStack() as stack:
        folders = (Path(stack.enter_context(tempfile.TemporaryDirectory())) for _ in range(2))
        folder = next(folders)
        database, store = stack.enter_context(postgres_server(is_durable=True)), stack.enter_context(redis_server())
        settings = installed(folder, database.url, store.url)
        server = prepared(settings.issuer, *stack.enter_context(served(settings, folder)))
        floor = stack.enter_context(SERVERS[FLOOR_FLASK](next(folders)))
        app = create_app(settings)
        numbers, filled = itertools.count(), 0
        for size in SIZES:
            fill(database.url, filled, size)
            filled = size
            server.lanes[FIRST] = [Lane(first_looks(server.port, shuffled(numbers, size))) for _ in range(LANES)]
            measure(size, server, floor, database.pid)
            purging(size, app)
        wrong = explained(app, settings.issuer)
    print("\n\n".join(wrong))
    return 1 if wrong else 0


def shuffled(numbers: Iterator[int], size: int) -> Iterator[int]:
    """All over the table, none twice until all were asked for."""
    step = 611_953  # a prime, which no size has as a factor
    return (number * step % size for number in numbers)


if __name__ == "__main__":
    sys.exit(main())
