"""Migrations that are killed; deployers and nodes that start at the same time (security.md R-18, R-26)."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from authz.keyring.secrets import rotate_file
from tests.live import ROOT
from tests.servers import program
from tests.world import settings_in

if TYPE_CHECKING:
    from tests.servers import PostgresServer

pytestmark = [pytest.mark.postgres, pytest.mark.fault, pytest.mark.campaign]

KILLS = 20
AUTHZ = [str(Path(sys.executable).with_name("authz"))]


def start(folder: Path, url: str, *words: str) -> subprocess.Popen[bytes]:
    """The operator's command line, with a database of its own."""
    settings = settings_in(folder, database_url=url)
    variables = {name: value for name, value in os.environ.items() if not name.startswith("AUTHZ_")} | {
        "AUTHZ_ISSUER": settings.issuer,
        "AUTHZ_DATABASE_URL": url,
        "AUTHZ_KEYS_DIR": str(settings.keys_dir),
        "AUTHZ_ORGANIZATION": "Test Hospital",
        "AUTHZ_SHORT_LIVED_PATH": str(settings.short_lived_path),
    }
    return subprocess.Popen([*AUTHZ, *words], cwd=ROOT, env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def finish(process: subprocess.Popen[bytes]) -> str:
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0, output.decode()
    return output.decode()


def schema(url: str) -> str:
    """As PostgreSQL tells it, but for the words that differ at each dump."""
    dump = [program("pg_dump"), "--schema-only", "--no-owner", "-d", url.replace("+psycopg", "")]
    lines = subprocess.run(dump, check=True, capture_output=True, text=True).stdout.splitlines()
    return "\n".join(line for line in lines if not line.startswith(("\\restrict", "\\unrestrict")))


def test_a_migration_that_is_killed_can_be_run_again(tmp_path: Path, postgres: PostgresServer) -> None:
    """R-18: at twenty random moments; the schema is that of an undisturbed run."""
    whole = postgres.new_database()
    begun = time.monotonic()
    finish(start(tmp_path, whole, "db", "upgrade"))
    seconds = time.monotonic() - begun
    dice = random.Random(18)  # noqa: S311  the same at each run
    url = postgres.new_database()
    outcomes = []
    for _ in range(KILLS):
        process = start(tmp_path, url, "db", "upgrade")
        time.sleep(dice.uniform(0.4, 1.0) * seconds)
        process.kill()
        process.communicate()
        outcomes.append(process.returncode)
    assert -9 in outcomes, "no run was killed: nothing was tried"
    finish(start(tmp_path, url, "db", "upgrade"))
    assert schema(url) == schema(whole)


def test_deployers_at_the_same_time_end_with_one_schema(tmp_path: Path, postgres: PostgresServer) -> None:
    """R-18: the second waits, and finds it done."""
    whole, url = postgres.new_database(), postgres.new_database()
    finish(start(tmp_path, whole, "db", "upgrade"))
    for process in [start(tmp_path, url, "db", "upgrade") for _ in range(3)]:
        finish(process)
    assert schema(url) == schema(whole)


def test_nodes_that_make_keys_at_the_same_time_end_with_one_set(tmp_path: Path, postgres: PostgresServer) -> None:
    """R-26: one active key and one next."""
    url = postgres.new_database()
    rotate_file(tmp_path / "keys" / "secrets.json", datetime.now(UTC))
    finish(start(tmp_path, url, "db", "upgrade"))
    nodes = [start(tmp_path, url, "keys", "generate") for _ in range(3)]
    outputs = [process.communicate(timeout=60)[0].decode() for process in nodes]
    listed = finish(start(tmp_path, url, "keys", "list", "--json"))
    assert listed.count('"active"') == 1, (outputs, listed)
    assert listed.count('"next"') == 1, (outputs, listed)
