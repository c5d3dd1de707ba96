"""The short-lived store in one SQLite file: the default on one machine, with nothing to start."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from authz.storage.sqlite_file import SharedFile

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

SHORTEST_SECONDS = 0.001
SWEEP_BATCH = 1_000  # writers wait for one batch at most

PUT = """
INSERT INTO entries VALUES {rows}
ON CONFLICT (key) DO UPDATE SET value = excluded.value, expires_at = excluded.expires_at
"""
GET = "SELECT key, CAST(value AS BLOB) FROM entries WHERE expires_at > ? AND key IN ({marks})"
CLAIM = PUT.format(rows="(?, ?, ?)") + "WHERE entries.expires_at <= ? RETURNING 1"
TAKE = "DELETE FROM entries WHERE key = ? RETURNING CAST(value AS BLOB), expires_at"
COUNT = """
INSERT INTO entries VALUES (:key, :amount, :ends) ON CONFLICT (key) DO UPDATE SET
  value = CASE WHEN expires_at > :now THEN value + :amount ELSE :amount END,
  expires_at = CASE WHEN expires_at > :now THEN expires_at ELSE :ends END
RETURNING value
"""
LIFE = "SELECT expires_at FROM entries WHERE key = ? AND expires_at > ?"
DELETE = "DELETE FROM entries WHERE key IN ({marks})"
SWEEP = "DELETE FROM entries WHERE rowid IN (SELECT rowid FROM entries WHERE expires_at <= ? LIMIT ?) RETURNING 1"


class SQLiteBackend:
    """Backend on a file in WAL mode; each verb is one statement on the raw driver, so none needs a transaction.

    The file is made with mode 0600 in a folder that must exist. When it is deleted or replaced, every process notices
    within a second and goes on with the new one.
    """

    def __init__(self, path: str | Path, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._file = SharedFile(Path(path), now)

    def get(self, *keys: str) -> list[bytes | None]:
        if not keys:
            return []
        rows = self._run(GET.format(marks=marks(keys)), (self._now(), *keys))
        found: dict[str, bytes] = dict(rows)
        return [found.get(key) for key in keys]

    def put(self, entries: Mapping[str, bytes], ttl_seconds: float) -> None:
        if not entries:
            return
        ends = self._ends(ttl_seconds)
        rows = ", ".join(["(?, ?, ?)"] * len(entries))
        self._run(PUT.format(rows=rows), [part for key, value in entries.items() for part in (key, value, ends)])

    def take(self, key: str) -> bytes | None:
        for value, expires_at in self._run(TAKE, (key,)):
            taken: bytes = value
            return taken if expires_at > self._now() else None
        return None

    def claim(self, key: str, value: bytes, ttl_seconds: float) -> bytes | None:
        while True:  # again only if the holder vanished between the two statements
            if self._run(CLAIM, (key, value, self._ends(ttl_seconds), self._now())):
                return None
            if (holder := self.get(key)[0]) is not None:
                return holder

    def count(self, key: str, window_seconds: int, amount: int = 1) -> int:
        now = self._now()
        ((count,),) = self._run(COUNT, {"key": key, "now": now, "ends": now + window_seconds, "amount": amount})
        return int(count)

    def expires_in(self, key: str) -> float | None:
        for (expires_at,) in self._run(LIFE, (key, self._now())):
            return float(expires_at) - self._now()
        return None

    def delete(self, *keys: str) -> None:
        if keys:
            self._run(DELETE.format(marks=marks(keys)), keys)

    def sweep(self) -> int:
        gone = 0
        while True:
            swept = len(self._run(SWEEP, (self._now(), SWEEP_BATCH)))
            gone += swept
            if swept < SWEEP_BATCH:
                return gone

    def incarnation(self) -> str:
        return self._file.name()

    def problems(self) -> list[str]:
        return []

    def facts(self) -> dict[str, str]:
        return {}

    def ping(self) -> None:
        self._run("SELECT 1 FROM entries LIMIT 1", ())

    def close(self) -> None:
        self._file.close()

    def _ends(self, ttl_seconds: float) -> float:
        return self._now() + max(ttl_seconds, SHORTEST_SECONDS)

    def _run(self, statement: str, values: Sequence[Any] | Mapping[str, Any]) -> list[tuple[Any, ...]]:
        with self._file.connection() as connection:
            # all rows at once: a RETURNING statement commits only when it has been read to its end
            return connection.execute(statement, values).fetchall()


def marks(keys: Sequence[str]) -> str:
    return ", ".join("?" * len(keys))
