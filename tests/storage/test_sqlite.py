"""The SQLite store under faults: a file that is deleted, replaced, locked, full or broken; many processes at once."""

from __future__ import annotations

import itertools
import os
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from authz.storage import sqlite, sqlite_file
from authz.storage.short_lived import StoreFull, StoreUnavailable
from authz.storage.sqlite import SQLiteBackend

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.storage.conftest import Clock

SIBLINGS = 6
CLAIMS = 200


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "short lived?.sqlite3"  # a name that a URI must quote


@pytest.fixture
def backend(path: Path, clock: Clock) -> Iterator[SQLiteBackend]:
    with closing(SQLiteBackend(path, now=clock)) as backend:
        yield backend


def rows(path: Path) -> list[tuple[str, bytes]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("SELECT key, CAST(value AS BLOB) FROM entries ORDER BY key").fetchall()


def test_only_the_owner_may_read_the_file(backend: SQLiteBackend, path: Path) -> None:
    """The store holds sessions and patients' launches."""
    backend.put({"a": b"1"}, 60)
    modes = {file.name.removeprefix(path.name): file.stat().st_mode & 0o777 for file in path.parent.iterdir()}
    assert modes == {"": 0o600, "-wal": 0o600, "-shm": 0o600}


def test_a_file_that_others_could_read_is_closed_to_them(backend: SQLiteBackend, path: Path) -> None:
    path.touch(0o666)
    path.chmod(0o666)
    backend.put({"a": b"1"}, 60)
    assert path.stat().st_mode & 0o777 == 0o600


def test_nothing_is_opened_before_the_first_call(backend: SQLiteBackend, path: Path) -> None:
    """Decision 29: connections open after the fork."""
    assert not path.exists()


def test_entries_survive_a_restart_of_the_server_and_the_incarnation_differs(
    backend: SQLiteBackend, path: Path, clock: Clock
) -> None:
    backend.put({"a": b"1"}, 60)
    before = backend.incarnation()
    backend.close()
    with closing(SQLiteBackend(path, now=clock)) as restarted:
        assert restarted.get("a") == [b"1"]
        assert restarted.incarnation() != before


def delete(path: Path) -> None:
    path.unlink()


def empty(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate()


def replace_by_another_store(path: Path) -> None:
    other = path.with_name("other")
    with closing(SQLiteBackend(other)) as store:
        store.ping()
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink()
    other.rename(path)


LOSSES = [delete, empty, replace_by_another_store]


@pytest.mark.parametrize("lose", LOSSES)
def test_a_lost_file_is_noticed_within_a_second_by_every_process(
    backend: SQLiteBackend, path: Path, clock: Clock, lose: Callable[[Path], None]
) -> None:
    """R-02 and R-07: emptied behind our back; nothing of before is believed and work goes on in the new file."""
    with closing(SQLiteBackend(path, now=clock)) as other:
        stores = [backend, other]
        for store in stores:
            store.put({"old": b"1"}, 600)
        before = [store.incarnation() for store in stores]
        lose(path)
        clock.time += 1
        for store, name in zip(stores, before, strict=True):
            assert store.incarnation() != name
            assert store.get("old") == [None]
        backend.put({"new": b"2"}, 600)
        assert other.get("old", "new") == [None, b"2"]
    backend.close()
    assert rows(path) == [("new", b"2")]


def test_the_log_of_a_deleted_file_is_not_taken_for_that_of_the_new_one(
    backend: SQLiteBackend, path: Path, clock: Clock
) -> None:
    """A process that died left its write-ahead log beside the file that was then deleted."""
    backend.put({"old": b"1"}, 600)
    leftovers = {file: file.read_bytes() for file in path.parent.iterdir() if file != path}
    backend.close()
    path.unlink()
    for file, content in leftovers.items():
        file.write_bytes(content)
    clock.time += 1
    assert backend.get("old") == [None]
    backend.put({"new": b"2"}, 600)
    assert backend.get("old", "new") == [None, b"2"]


def test_a_file_replaced_between_two_looks_is_unavailable_and_then_used(
    backend: SQLiteBackend, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection made to the new file must not answer under the old incarnation's name."""
    backend.put({"old": b"1"}, 600)
    before = backend.incarnation()
    file = backend._file._open
    assert file is not None
    file.close()
    replace_by_another_store_and_its_log(path)
    with pytest.raises(StoreUnavailable, match="just been replaced"):
        backend.get("old")
    assert backend.get("old") == [None]
    assert backend.incarnation() != before


def replace_by_another_store_and_its_log(path: Path) -> None:
    """With nobody connected SQLite has removed the log itself."""
    other = path.with_name("other")
    with closing(SQLiteBackend(other)) as store:
        store.ping()
    other.rename(path)


def test_a_missing_folder_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable):
        SQLiteBackend(tmp_path / "nowhere" / "short-lived.sqlite3").get("a")


def test_a_file_that_is_no_database_is_unavailable_and_left_as_it_is(path: Path) -> None:
    path.write_bytes(b"precious words" * 1000)
    backend = SQLiteBackend(path)
    for call in (backend.ping, backend.incarnation, lambda: backend.put({"a": b"1"}, 60)):
        with pytest.raises(StoreUnavailable):
            call()
    assert path.read_bytes() == b"precious words" * 1000


def test_a_locked_file_is_unavailable_to_writers_and_open_to_readers(
    backend: SQLiteBackend, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """security.md R-11: 503 within two seconds, not a thread that waits for ever."""
    assert sqlite_file.BUSY_SECONDS < 2
    monkeypatch.setattr(sqlite_file, "BUSY_SECONDS", 0.05)
    backend.put({"a": b"1"}, 600)
    with closing(sqlite3.connect(path, isolation_level=None)) as hog:
        hog.execute("BEGIN IMMEDIATE")
        for write in (
            lambda: backend.put({"b": b"2"}, 60),
            lambda: backend.take("a"),
            lambda: backend.claim("c", b"3", 60),
            lambda: backend.count("hits", 60),
            lambda: backend.delete("a"),
        ):
            with pytest.raises(StoreUnavailable):
                write()
        assert backend.get("a", "b", "c", "hits") == [b"1", None, None, None]
    backend.put({"b": b"2"}, 60)
    assert backend.get("a", "b") == [b"1", b"2"]


def test_a_full_disk_is_unavailable_to_writers_and_harms_nothing(
    path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """security.md R-17, here by a limit on the file's pages."""

    def connect_to_a_small_disk(path: Path) -> sqlite3.Connection:
        connection = whole_disk(path)
        connection.execute("PRAGMA max_page_count = 20")
        return connection

    whole_disk = sqlite_file.connect
    monkeypatch.setattr(sqlite_file, "connect", connect_to_a_small_disk)
    with closing(SQLiteBackend(path, now=clock)) as backend:
        backend.put({"a": b"1"}, 600)
        with pytest.raises(StoreFull):
            backend.put({"big": bytes(1_000_000)}, 600)
        assert backend.get("a", "big") == [b"1", None]
        backend.put({"small": b"2"}, 600)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_a_claim_whose_holder_vanishes_while_we_look_is_made_after_all(
    backend: SQLiteBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A claim is answered with ours or with a holder, never with neither."""
    look = backend.get

    def look_after_the_holder_left(*keys: str) -> list[bytes | None]:
        backend.delete(*keys)
        return look(*keys)

    backend.put({"a": b"held"}, 60)
    monkeypatch.setattr(backend, "get", look_after_the_holder_left)
    assert backend.claim("a", b"ours", 60) is None
    assert look("a") == [b"ours"]


def test_sweep_drops_what_has_expired_in_batches_and_tells_how_much(
    backend: SQLiteBackend, path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """security.md I12: no unbounded growth."""
    monkeypatch.setattr(sqlite, "SWEEP_BATCH", 10)
    backend.put({f"old{number}": b"1" for number in range(25)}, 10)
    backend.put({"new": b"2"}, 1000)
    clock.time += 10
    assert [backend.sweep(), backend.sweep()] == [25, 0]
    assert rows(path) == [("new", b"2")]


def test_a_look_into_the_store_and_a_sweep_use_an_index(backend: SQLiteBackend, path: Path) -> None:
    """performance.md §6.2: a million entries must not be read through."""
    backend.ping()
    with closing(sqlite3.connect(path)) as connection:
        look = connection.execute("EXPLAIN QUERY PLAN " + sqlite.GET.format(marks="?, ?"), (0, "a", "b")).fetchall()
        sweep = connection.execute("EXPLAIN QUERY PLAN " + sqlite.SWEEP, (0, 10)).fetchall()
    assert [row[3] for row in look] == ["SEARCH entries USING INDEX sqlite_autoindex_entries_1 (key=?)"]
    assert "SEARCH entries USING COVERING INDEX entries_expires_at (expires_at<?)" in [row[3] for row in sweep]


def test_a_clock_set_back_revives_nothing_that_was_taken(backend: SQLiteBackend, clock: Clock) -> None:
    """security.md R-15: a lifetime is an absolute time; what is gone stays gone."""
    backend.put({"a": b"1", "b": b"2"}, 60)
    backend.take("a")
    clock.time += 60
    backend.sweep()
    clock.time -= 3600
    assert backend.get("a", "b") == [None, None]


def test_connections_are_used_again_and_as_many_as_threads_at_most(backend: SQLiteBackend) -> None:
    """security.md I12: threads come and go, and leave no open file behind."""
    for _ in range(30):
        threads = [threading.Thread(target=backend.put, args=({"a": b"1"}, 60)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    file = backend._file._open
    assert file is not None
    assert 1 <= len(file.idle) <= 4


SIBLING = """
import sys
from authz.storage.sqlite import SQLiteBackend

path, name, claims = sys.argv[1:]
backend = SQLiteBackend(path)
sys.stdin.readline()
won = []
for number in range(int(claims)):
    if backend.claim(f"claim{number}", name.encode(), 600) is None:
        won.append(f"c{number}")
    backend.count("hits", 600)
    if backend.take(f"prize{number}") is not None:
        won.append(f"t{number}")
print(*won)
"""


def test_processes_that_start_together_share_one_file_and_never_both_win(path: Path) -> None:
    """security.md R-14 among processes: the file is made once, and every claim and prize goes to exactly one."""
    siblings = [
        subprocess.Popen(
            [sys.executable, "-c", SIBLING, str(path), str(number), str(CLAIMS)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(SIBLINGS)
    ]
    for sibling in siblings:
        assert sibling.stdin is not None
        sibling.stdin.write("go\n")
        sibling.stdin.flush()
    first = SQLiteBackend(path)
    first.put({f"prize{number}": b"1" for number in range(CLAIMS)}, 600)
    won = [sibling.communicate()[0].split() for sibling in siblings]
    assert [sibling.returncode for sibling in siblings] == [0] * SIBLINGS
    prizes_left = [number for number in range(CLAIMS) if first.take(f"prize{number}") is not None]
    claims = [f"c{number}" for number in range(CLAIMS)]
    taken = [f"t{number}" for number in range(CLAIMS) if number not in prizes_left]
    assert sorted(itertools.chain(*won)) == sorted(claims + taken)
    assert first.count("hits", 600) == SIBLINGS * CLAIMS + 1
    first.close()


def test_a_child_process_has_its_own_incarnation_and_the_parent_keeps_none_open_over_the_fork(
    backend: SQLiteBackend,
) -> None:
    """SQLite's documents: an open connection must not be carried across a fork, not even to close it."""
    before = backend.incarnation()
    reader, writer = os.pipe()
    if (child := os.fork()) == 0:
        try:
            opened_over_the_fork = backend._file._open
            os.write(writer, f"{opened_over_the_fork} {backend.incarnation()}".encode())
        finally:
            os._exit(0)  # pytest must not go on in the child
    os.waitpid(child, 0)
    nothing, _, name = os.read(reader, 1000).decode().partition(" ")
    os.close(reader)
    os.close(writer)
    assert nothing == "None"
    assert name not in ("", before)
