"""The page that says what is answered during an outage is true, cell by cell (security.md R-24)."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from authz.storage.recent import A_SECOND
from tests.faults.outages import POSTGRES, REDIS, Matrix, page

if TYPE_CHECKING:
    from tests.faults.site import Site

pytestmark = [pytest.mark.redis, pytest.mark.postgres, pytest.mark.fault]

PAGE = Path(__file__).resolve().parents[2] / "docs/reference/outages.md"


def test_each_cell_of_the_page_is_true(running: Site) -> None:
    """R-24, I5, I8, I9: Redis x PostgreSQL x twelve endpoints; ``OUTAGES=write`` writes the page anew."""
    made = running.app.extensions["authz"]
    with running.app.app_context():
        with made.db.write() as session:
            made.fhir_servers.update(session, "main", {"registration": "open"})
        made.db.engine.dispose()
    time.sleep(A_SECOND)  # for what the server process remembers
    matrix = Matrix(running)
    found = {(redis, postgres): matrix.cell(redis, postgres) for redis in REDIS for postgres in POSTGRES}
    if os.environ.get("OUTAGES") == "write":
        PAGE.write_text(page(found))
    assert PAGE.read_text() == page(found)
