"""The disk is full (security.md R-17)."""

from __future__ import annotations

import sqlite3
import subprocess
import time
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING

import pytest

from tests.faults.campaign import Campaign
from tests.faults.site import site

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.faults.site import Site

pytestmark = [pytest.mark.fault, pytest.mark.campaign]

MEGABYTES = 24
FULL_SECONDS = 1.5


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small one of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={MEGABYTES}m", "none", str(folder)]
    if subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        pytest.skip("only root may mount a small disk")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@contextmanager
def full(disk: Path) -> Iterator[None]:
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


def test_no_space_is_left_for_the_database(disk: Path, tmp_path: Path) -> None:
    """R-17, I7: 503, nothing is issued that is not recorded, and the file is whole when there is space again."""

    def fill(_: Site) -> None:
        with full(disk):
            time.sleep(FULL_SECONDS)
        time.sleep(1)

    with site(disk, log=tmp_path / "gunicorn.log") as running:
        Campaign("R-17 disk full, SQLite", 17).run(running, fill)
        with closing(sqlite3.connect(disk / "authz.sqlite3")) as rows:
            assert rows.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
