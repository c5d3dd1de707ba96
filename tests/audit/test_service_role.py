"""Whoever serves can't change the trail, and everything that is served works all the same (security.md AU-3)."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import psycopg
import pytest
from alembic import command
from psycopg.errors import InsufficientPrivilege
from sqlalchemy import text

from authz.app import check, create_app
from authz.audit.retention import Held, Retention
from authz.doctor.database import database
from authz.errors import InvalidValue, NotFound
from authz.keyring.secrets import rotate_file
from authz.storage import migrations
from authz.storage.service_role import APPEND_ONLY, grant
from tests.registries import database_at, registries
from tests.servers import postgres_server
from tests.transport import InProcess
from tests.world import ISSUER, Clock, World, actors, populate, settings_in

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.servers import PostgresServer

pytestmark = pytest.mark.postgres

SERVICE = 'authz "service"'
SCOPE = "launch openid fhirUser offline_access patient/*.rs"


@dataclass
class Installation:
    """A server that serves as one role of a database that belongs to another."""

    world: World
    owner: str
    service: str

    def sql(self, url: str, *statements: str) -> None:
        with psycopg.connect(url.replace("+psycopg", "")) as connection:
            for statement in statements:
                connection.execute(statement.encode())


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with postgres_server() as running:
        yield running


@pytest.fixture(scope="module")
def installation(server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    owner, folder = server.new_database(), tmp_path_factory.mktemp("installation")
    with psycopg.connect(owner.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute('CREATE ROLE "authz ""service""" LOGIN')
    settings = settings_in(folder, database_url=owner)
    rotate_file(settings.keys_dir / "secrets.json", datetime.now(UTC))
    populate(create_app(settings))
    with database_at(owner) as db:
        grant(db.engine, SERVICE)
    service = owner.replace("postgres@", "authz%20%22service%22@")
    clock = Clock()
    clock.forward(seconds=1)  # nobody is newer than the clock, which counts whole seconds
    app = create_app(replace(settings, database_url=service), now=clock)
    transport = InProcess(app, ISSUER)
    with app.app_context():
        world = World(app, app.extensions["authz"], clock, transport, **actors(transport))  # type: ignore[arg-type]  # each name has its actor
        yield Installation(world, owner, service)
        world.services.db.engine.dispose()
    world.services.backend.close()


def test_everything_is_served_under_the_role(installation: Installation) -> None:
    """Start, launch, code, token, refresh, introspection, sign-in, consent, revocation, sealing, verification."""
    world = installation.world
    check(world.app)
    handle = world.ehr.launch("public", "Practitioner/dr", patient="A")["launch"]
    tokens = world.public.tokens(handle, SCOPE)
    assert world.fhir_server.introspect(tokens["access_token"])["active"]
    again = world.public.refresh(tokens["refresh_token"]).json()
    assert world.fhir_server.introspect(again["access_token"])["active"]
    assert world.public.revoke(again["refresh_token"]).status == 200
    assert world.fhir_server.introspect(again["access_token"]) == {"active": False}
    assert world.standalone(world.confidential, "launch/patient patient/*.rs", "alice")
    assert world.ehr.end_session("unknown").status in {200, 204, 404}
    assert world.app.test_client().get("/readyz").status_code == 200
    while world.services.sealer.seal_once():
        pass
    world.services.sealer.look_back()
    assert list(database(world.services)) == []
    with world.services.db.read() as session:
        assert session.scalar(text("SELECT count(*) FROM audit_seal WHERE seq > 10"))


@pytest.mark.parametrize("table", APPEND_ONLY)
@pytest.mark.parametrize(
    "attempt",
    [
        "UPDATE {} SET hash = 'x'",
        "DELETE FROM {}",
        "TRUNCATE {}",
        "ALTER TABLE {} DISABLE TRIGGER ALL",
        "DROP TABLE {}",
        "DROP TRIGGER {}_kept ON {}",
    ],
)
def test_the_role_can_not_change_the_trail(installation: Installation, table: str, attempt: str) -> None:
    """AU-3: neither a row nor what protects it."""
    statement = attempt.replace("hash", "reason" if table == "audit_event" else "hash").replace("{}", table)
    with pytest.raises(InsufficientPrivilege):
        installation.sql(installation.service, statement)


def test_the_role_hands_no_right_on(installation: Installation) -> None:
    """PostgreSQL answers with a warning only; what counts is that nobody got anything."""
    installation.sql(installation.service, "GRANT ALL ON audit_event TO PUBLIC")
    with psycopg.connect(installation.owner.replace("+psycopg", "")) as connection:
        asked = connection.execute("SELECT count(*) FROM information_schema.table_privileges WHERE grantee = 'PUBLIC'")
        assert asked.fetchone() is not None
        rows = connection.execute(
            "SELECT grantee FROM information_schema.table_privileges WHERE table_name = 'audit_event'"
        ).fetchall()
    assert {grantee for (grantee,) in rows} == {"postgres", SERVICE}


@pytest.mark.parametrize("statement", ["DELETE FROM audit_hold", "UPDATE audit_hold SET lifted_at = now()"])
def test_the_role_lifts_no_hold(installation: Installation, statement: str) -> None:
    """AU-10: else whoever broke in could have the next purge remove the traces."""
    with pytest.raises(InsufficientPrivilege):
        installation.sql(installation.service, statement)


def test_the_role_purges_nothing_and_is_told_why(installation: Installation) -> None:
    """AU-10: purging is the owner's."""
    world = installation.world
    retention = Retention(world.services.trail, world.services.keyring)
    with pytest.raises(InvalidValue, match="run it as the owner of the tables"):
        retention.purge(world.clock(), "somebody")


def test_the_owner_purges_and_the_chain_stays_whole(installation: Installation) -> None:
    world = installation.world
    world.public.launched("unknown", SCOPE)
    while world.services.sealer.seal_once():
        pass
    world.clock.forward(seconds=1)
    with owners(installation) as retention:
        with retention.trail.db.write() as session:
            held = retention.hold(session, Held(patient="A"), "case 7")
        assert retention.purge(world.clock(), "somebody").removed > 0
        with retention.trail.db.write() as session:
            retention.lift(session, held.id)


@contextmanager
def owners(installation: Installation) -> Iterator[Retention]:
    """The same installation in the hands of the owner of the tables."""
    settings = replace(installation.world.services.settings, database_url=installation.owner)
    app = create_app(settings, now=installation.world.clock)
    with app.app_context():
        own = app.extensions["authz"]
        try:
            yield Retention(own.trail, own.keyring)
        finally:
            own.db.engine.dispose()
    own.backend.close()


def test_tables_of_later_versions_are_covered(installation: Installation) -> None:
    installation.sql(installation.owner, "CREATE TABLE later (id int)")
    installation.sql(installation.service, "INSERT INTO later VALUES (1)", "DELETE FROM later")
    installation.sql(installation.owner, "DROP TABLE later")


class TestGrant:
    def test_a_role_that_is_not_there_is_named(self, installation: Installation) -> None:
        with database_at(installation.owner) as db, pytest.raises(NotFound, match="nobody: there is no such role"):
            grant(db.engine, "nobody")

    def test_the_owner_can_not_be_kept_from_anything(self, installation: Installation) -> None:
        with database_at(installation.owner) as db, pytest.raises(InvalidValue, match="owns the tables"):
            grant(db.engine, "postgres")

    def test_it_can_be_given_again(self, installation: Installation) -> None:
        with database_at(installation.owner) as db:
            grant(db.engine, SERVICE)


def test_the_migration_takes_away_what_was_given_before(server: PostgresServer) -> None:
    """An installation that made a role of its own: since this version it may not change the trail."""
    url = server.new_database()
    plain = url.replace("+psycopg", "")
    with database_at(url) as db:
        with migrations.one_at_a_time(db.engine) as connection:
            command.upgrade(migrations.config(connection), "0034")
        with psycopg.connect(plain, autocommit=True) as connection_:
            connection_.execute("CREATE ROLE older LOGIN")
            connection_.execute("GRANT ALL ON ALL TABLES IN SCHEMA public TO older")
            connection_.execute("GRANT UPDATE ON audit_event TO PUBLIC")
        migrations.upgrade(db.engine)
    with psycopg.connect(plain) as connection_:
        rows = connection_.execute(
            "SELECT table_name, grantee, privilege_type FROM information_schema.table_privileges"
            " WHERE grantee <> 'postgres' AND (table_name LIKE 'audit%' OR table_name = 'consent')"
        ).fetchall()
    found: dict[str, set[str]] = {}
    for table, grantee, right in rows:
        found.setdefault(f"{table} {grantee}", set()).add(right)
    appends = {f"{table} older": {"SELECT", "INSERT", "REFERENCES"} for table in APPEND_ONLY}
    everything = {"SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER"}
    assert found == appends | {
        "audit_hold older": {"SELECT", "REFERENCES"},
        "audit_export older": everything,
        "consent older": everything,
    }


def test_sqlite_has_no_roles(tmp_path: Path) -> None:
    with registries(tmp_path) as made, pytest.raises(InvalidValue, match="only PostgreSQL has roles"):
        grant(made.db.engine, "anybody")
