from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from authz.storage.sqlite import SQLiteBackend
from tests.registries import Registries, registries

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Registries]:
    with registries(tmp_path) as found:
        yield found


@pytest.fixture
def backend(tmp_path: Path, made: Registries) -> Iterator[SQLiteBackend]:
    """A short-lived store that goes by the same clock."""
    found = SQLiteBackend(tmp_path / "short-lived.sqlite3", now=lambda: made.clock().timestamp())
    yield found
    found.close()
