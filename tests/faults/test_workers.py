"""Workers die, at random and at the worst moments (security.md R-13)."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

import pytest

from tests.faults.campaign import Campaign
from tests.faults.site import site

if TYPE_CHECKING:
    from pathlib import Path

    from tests.faults.site import Site
    from tests.servers import PostgresServer

pytestmark = [pytest.mark.postgres, pytest.mark.fault]

FAILPOINTS = (
    "after-claim",
    pytest.param("after-insert", marks=pytest.mark.campaign),
    pytest.param("after-audit", marks=pytest.mark.campaign),
    "before-commit",
    "after-commit",
)
SHARE = 0.15
NEVER_OVER = frozenset({"I9"})  # workers go on dying until the server is stopped
SHORT_SECONDS = 8.0


@pytest.fixture(params=["postgres", pytest.param("sqlite", marks=pytest.mark.campaign)])
def database(request: pytest.FixtureRequest) -> PostgresServer | None:
    """None: a file of SQLite."""
    if request.param == "sqlite":
        return None
    found: PostgresServer = request.getfixturevalue("postgres")
    return found


def kind(database: PostgresServer | None) -> str:
    return "SQLite" if database is None else "PostgreSQL"


def test_workers_are_killed_at_random(tmp_path: Path, database: PostgresServer | None) -> None:
    """R-13: kill -9 of a worker every half second; what was answered holds, and nothing is paid twice."""
    dice = random.Random(13)  # noqa: S311  the same at each run

    def kill(running: Site) -> None:
        time.sleep(0.5)
        if workers := running.workers:
            running.kill_worker(dice.choice(workers))

    with site(tmp_path, database) as running:
        Campaign(f"R-13 kill -9, {kind(database)}", 13, may_cut=True).run(running, kill, SHORT_SECONDS)
        assert running.kills >= 5


@pytest.mark.parametrize("failpoint", FAILPOINTS)
def test_a_worker_dies_in_the_middle_of_a_token_request(
    tmp_path: Path, database: PostgresServer | None, failpoint: str
) -> None:
    """R-13: nothing is half done; a lost refresh is answered again, a lost code is used up or still good."""
    with site(tmp_path, database, FAILPOINT=f"{failpoint}:{SHARE}") as running:
        Campaign(f"R-13 {failpoint}, {kind(database)}", 14, may_cut=True, not_asked=NEVER_OVER).run(
            running, lambda _: time.sleep(0.5), SHORT_SECONDS
        )
        assert "exited with code 137" in running.log.read_text(), "no worker died: the campaign tried nothing"
