"""The short-lived store on each of its backends, each with a way to let an entry's life end."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import pytest

from authz.storage.redis import RedisBackend
from authz.storage.sqlite import SQLiteBackend
from authz.storage.timed import TimedBackend
from tests.servers import RedisServer, redis_server, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from authz.storage.short_lived import Backend

NAMESPACES = (f"test{number}:" for number in itertools.count())


class Clock:
    """The time as the test says."""

    def __init__(self) -> None:
        self.time = 1_800_000_000.0

    def __call__(self) -> float:
        return self.time


class Store(Protocol):
    """A backend under test, and the passing of time around it."""

    backend: Backend

    def another(self) -> Backend:
        """A second backend on the same store, as another process has it."""
        ...

    def life_left(self, key: str) -> float:
        """Seconds until the store forgets the key."""
        ...

    def end_life(self, key: str) -> None:
        """Let the key's time pass."""
        ...


class SQLiteStore:
    def __init__(self, path: Path, clock: Clock) -> None:
        self.path = path
        self.clock = clock
        self.backend: Backend = self.another()

    def another(self) -> Backend:
        return SQLiteBackend(self.path, now=self.clock)

    def life_left(self, key: str) -> float:
        before = self.clock.time
        low, high = 0.0, 100_000.0
        while high - low > 0.001:
            self.clock.time = before + (middle := (low + high) / 2)
            (low, high) = (middle, high) if self.backend.get(key) != [None] else (low, middle)
        self.clock.time = before
        return high

    def end_life(self, key: str) -> None:
        self.clock.time += self.life_left(key)


class TimedStore(SQLiteStore):
    """Whose calls are listened to, which changes nothing."""

    def another(self) -> Backend:
        return TimedBackend(super().another(), [])


@dataclass
class RedisStore:
    server: RedisServer
    namespace: str

    def __post_init__(self) -> None:
        self.backend: Backend = self.another()

    def another(self) -> Backend:
        return RedisBackend.from_url(self.server.url, self.namespace)

    def life_left(self, key: str) -> float:
        return float(self.server.command("PTTL", self.namespace + key)) / 1000

    def end_life(self, key: str) -> None:
        self.server.command("PEXPIRE", self.namespace + key, 1)
        wait_until(lambda: self.backend.get(key) == [None], "the key to expire")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def shared_redis() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


FILES = {"sqlite": SQLiteStore, "timed": TimedStore}


@pytest.fixture(params=["sqlite", "timed", pytest.param("redis", marks=pytest.mark.redis)])
def store(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Iterator[Store]:
    found: Store
    if request.param in FILES:
        found = FILES[request.param](tmp_path / "short-lived.sqlite3", clock)
    else:
        found = RedisStore(request.getfixturevalue("shared_redis"), next(NAMESPACES))
    yield found
    found.backend.close()


@pytest.fixture
def backend(store: Store) -> Backend:
    return store.backend


@pytest.fixture
def own_redis() -> Iterator[RedisServer]:
    """A server that the test may hurt."""
    with redis_server() as server:
        yield server
