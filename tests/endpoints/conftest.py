from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.world import World, build, settings_in

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A server for a whole module of tests that change nothing in it."""
    made = build(settings_in(tmp_path_factory.mktemp("shared")))
    with made.app.app_context():
        yield made
        made.services.db.engine.dispose()
    made.services.backend.close()
