"""The disk is full (security.md R-17)."""

from __future__ import annotations

import resource
import sqlite3
import subprocess
import time
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING

import pytest

from tests.faults.campaign import Campaign
from tests.faults.ledger import Outcome
from tests.faults.site import site

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.faults.site import Site

pytestmark = [pytest.mark.fault, pytest.mark.campaign]

MEGABYTES = 24
FULL_SECONDS = 1.5
SMALLEST = 4096  # bytes, which every file has reached
UNAVAILABLE = 503


def may_mount(folder: Path) -> bool:
    """A small disk of its own, which only root can make."""
    mount = ["mount", "-t", "tmpfs", "-o", f"size={MEGABYTES}m", "none", str(folder)]
    return subprocess.run(mount, check=False, capture_output=True).returncode == 0


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path | None]:
    """None where nobody may mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if not may_mount(folder):
        yield None
        return
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@contextmanager
def filled(disk: Path) -> Iterator[None]:
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as output, suppress(OSError):
        for size in (1 << 16, 1 << 12, 1):
            with suppress(OSError):
                while True:
                    output.write(b"x" * size)
    try:
        yield
    finally:
        filler.unlink()


@contextmanager
def no_file_may_grow(running: Site) -> Iterator[None]:
    """What anybody may do to one's own processes: a write beyond the limit fails, to the log as to the database."""
    before = {pid: resource.prlimit(pid, resource.RLIMIT_FSIZE) for pid in running.workers}
    for pid, (_, most) in before.items():
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (SMALLEST, most))
    try:
        yield
    finally:
        for pid, limits in before.items():
            resource.prlimit(pid, resource.RLIMIT_FSIZE, limits)


def is_whole(file: Path) -> bool:
    with closing(sqlite3.connect(file)) as rows:
        return bool(rows.execute("PRAGMA integrity_check").fetchall() == [("ok",)])


def test_no_space_is_left_for_the_database(disk: Path | None, tmp_path: Path) -> None:
    """R-17, I7: 503, nothing is issued that is not recorded, and the file is whole when there is space again.

    Not as root, no file may grow instead; the test below does that for everybody.
    """

    def fill(running: Site) -> None:
        with filled(disk) if disk is not None else no_file_may_grow(running):
            time.sleep(FULL_SECONDS)
        time.sleep(1)

    with site(disk or tmp_path, log=tmp_path / "gunicorn.log") as running:
        Campaign("R-17 disk full, SQLite", 17).run(running, fill)
        assert is_whole((disk or tmp_path) / "authz.sqlite3")


def test_nothing_can_be_written(tmp_path: Path) -> None:
    """R-17, I7, I8: neither to the database nor to the log, and it goes on when it can be."""

    def forbid(running: Site) -> None:
        with no_file_may_grow(running):
            time.sleep(FULL_SECONDS)
        time.sleep(1)

    with site(tmp_path) as running:
        history = Campaign("R-17 no write, SQLite and log", 18).run(running, forbid)
        assert is_whole(tmp_path / "authz.sqlite3")
    assert any(each.status == UNAVAILABLE for each in history.ledger.operations), "every write succeeded"
    assert any(each.op == "introspect" and each.outcome is Outcome.OK for each in history.ledger.operations)
