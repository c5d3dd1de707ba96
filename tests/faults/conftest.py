"""One PostgreSQL and one Redis for a module's campaigns; each has a database of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.faults.site import Site, site
from tests.servers import PostgresServer, RedisServer, postgres_server, redis_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    with postgres_server() as server:
        yield server


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with redis_server("--dbfilename", "dump.rdb") as server:
        yield server


@pytest.fixture
def running(tmp_path: Path, postgres: PostgresServer, redis: RedisServer) -> Iterator[Site]:
    """Both dependencies behind proxies."""
    with site(tmp_path, postgres, redis) as made:
        yield made
