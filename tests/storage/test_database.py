from __future__ import annotations

import sqlite3
import threading
from typing import TYPE_CHECKING, Any

import pytest

from authz.storage import database
from authz.storage.database import switch_to_wal

if TYPE_CHECKING:
    from pathlib import Path


class Watched(sqlite3.Connection):
    """Lets the file's other user go when this one was refused."""

    refused: threading.Event

    def execute(self, *words: Any) -> sqlite3.Cursor:
        try:
            return super().execute(*words)
        except sqlite3.OperationalError:
            self.refused.set()
            raise


def test_who_opens_a_new_file_at_the_same_time_waits_for_the_other(tmp_path: Path) -> None:
    """Several processes may start at once; SQLite itself refuses the switch to WAL without waiting."""
    file = tmp_path / "new.sqlite3"
    holder = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
    holder.execute("BEGIN EXCLUSIVE")
    connection = sqlite3.connect(file, timeout=0, factory=Watched)
    connection.refused = threading.Event()

    def let_go() -> None:
        connection.refused.wait()
        holder.execute("COMMIT")

    other = threading.Thread(target=let_go)
    other.start()
    switch_to_wal(connection)
    other.join()
    assert connection.refused.is_set()
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()
    holder.close()


def test_a_file_that_stays_locked_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "BUSY_TIMEOUT_MS", 0)
    holder = sqlite3.connect(tmp_path / "new.sqlite3", isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    connection = sqlite3.connect(tmp_path / "new.sqlite3", timeout=0)
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        switch_to_wal(connection)
    connection.close()
    holder.close()
