"""Hours of work in twenty minutes: nothing may grow (security.md R-20, I12).

``make soak``: lifetimes of a minute, 25 requests a second, one in a hundred malformed, one in a hundred broken off.
"""

from __future__ import annotations

import os
import random
import socket
import struct
import sys
import time
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import sqrt
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from sqlalchemy import func, select

from authz.storage.database import Base
from authz.tokens.purge import Purge
from tests.faults.checker import failures_are_told_as_failures
from tests.faults.ledger import History, Ledger, Use
from tests.faults.load import OneByOne, load
from tests.faults.site import site
from tests.servers import postgres_server, redis_server

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.faults.site import Site
    from tests.servers import RedisServer

SECONDS = float(os.environ.get("SOAK_SECONDS", "1200"))
RATE, SHARE = 25.0, 0.01
SAMPLE_SECONDS, WARM_UP = 5.0, 0.25
TOKEN_SECONDS = 60
LIFETIMES: dict[str, Any] = {
    "AUTHZ_ACCESS_TOKEN_SECONDS": TOKEN_SECONDS,
    "AUTHZ_BACKEND_TOKEN_SECONDS": TOKEN_SECONDS,
    "AUTHZ_CODE_SECONDS": 10,
}
MOST_KB_PER_REQUEST = 1024 / 10_000
LEFT_OVER = 4  # connections, descriptors and threads that may differ from one moment to the next, for each of them
LONG_AFTER = timedelta(days=3650)  # after the longest refresh token and what is kept of it
FOR_EVER = -1  # what PTTL says of a key without a time
PEOPLE_AND_THEIRS = ("user_account", "fhir_identity")  # whoever an EHR vouched for is known from then on
RST = struct.pack("ii", 1, 0)


@dataclass(frozen=True)
class Sample:
    requests: int
    use: Use
    log_bytes: int


def slope(points: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Least squares: the slope, and half the width of its 95 % confidence interval. Needs three points or more."""
    number = len(points)
    x_mean, y_mean = sum(x for x, _ in points) / number, sum(y for _, y in points) / number
    spread = sum((x - x_mean) ** 2 for x, _ in points)
    found = sum((x - x_mean) * (y - y_mean) for x, y in points) / spread
    rest = sum((y - y_mean - found * (x - x_mean)) ** 2 for x, y in points)
    return found, 1.96 * sqrt(rest / (number - 2) / spread)


def spoil(issuer: str, stop: Event) -> None:
    """Bad input and requests that are broken off, in their share of the load."""
    dice = random.Random(20)  # noqa: S311  the same at each run
    host, port = urlsplit(issuer).hostname, urlsplit(issuer).port
    transport = OneByOne(issuer)
    while not stop.wait(1 / (RATE * SHARE)):
        body = dice.randbytes(200)
        transport.send("POST", f"{issuer}/token", {"Content-Type": "application/x-www-form-urlencoded"}, body)
        with socket.create_connection((host, port)) as half:
            half.sendall(b"POST /token HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\ngrant")
            half.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RST)


def observe(running: Site, ledger: Ledger, seconds: float) -> list[Sample]:
    samples, until = [], time.monotonic() + seconds
    while time.monotonic() < until:
        time.sleep(SAMPLE_SECONDS)
        samples.append(Sample(len(ledger.operations), running.use(), running.log.stat().st_size))
    return samples


def problems(samples: list[Sample]) -> list[str]:
    """What grew with the number of requests."""
    warm = samples[int(len(samples) * WARM_UP) :]
    grown, about = slope([(each.requests, each.use.memory_kb) for each in warm])
    print(f"memory: {grown * 10_000:.0f} ± {about * 10_000:.0f} kB per 10,000 requests")  # noqa: T201  this is its output
    found = []
    if grown - about > MOST_KB_PER_REQUEST:
        found.append(f"memory grows by {grown * 10_000:.0f} kB per 10,000 requests")
    first, middle, last = warm[0], warm[len(warm) // 2], warm[-1]
    early = (middle.log_bytes - first.log_bytes) / (middle.requests - first.requests)
    late = (last.log_bytes - middle.log_bytes) / (last.requests - middle.requests)
    if late > 1.2 * early:
        found.append(f"the log grew by {early:.0f}, later {late:.0f} bytes for each request")
    return found


def hot_copies(redis: RedisServer) -> int:
    return len(redis.command("KEYS", "authz:hot:*"))


def lasting_keys(redis: RedisServer) -> int:
    """Keys that Redis will never drop by itself."""
    return sum(redis.command("PTTL", key) == FOR_EVER for key in redis.command("KEYS", "*"))


def rows(running: Site) -> Counter[str]:
    """How many each table has, but for the records that are kept: the trail and what belongs to it."""
    kept = [each for each in Base.metadata.sorted_tables if not each.name.startswith("audit")]
    with running.engine.connect() as looking:
        return Counter({each.name: looking.scalar(select(func.count()).select_from(each)) or 0 for each in kept})


def purge_later(running: Site) -> None:
    """As the server itself does, when all that was issued has long been over."""
    own = running.app.extensions["authz"]
    with running.app.app_context():
        Purge(own.db, own.backend, lambda: datetime.now(UTC) + LONG_AFTER, lambda *_: True).once()
        own.db.engine.dispose()


def soak(folder: Path, seconds: float) -> tuple[list[Sample], list[str]]:
    """What the processes held meanwhile, and what was wrong or left over."""
    with postgres_server() as postgres, redis_server() as redis, site(folder, postgres, redis, **LIFETIMES) as running:
        ledger, stop, lasting, at_first = Ledger(), Event(), lasting_keys(redis), rows(running)
        spoiler = Thread(target=spoil, args=(running.issuer, stop))
        with load(running.issuer, ledger, running.keys, 20, RATE):
            spoiler.start()
            samples = observe(running, ledger, seconds)
            stop.set()
            spoiler.join()
        time.sleep(TOKEN_SECONDS + SAMPLE_SECONDS)
        before, after = samples[int(len(samples) * WARM_UP)].use, running.use()  # when every pool has filled
        for name in ("descriptors", "threads", "database_connections"):
            print(f"{name}: {getattr(before, name)}, after it {getattr(after, name)}")  # noqa: T201  this is its output
        found = [*failures_are_told_as_failures(History(ledger)), *running.errors()]
        if after.threads > before.threads + LEFT_OVER:
            found.append(f"{after.threads - before.threads} threads are left over")
        if hot_copies(redis):
            found.append(f"{hot_copies(redis)} copies of tokens that are over are still in Redis")
        if lasting_keys(redis) > lasting:
            found.append(f"{lasting_keys(redis) - lasting} keys were put into Redis for ever")
        issued = rows(running)
        purge_later(running)
        left = rows(running) - at_first
        print(f"requests: {len(ledger.operations)}, rows: {dict(issued - at_first)}, after a purge: {dict(left)}")  # noqa: T201  this is its output
        for name in PEOPLE_AND_THEIRS:
            left.pop(name, None)
        if left:
            found.append(f"rows are left over: {dict(left)}")
    return samples, found


def main() -> int:
    with TemporaryDirectory() as folder:
        samples, left = soak(Path(folder), SECONDS)
    found = [*problems(samples), *left]
    print("\n".join(found) or "nothing grew")  # noqa: T201  this is its output
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
