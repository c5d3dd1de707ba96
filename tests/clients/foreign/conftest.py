from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.hospital import Hospital, running_hospital

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hospital]:
    with running_hospital(tmp_path_factory.mktemp("foreign")) as hospital:
        yield hospital
