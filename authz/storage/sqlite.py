"""The short-lived store in one SQLite file: the default on one machine, with nothing to start."""

from __future__ import annotations

import fcntl
import os
import secrets
import sqlite3
import stat
import threading
import time
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from authz.storage.short_lived import StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

BUSY_SECONDS = 1.5  # a locked file is a 503 within two seconds
RECHECK_SECONDS = 1.0
SHORTEST_SECONDS = 0.001
SWEEP_BATCH = 1_000  # writers wait for one batch at most
OWNER_ONLY = 0o600

SCHEMA = """
CREATE TABLE IF NOT EXISTS entries (key TEXT PRIMARY KEY, value NOT NULL, expires_at REAL NOT NULL);
CREATE INDEX IF NOT EXISTS entries_expires_at ON entries (expires_at);
"""
PUT = "INSERT INTO entries VALUES {rows} ON CONFLICT (key) DO UPDATE SET value = excluded.value, expires_at = excluded.expires_at"
GET = "SELECT key, CAST(value AS BLOB) FROM entries WHERE expires_at > ? AND key IN ({marks})"
CLAIM = PUT.format(rows="(?, ?, ?)") + " WHERE entries.expires_at <= ? RETURNING 1"
TAKE = "DELETE FROM entries WHERE key = ? RETURNING CAST(value AS BLOB), expires_at"
COUNT = """
INSERT INTO entries VALUES (:key, 1, :ends) ON CONFLICT (key) DO UPDATE SET
  value = CASE WHEN expires_at > :now THEN value + 1 ELSE 1 END,
  expires_at = CASE WHEN expires_at > :now THEN expires_at ELSE :ends END
RETURNING value
"""
DELETE = "DELETE FROM entries WHERE key IN ({marks})"
SWEEP = "DELETE FROM entries WHERE rowid IN (SELECT rowid FROM entries WHERE expires_at <= ? LIMIT ?)"


@dataclass(slots=True)
class OpenFile:
    """One opening of the file by this process; its connections are lent to one thread at a time."""

    identity: tuple[int, int]  # device and inode: a file put in its place has others
    checked_at: float
    name: str = field(default_factory=lambda: secrets.token_hex(16))
    idle: deque[sqlite3.Connection] = field(default_factory=deque)


class SQLiteBackend:
    """Backend on a file in WAL mode; each verb is one statement on the raw driver, so none needs a transaction.

    The file is made with mode 0600 in a folder that must exist. When it is deleted or replaced, every process notices
    within a second and goes on with the new one.
    """

    def __init__(self, path: str | Path, now: Callable[[], float] = time.time) -> None:
        self._path = Path(path)
        self._now = now
        self._lock = threading.Lock()
        self._file: OpenFile | None = None
        live.add(self)

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

    def count(self, key: str, window_seconds: int) -> int:
        now = self._now()
        ((count,),) = self._run(COUNT, {"key": key, "now": now, "ends": now + window_seconds})
        return int(count)

    def delete(self, *keys: str) -> None:
        if keys:
            self._run(DELETE.format(marks=marks(keys)), keys)

    def sweep(self) -> int:
        gone = 0
        while True:
            swept = len(self._run(SWEEP + " RETURNING 1", (self._now(), SWEEP_BATCH)))
            gone += swept
            if swept < SWEEP_BATCH:
                return gone

    def incarnation(self) -> str:
        return self._opened().name

    def problems(self) -> list[str]:
        return []

    def ping(self) -> None:
        self._run("SELECT 1 FROM entries LIMIT 1", ())

    def close(self) -> None:
        with self._lock:
            self._let_go()

    def _ends(self, ttl_seconds: float) -> float:
        return self._now() + max(ttl_seconds, SHORTEST_SECONDS)

    def _run(self, statement: str, values: Sequence[Any] | Mapping[str, Any]) -> list[tuple[Any, ...]]:
        file = self._opened()
        with unavailable(self._path):
            connection = self._borrow(file)
            done = False
            try:
                # all rows at once: a RETURNING statement commits only when it has been read to its end
                rows = connection.execute(statement, values).fetchall()
                done = True
            finally:
                if done and file is self._file:
                    file.idle.append(connection)
                else:
                    connection.close()
            return rows

    def _borrow(self, file: OpenFile) -> sqlite3.Connection:
        try:
            return file.idle.pop()
        except IndexError:
            connection = connect(self._path)
        if identity(self._path) != file.identity:
            connection.close()
            file.checked_at = -RECHECK_SECONDS  # the next call looks again
            raise StoreUnavailable(f"{self._path} has just been replaced")
        return connection

    def _opened(self) -> OpenFile:
        now = self._now()
        file = self._file
        if file is not None and abs(now - file.checked_at) < RECHECK_SECONDS:
            return file
        with self._lock, unavailable(self._path):
            file = self._file
            if file is None or identity(self._path) != file.identity:
                self._let_go()
                file = self._file = open_file(self._path, now)
            file.checked_at = now
            return file

    def _let_go(self) -> None:
        file, self._file = self._file, None
        while file is not None and file.idle:
            file.idle.pop().close()

    def _start_anew(self) -> None:
        """In a child process: SQLite forbids to use, and even to close, what the parent had open."""
        self._lock = threading.Lock()
        self._file = None


def marks(keys: Sequence[str]) -> str:
    return ", ".join("?" * len(keys))


def identity(path: Path) -> tuple[int, int] | None:
    """Which file stands there; None if there is none, or one that was emptied."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    if stat.S_ISREG(found.st_mode) and not found.st_size:
        return None
    return found.st_dev, found.st_ino


def open_file(path: Path, now: float) -> OpenFile:
    with folder_locked(path.parent):
        if identity(path) is None:
            create(path)
        path.chmod(OWNER_ONLY)
        connection = connect(path)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript(SCHEMA)
        found = identity(path)
        assert found is not None
        return OpenFile(found, now, idle=deque([connection]))


def create(path: Path) -> None:
    """Make an empty file; a log left by a deleted one would be taken for the log of this one."""
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, OWNER_ONLY))


def connect(path: Path) -> sqlite3.Connection:
    """Open a file that is there. No transactions of the driver's own: each statement commits by itself."""
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw",
        uri=True,
        timeout=BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,  # lent to one thread at a time
    )
    connection.execute("PRAGMA synchronous = NORMAL")
    return connection


@contextmanager
def folder_locked(folder: Path) -> Iterator[None]:
    """One process at a time creates the file or its tables."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def unavailable(path: Path) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError) as cause:
        raise StoreUnavailable(f"the short-lived store {path} can't be used") from cause


live: WeakSet[SQLiteBackend] = WeakSet()


def close_before_fork() -> None:
    for backend in list(live):
        backend.close()


def start_anew_in_child() -> None:
    for backend in list(live):
        backend._start_anew()


os.register_at_fork(before=close_before_fork, after_in_child=start_anew_in_child)
