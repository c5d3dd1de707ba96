from __future__ import annotations

import os
import re
import stat
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from flask import Flask
from sqlalchemy import inspect, text

from authz.storage import migrations, revisions
from authz.storage.database import Base, Database
from tests.servers import postgres_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Engine

    from tests.cli.conftest import Cli


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    with postgres_server() as server:
        yield server.url


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/authz.sqlite3"
    server: str = request.getfixturevalue("postgres")
    with engine_of(server) as engine, engine.begin() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
    return server


@contextmanager
def engine_of(url: str) -> Iterator[Engine]:
    """The engine that the server would have for a URL."""
    app, db = Flask("test"), Database()
    db.init_app(app, url)
    with app.app_context():
        yield db.engine
        db.engine.dispose()


def test_an_upgrade_makes_what_the_models_say(url: str) -> None:
    """`alembic check`: no difference between models and migrations, on either database."""
    with engine_of(url) as engine:
        assert revisions.current(engine) is None
        assert migrations.problem(engine) == "Target database is not up to date."
        assert migrations.upgrade(engine) == revisions.newest() == revisions.current(engine)
        assert migrations.problem(engine) is None
        assert set(inspect(engine).get_table_names()) == {*Base.metadata.tables, "alembic_version"}


def test_the_hot_epoch_begins_with_the_schema(url: str) -> None:
    """Decision 2: the one row that revocation raises is there before anybody needs it."""
    with engine_of(url) as engine:
        migrations.upgrade(engine)
        with engine.connect() as connection:
            assert connection.execute(text("SELECT id, epoch FROM hot_epoch")).all() == [(1, 1)]


def test_an_upgrade_is_on_the_trail_and_one_that_had_nothing_to_do_is_not(authz: Cli) -> None:
    """security.md 4.1: migration."""
    authz("db", "upgrade")
    (record,) = [entry for entry in authz("audit", "search") if entry["event"] == "schema.migrated"]
    about = {name: record["detail"][name] for name in ("before", "after")}
    assert (record["role"], about) == ("operator", {"before": None, "after": revisions.newest()})


def test_an_upgrade_of_an_upgraded_database_does_nothing(url: str) -> None:
    with engine_of(url) as engine:
        migrations.upgrade(engine)
        with engine.begin() as connection:
            connection.execute(text("UPDATE hot_epoch SET epoch = 7"))
        migrations.upgrade(engine)
        with engine.connect() as connection:
            assert connection.execute(text("SELECT id, epoch FROM hot_epoch")).all() == [(1, 7)]


def test_two_deployers_at_once_are_safe(url: str) -> None:
    """Decision 28: one waits for the other, and finds the work done."""
    barrier, outcomes = threading.Barrier(4), []

    def deploy() -> None:
        with engine_of(url) as engine:
            barrier.wait()
            outcomes.append(migrations.upgrade(engine))

    threads = [threading.Thread(target=deploy) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes == [revisions.newest()] * 4


def test_a_failed_upgrade_leaves_nothing(url: str) -> None:
    """All or nothing: schema changes are in one transaction on both databases."""
    with engine_of(url) as engine:
        with engine.begin() as connection:
            connection.execute(text("CREATE TABLE user_account (x INTEGER)"))
        with pytest.raises(migrations.MigrationFailed, match="user_account"):
            migrations.upgrade(engine)
        assert inspect(engine).get_table_names() == ["user_account"]
        with engine.begin() as connection:
            connection.execute(text("DROP TABLE user_account"))
        migrations.upgrade(engine)


def test_a_difference_is_seen(url: str) -> None:
    with engine_of(url) as engine:
        migrations.upgrade(engine)
        with engine.begin() as connection:
            connection.execute(text("ALTER TABLE consent DROP COLUMN patient"))
        problem = migrations.problem(engine)
    assert problem is not None
    assert "patient" in problem


def test_the_command_says_where_the_database_stands(empty: Cli) -> None:
    """authz db upgrade | current | check."""
    newest = revisions.newest()
    assert empty("db", "current") == {"revision": None, "newest": newest}
    code, out, _ = empty.run("db", "check", "--json")
    assert (code, out) == (1, '{\n  "ok": false,\n  "problem": "Target database is not up to date."\n}\n')
    assert empty("db", "upgrade") == {"revision": newest, "before": None}
    assert empty("db", "upgrade") == {"revision": newest, "before": newest}
    assert empty("db", "current") == {"revision": newest, "newest": newest}
    assert empty("db", "check") == {"ok": True, "problem": None}


def test_a_version_below_the_floor_touches_nothing(authz: Cli) -> None:
    """security.md R-18: nor does its command line; whoever only looks may."""
    with engine_of(authz.environ["AUTHZ_DATABASE_URL"]) as engine, engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9001'"))
        connection.execute(text("UPDATE schema_floor SET revision = '9001'"))
    told = f"the database is at revision 9001, for a newer version: this one ends at {revisions.newest()}"
    for words in (["keys", "rotate", "--now"], ["purge"], ["client", "list"]):
        code, _, problem = authz.run(*words)
        assert (code, told in problem) == (1, True), words
    assert told in str(authz.run("doctor", "--json"))


def test_a_backup_is_on_the_trail_of_what_it_copies(authz: Cli, tmp_path: Path) -> None:
    """security.md AU-2: the trail is in the copy, and every look at it is on it."""
    file = tmp_path / "copy.sqlite3"
    authz("db", "backup", str(file))
    (found,) = [one for one in authz("audit", "search", "--event", "audit.exported") if one["reason"] == "backup"]
    assert found["detail"] == {"operator": found["detail"]["operator"], "file": str(file)}
    with engine_of(f"sqlite:///{file}") as engine, engine.begin() as connection:
        assert connection.scalar(text("SELECT count(*) FROM audit_event WHERE reason = 'backup'")) == 1


@pytest.mark.parametrize("of", ["an earlier version", "no version"])
def test_a_database_of_another_version_is_copied_all_the_same(empty: Cli, tmp_path: Path, of: str) -> None:
    """An upgrade begins with a backup."""
    if of == "an earlier version":
        empty("db", "upgrade")
        with engine_of(empty.environ["AUTHZ_DATABASE_URL"]) as engine, engine.begin() as connection:
            connection.execute(text("DROP TABLE audit_event"))
            connection.execute(text("CREATE TABLE audit_event (id TEXT)"))
    empty("db", "backup", str(tmp_path / "copy.sqlite3"))
    assert (tmp_path / "copy.sqlite3").exists()


@pytest.mark.parametrize("form", ["jsonl", "fhir"])
def test_the_page_about_backups_finds_what_has_to_be_done_again(authz: Cli, tmp_path: Path, form: str) -> None:
    """Legal holds too: the next purge would remove what one of them kept."""
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "backup.md").read_text()
    (expression,) = re.findall(r"grep --extended-regexp '(.+)' exported", page)
    authz("audit", "hold", "--patient", "A", "--reason", "case 7")
    _, exported, _ = authz.run("audit", "export", "--format", form)
    found = [line for line in exported.splitlines() if re.search(expression, line)]
    assert sum("audit.hold" in line for line in found) == 1
    assert not any("audit.read" in line for line in found)


def test_whoever_restored_a_database_is_reminded_of_legal_holds(authz: Cli) -> None:
    code, _, err = authz.run("db", "restored")
    assert code == 0
    assert "legal holds" in err


def test_a_new_sqlite_database_is_its_owners_alone(empty: Cli, tmp_path: Path) -> None:
    """security.md 4.2: whoever has an account of the machine would read the trail with its patients."""
    before = os.umask(0o022)
    try:
        empty("db", "upgrade")
        with engine_of(empty.environ["AUTHZ_DATABASE_URL"]) as engine, engine.begin() as connection:
            connection.execute(text("CREATE TABLE another (id TEXT)"))
            files = [file for file in tmp_path.rglob("*") if ".sqlite3" in file.name or file.suffix == ".db"]
            assert len(files) > 1  # its journal too
            assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    finally:
        os.umask(before)
