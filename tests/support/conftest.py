from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cli.conftest import Cli

if TYPE_CHECKING:
    from tests.world import World


@pytest.fixture
def authz(world: World) -> Cli:
    """The operator of this world's server."""
    settings = world.services.settings
    return Cli(
        {
            "AUTHZ_ISSUER": settings.issuer,
            "AUTHZ_DATABASE_URL": settings.database_url,
            "AUTHZ_SHORT_LIVED_PATH": str(settings.short_lived_path),
            "AUTHZ_KEYS_DIR": str(settings.keys_dir),
        }
    )
