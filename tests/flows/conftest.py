from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.world import World, build, settings_in

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One server for all tests of a file that do not move its clock or change what is registered."""
    made = build(settings_in(tmp_path_factory.mktemp("flows")))
    with made.app.app_context():
        yield made
        made.services.db.engine.dispose()
    made.services.backend.close()
