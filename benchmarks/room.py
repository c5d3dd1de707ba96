"""How many bytes a token takes in each store, with its indexes."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from itertools import islice
from typing import TYPE_CHECKING

import redis
from sqlalchemy import create_engine, text

from authz.tokens.model import AccessTokenRow, GrantRow, RefreshTokenRow

if TYPE_CHECKING:
    from pathlib import Path

TABLES = tuple(table.__tablename__ for table in (AccessTokenRow, RefreshTokenRow, GrantRow))
OF_SQLITE = """
SELECT sum(pgsize) FROM dbstat WHERE name IN (SELECT name FROM sqlite_master WHERE tbl_name = :table)
"""
OF_POSTGRES = "SELECT pg_total_relation_size(CAST(:table AS regclass))"
SAMPLE = 1000


def in_sql(url: str) -> dict[str, float]:
    """Bytes of a row of each table."""
    engine = create_engine(url)
    whole = text(OF_SQLITE if engine.dialect.name == "sqlite" else OF_POSTGRES)
    with engine.connect() as connection:
        found = {
            table: connection.scalar(whole, {"table": table}) / connection.scalar(text(f"SELECT count(*) FROM {table}"))  # noqa: S608  no words from outside
            for table in TABLES
        }
    engine.dispose()
    return found


def in_sqlite_store(path: Path) -> float:
    with closing(sqlite3.connect(path)) as connection:
        (size,) = connection.execute(OF_SQLITE, {"table": "entries"}).fetchone()
        (count,) = connection.execute("SELECT count(*) FROM entries").fetchone()
    return float(size / count)


def in_redis(url: str) -> float:
    """As ``MEMORY USAGE`` says, of a thousand hot copies."""
    with redis.Redis.from_url(url) as client:
        keys = list(islice(client.scan_iter("authz:hot:*", SAMPLE), SAMPLE))
        return float(sum(client.memory_usage(key) or 0 for key in keys) / len(keys))
