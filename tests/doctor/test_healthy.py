"""On a healthy installation the doctor has nothing to say: on the demo of ``make run``, and on the production pair."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, LiteralString

import psycopg
import pytest

from authz.app import create_app
from authz.doctor.database import database
from authz.settings import Settings
from tests.hospital import running_hospital
from tests.servers import postgres_server, redis_server

if TYPE_CHECKING:
    from pathlib import Path

    from tests.doctor.conftest import Installation
    from tests.hospital import Hospital


def sql(url: str, statement: LiteralString) -> None:
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(statement)


def findings(hospital: Hospital) -> list[dict[str, str]]:
    told = json.loads(hospital.authz("doctor", "--json"))
    found: list[dict[str, str]] = told["findings"]
    return found


def test_the_doctor_is_silent_on_the_healthy_demo(tmp_path: Path) -> None:
    """Issue 3: no error, no warning, no note; exit code 0, within seconds."""
    with running_hospital(tmp_path) as hospital:
        begun = time.monotonic()
        assert findings(hospital) == []
        assert time.monotonic() - begun < 30
        assert hospital.authz("doctor") == "Nothing to mend.\n"


def test_the_demo_in_this_process_is_healthy_too(installation: Installation) -> None:
    installation.seal()
    assert installation.doctor() == (0, [])


@pytest.mark.redis
@pytest.mark.postgres
def test_the_doctor_is_silent_on_the_production_pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """PostgreSQL and Redis; a clock that goes wrong is seen in the database's, and that workers may want more of it."""
    with postgres_server() as postgres, redis_server("--appendonly", "yes", "--maxmemory", "1gb") as store:
        database_url = postgres.new_database()
        environment = {"AUTHZ_DATABASE_URL": database_url, "AUTHZ_REDIS_URL": store.url}
        monkeypatch.setenv("WEB_CONCURRENCY", "2")  # on a machine of many processors there would be many
        with running_hospital(tmp_path, environment) as hospital:
            assert [one["id"] for one in findings(hospital)] == ["database.owner"]  # it made the tables
            settings = Settings.load({"AUTHZ_CONFIG": str(hospital.folder / ".demo" / "authz.toml")})
            ahead = create_app(replace(settings), now=lambda: datetime.now(UTC) + timedelta(seconds=30))
            with ahead.app_context():
                found = [one.id for one in database(ahead.extensions["authz"])]
                ahead.extensions["authz"].db.engine.dispose()
            assert found == ["database.clock", "database.owner"]
            sql(database_url, "CREATE ROLE serving LOGIN")
            hospital.authz("db", "grant-service", "serving")
            serving = create_app(replace(settings, database_url=database_url.replace("postgres@", "serving@")))
            with serving.app_context():
                assert list(database(serving.extensions["authz"])) == []
                monkeypatch.setenv("WEB_CONCURRENCY", "5")
                assert [one.problem for one in database(serving.extensions["authz"])] == [
                    "it gives 97 connections, and 5 workers of 8 threads may take 120"
                ]
                monkeypatch.setenv("WEB_CONCURRENCY", "1")
                sql(database_url, "ALTER ROLE serving CONNECTION LIMIT 23")
                assert [one.id for one in database(serving.extensions["authz"])] == ["database.connections"]
                serving.extensions["authz"].db.engine.dispose()
