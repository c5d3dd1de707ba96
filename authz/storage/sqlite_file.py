"""Connections to one SQLite file that may be deleted or replaced while it is open, and that must not cross a fork."""

from __future__ import annotations

import fcntl
import os
import secrets
import sqlite3
import stat
import threading
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from weakref import WeakSet

from authz.storage.short_lived import StoreFull, StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

BUSY_SECONDS = 1.5  # a locked file is a 503 within two seconds
RECHECK_SECONDS = 1.0
OWNER_ONLY = 0o600

SCHEMA = """
CREATE TABLE IF NOT EXISTS entries (key TEXT PRIMARY KEY, value NOT NULL, expires_at REAL NOT NULL);
CREATE INDEX IF NOT EXISTS entries_expires_at ON entries (expires_at);
"""


@dataclass(slots=True)
class OpenFile:
    """One opening of the file by this process; its connections are lent to one thread at a time."""

    identity: tuple[int, int]  # device and inode: a file put in its place has others
    checked_at: float
    name: str = field(default_factory=lambda: secrets.token_hex(16))
    idle: deque[sqlite3.Connection] = field(default_factory=deque)

    def close(self) -> None:
        while True:
            try:
                self.idle.pop().close()
            except IndexError:
                return


class SharedFile:
    """The file as this process has it open now; looked at again once a second by ``now``.

    Raises StoreUnavailable for whatever SQLite or the file system says.
    """

    def __init__(self, path: Path, now: Callable[[], float]) -> None:
        self._path = path
        self._now = now
        self._lock = threading.Lock()
        self._open: OpenFile | None = None
        everyone.add(self)

    def name(self) -> str:
        """Random, and another one after each opening of the file."""
        return self._opened().name

    @contextmanager
    def connection(self) -> Iterator[sqlite3.Connection]:
        """A connection for one statement; given back only if that went well."""
        file = self._opened()
        with unavailable(self._path):
            connection = self._borrow(file)
            done = False
            try:
                yield connection
                done = True
            finally:
                if done and file is self._open:
                    file.idle.append(connection)
                else:
                    connection.close()

    def close(self) -> None:
        with self._lock:
            self._let_go()

    def start_anew(self) -> None:
        """In a child process, where the lock may be held by a thread that was not copied."""
        self._lock = threading.Lock()
        self._open = None

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
        file = self._open
        if file is not None and abs(now - file.checked_at) < RECHECK_SECONDS:
            return file
        with self._lock, unavailable(self._path):
            file = self._open
            if file is None or identity(self._path) != file.identity:
                self._let_go()
                file = self._open = open_file(self._path, now)
            file.checked_at = now
            return file

    def _let_go(self) -> None:
        file, self._open = self._open, None
        if file is not None:
            file.close()


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
        found = path.stat()
        return OpenFile((found.st_dev, found.st_ino), now, idle=deque([connection]))


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
        if getattr(cause, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
            raise StoreFull(f"the disk of {path} has no room left") from cause
        raise StoreUnavailable(f"the short-lived store {path} can't be used") from cause


everyone: WeakSet[SharedFile] = WeakSet()


def close_before_fork() -> None:
    for file in list(everyone):
        file.close()


def start_anew_in_child() -> None:
    for file in list(everyone):
        file.start_anew()


# SQLite forbids a child process to use, and even to close, what its parent had open
os.register_at_fork(before=close_before_fork, after_in_child=start_anew_in_child)
