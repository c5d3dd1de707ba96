"""What a migration makes of rows that were there before it."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import text

from authz.storage import migrations
from tests.backend import register
from tests.servers import postgres_server
from tests.world import build, settings_in

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.world import World


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """With a database of each kind."""
    with ExitStack() as stack:
        changes = {}
        if request.param == "postgres":
            changes["database_url"] = stack.enter_context(postgres_server()).new_database()
        made = build(settings_in(tmp_path, **changes))
        with made.app.app_context():
            yield made
            made.services.db.engine.dispose()
        made.services.backend.close()


def test_launches_that_clients_made_are_named_as_theirs(world: World) -> None:
    """Decision 17: of a name that an EHR has as well it can't be told; what an operator made is nobody's."""
    register(world, "ehr-other", ("main",))
    engine = world.services.db.engine
    migration = migrations.scripts().get_revision("0038").module
    made = text(
        "INSERT INTO spent_launch (digest, launch_id, state, ehr, fhir_server, client_id, at)"
        " VALUES (:id, :id, 'used', :ehr, 'main', 'public', CURRENT_TIMESTAMP)"
    )
    with engine.connect() as connection, Operations.context(MigrationContext.configure(connection)):
        migration.downgrade()
        for ehr in ("ehr-main", "ehr-other", "confidential", "gone", None):
            connection.execute(made, {"id": str(ehr), "ehr": ehr})
        migration.upgrade()
        named = connection.execute(text("SELECT launch_id, ehr FROM spent_launch")).all()
        migration.downgrade()
        before = connection.execute(text("SELECT launch_id, ehr FROM spent_launch")).all()
    assert dict(map(tuple, named)) == {
        "ehr-main": "ehr-main",
        "ehr-other": "ehr-other",
        "confidential": "client:confidential",
        "gone": "gone",
        "None": None,
    }
    assert dict(map(tuple, before))["confidential"] == "confidential"
