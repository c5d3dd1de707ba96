from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.registries import Registries, registries

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Registries]:
    with registries(tmp_path) as found:
        yield found
