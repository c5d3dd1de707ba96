"""The registries on a fresh database, with a clock that stands still until it is moved."""

from __future__ import annotations

import atexit
import shutil
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from flask import Flask
from psycopg import sql
from sqlalchemy import select

from authz.audit.model import AuditEventRow
from authz.audit.trail import Trail
from authz.clients.metadata import ClientMetadata
from authz.clients.registry import Clients, HospitalDecisions
from authz.fhir_servers.registry import Ehrs, FhirServers, NewFhirServer
from authz.keyring.secrets import Secrets
from authz.login.password import Passwords
from authz.storage import migrations, revisions
from authz.storage.database import Base, Database
from authz.users.registry import Users
from tests.prepared import share_statements
from tests.servers import postgres_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authz.clients.registry import Client
    from authz.fhir_servers.registry import FhirServer

CALLBACK = "https://app.example/cb"


@dataclass
class Clock:
    time: datetime = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.time

    def move(self, **by: float) -> None:
        self.time += timedelta(**by)


@dataclass
class Registries:
    db: Database
    clock: Clock = field(default_factory=Clock)
    secrets: Secrets = field(default_factory=lambda: Secrets((b"k" * 32,)))

    def __post_init__(self) -> None:
        self.trail = Trail(self.db, self.clock, "node", "0")
        self.fhir_servers = FhirServers(self.db, self.secrets, self.clock)
        self.ehrs = Ehrs(self.db, self.secrets, self.clock)
        self.clients = Clients(self.db, self.secrets, self.clock)
        self.users = Users(self.db, self.clock, self.trail)
        self.passwords = Passwords(self.users, self.db, self.clock)

    def add_fhir_server(self, name: str = "main", **given: Any) -> tuple[FhirServer, str]:
        new = NewFhirServer(name, given.pop("base_url", f"https://{name}.example/fhir"), **given)
        with self.db.write() as session:
            return self.fhir_servers.add(session, new)

    def add_client(self, client_id: str = "", **given: Any) -> tuple[Client, str | None]:
        """A confidential web app, with members of its metadata and of HospitalDecisions as given."""
        decided = {name: given.pop(name) for name in HospitalDecisions.__slots__ if name in given}
        metadata = ClientMetadata.load({"client_name": "An app", "redirect_uris": [CALLBACK], **given})
        with self.db.write() as session:
            return self.clients.add(session, metadata, HospitalDecisions(**decided), client_id)

    def events(self) -> list[tuple[str, str | None]]:
        with self.db.read() as session:
            rows = session.scalars(select(AuditEventRow).order_by(AuditEventRow.at, AuditEventRow.event))
            return [(row.event, row.reason) for row in rows]


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    with postgres_server() as server:
        with database_at(server.url) as db:
            migrations.upgrade(db.engine)
        yield server.url


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def made(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Registries]:
    """On each kind of database: on PostgreSQL a text that can't be stored, a lock or a conflict shows differently."""
    sqlite = request.param == "sqlite"
    found = registries(tmp_path) if sqlite else registries_at(emptied(request.getfixturevalue("postgres_url")))
    with found as registries_of_the_test:
        yield registries_of_the_test


@contextmanager
def registries(folder: Path) -> Iterator[Registries]:
    file = folder / "test.sqlite3"
    shutil.copy(migrated(), file)
    with registries_at(f"sqlite:///{file}") as made:
        yield made


@contextmanager
def registries_at(url: str) -> Iterator[Registries]:
    """On a database as it was left."""
    with database_at(url) as db:
        yield Registries(db)


@contextmanager
def database_at(url: str) -> Iterator[Database]:
    app, db = Flask("test"), Database()
    db.init_app(app, url)
    with app.app_context():
        share_statements(db.engine)
        yield db
        db.engine.dispose()


@cache
def migrated() -> Path:
    """A file that has every table and no row, made once for each process."""
    folder = Path(mkdtemp(prefix="authz-migrated-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    with database_at(f"sqlite:///{folder / 'test.sqlite3'}") as db:
        migrations.upgrade(db.engine)
        with db.engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    return folder / "test.sqlite3"


def emptied(url: str) -> str:
    """A database with every table and no row, but for those that migrations put in."""
    tables = [table.name for table in Base.metadata.sorted_tables if table.name not in {"hot_epoch", "schema_floor"}]
    with psycopg.connect(url.replace("+psycopg", "")) as connection:
        connection.execute("SET session_replication_role = replica")  # no foreign key and no trigger minds
        for name in tables:
            connection.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(name)))
        connection.execute("UPDATE hot_epoch SET epoch = 1")
        connection.execute("UPDATE schema_floor SET revision = '0037'")
        connection.execute("UPDATE alembic_version SET version_num = %s", [revisions.newest()])
    return url
