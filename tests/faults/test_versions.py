"""One version takes the place of another while apps go on (security.md R-18, R-19; docs/how-to/upgrade.md)."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from authz.storage import revisions
from tests.attacks.live.wire import children
from tests.faults.campaign import Campaign
from tests.faults.ledger import CUT
from tests.faults.site import COMMAND, site
from tests.live import ROOT, START_SECONDS, environment
from tests.servers import wait_until

if TYPE_CHECKING:
    from tests.faults.ledger import History
    from tests.faults.site import Site
    from tests.servers import PostgresServer

pytestmark = [pytest.mark.postgres, pytest.mark.fault, pytest.mark.campaign]

GRACEFUL_SECONDS = 35.0  # gunicorn's own are 30
WORKERS = 2
NEWER = '''"""What a later version adds."""

import sqlalchemy as sa
from alembic import op

revision = "9001"
down_revision = "{newest}"
branch_labels = depends_on = None
{contracts}

def upgrade() -> None:
    op.add_column("access_token", sa.Column("note", sa.Text, nullable=True))
    op.add_column("grant_record", sa.Column("note", sa.Text, nullable=False, server_default=""))
    op.create_index("ix_access_token_note", "access_token", ["note"])
    op.create_table("later", sa.Column("id", sa.Integer, primary_key=True))
'''


@dataclass
class Adopted:
    """A server that another one began, and left behind: it is nobody's child here."""

    pid: int

    def send_signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def poll(self) -> int | None:
        return None if Path(f"/proc/{self.pid}").exists() else 0

    def wait(self, seconds: float) -> int:
        wait_until(lambda: self.poll() is not None, "the server to end", seconds)
        return 0


def no_failure(history: History) -> None:
    """Nothing but a connection that was refused or cut before it was served, which the app tried again."""
    statuses = Counter(each.status for each in history.ledger.operations)
    assert not [status for status in statuses if status != CUT and status >= 500], statuses


def newer_version(folder: Path, contracts: str = "") -> Path:
    """This program with one migration more."""
    made = folder / "newer"
    left_out = shutil.ignore_patterns("node_modules", "__pycache__", ".*")
    for name in ("authz", "migrations", "config", "tests"):
        shutil.copytree(ROOT / name, made / name, ignore=left_out)
    shutil.copy(ROOT / "wsgi.py", made)
    text = NEWER.format(newest=revisions.newest(), contracts=contracts)
    (made / "migrations/versions/9001_later.py").write_text(text)
    return made


def run(place: Path, running: Site, *words: str) -> subprocess.CompletedProcess[str]:
    """The command line of the version that lies there."""
    command = [sys.executable, "-c", "from authz.cli import main; main()", *words]
    variables = environment(running.settings, 0) | {"AUTHZ_ORGANIZATION": "Test Hospital"}
    return subprocess.run(command, cwd=place, env=variables, capture_output=True, text=True, timeout=60, check=False)


def served(place: Path, running: Site) -> subprocess.Popen[bytes]:
    """The version that lies there, on the same address; returns when its workers serve."""
    port = int(running.issuer.rpartition(":")[2])
    variables = environment(running.settings, port) | {
        "GUNICORN_CMD_ARGS": "--reuse-port",
        "PYTHONPATH": str(place),
    }
    with running.log.open("ab") as output:
        process = subprocess.Popen(COMMAND, cwd=place, env=variables, stdout=output, stderr=output)
    wait_until(lambda: len(children(process.pid)) == WORKERS, "its workers", START_SECONDS)
    time.sleep(1)
    assert process.poll() is None
    return process


def is_there(old: int) -> bool:
    return any(len(children(pid)) == WORKERS for pid in children(old))


def stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.wait(GRACEFUL_SECONDS)


def test_the_program_is_replaced_in_place_without_a_failed_request(tmp_path: Path, postgres: PostgresServer) -> None:
    """R-19: USR2, and SIGTERM to the old one when the new one serves; they share the socket, so nothing is refused."""

    def replace(running: Site) -> None:
        old = running.process
        old.send_signal(signal.SIGUSR2)
        wait_until(lambda: is_there(old.pid), "the new one", START_SECONDS)
        (new,) = [pid for pid in children(old.pid) if children(pid)]
        time.sleep(1)
        stop(old)
        running.process = cast("subprocess.Popen[bytes]", Adopted(new))
        time.sleep(2)  # it finds within a second that it is alone, and may be replaced itself

    with site(tmp_path, postgres) as running:
        history = Campaign("R-19 USR2", 21).run(running, replace)
    assert {each.outcome.value for each in history.ledger.operations} <= {"ok", "refused"}


def test_two_versions_serve_side_by_side(tmp_path: Path, postgres: PostgresServer) -> None:
    """R-18, R-19: migrate, add the newer one, restart the older one, take it away, and go back to it."""
    later = newer_version(tmp_path)
    done: list[str] = []

    def roll(running: Site) -> None:
        if done:
            time.sleep(1)
            return
        upgraded = run(later, running, "db", "upgrade")
        assert upgraded.returncode == 0, upgraded.stderr
        newer = served(later, running)
        older = served(ROOT, running)  # a restart of it finds the newer schema
        stop(running.process)
        stop(older)
        time.sleep(2)  # the newer one serves alone
        running.process = served(ROOT, running)  # and the way back
        stop(newer)
        done.append("and back")

    with site(tmp_path, postgres, GUNICORN_CMD_ARGS="--reuse-port") as running:
        history = Campaign("R-18 old and new side by side", 22, may_cut=True).run(running, roll)
        assert done == ["and back"]
    no_failure(history)


def test_a_version_that_misses_what_was_taken_away_does_not_serve(tmp_path: Path, postgres: PostgresServer) -> None:
    """R-18: the newer one has to be there first, and is the only one from then on."""
    with site(tmp_path, postgres) as running:
        later = newer_version(tmp_path, 'contracts = "an older version would write what is no longer there"')
        assert run(later, running, "db", "upgrade").returncode == 0
        told = f"the database is at revision 9001, for a newer version: this one ends at {revisions.newest()}"
        refused = run(ROOT, running, "doctor", "--json")
        assert told in refused.stdout
        variables = environment(running.settings, 0)
        process = subprocess.run(
            COMMAND, cwd=ROOT, env=variables, capture_output=True, text=True, timeout=60, check=False
        )
        assert process.returncode != 0
        assert told in process.stderr
        assert run(later, running, "db", "current", "--json").stdout.count("9001") == 2
