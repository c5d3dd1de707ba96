"""A server's parts around the launch: one hospital with a second FHIR server, two EHRs, two apps and a few people."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from flask import Flask
from sqlalchemy import select

from authz.audit.event import Peer
from authz.audit.model import AuditEventRow
from authz.audit.order import ORDER
from authz.clients.metadata import ClientMetadata
from authz.clients.registry import HospitalDecisions
from authz.fhir_servers.registry import NewFhirServer
from authz.keyring.secrets import rotate_file
from authz.services import wire
from authz.settings import Settings
from authz.storage.database import Base, Database
from tests.servers import RedisServer, redis_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from authz.fhir_servers.registry import Ehr
    from authz.launch.launch import Launch
    from authz.services import Services

FHIR = "https://fhir.hospital.example/r4"
LAB = "https://fhir.lab.example/r4"
APP = "growth-chart"
LAUNCH_URL = "https://growth.example/launch.html"
EHR_ORIGIN = "https://ehr.hospital.example"
PEER = Peer("192.0.2.7", "ehr/1.0", "request-1")


@dataclass
class Clock:
    time: datetime = field(default_factory=lambda: datetime.now(UTC).replace(microsecond=0))

    def __call__(self) -> datetime:
        return self.time

    def forward(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


@dataclass
class World:
    services: Services
    clock: Clock
    ehr: Ehr
    lab_ehr: Ehr
    sub: str  # of prac, a login name and Practitioner/prac-1

    def request(self, **changes: Any) -> dict[str, Any]:
        """A good body of POST /launch; ``name=None`` leaves one out."""
        asked = {"client_id": APP, "fhir_server": FHIR, "user": "prac", "patient": "child-1", **changes}
        return {name: value for name, value in asked.items() if value is not None}

    def create(self, **changes: Any) -> tuple[str, Launch]:
        return self.services.launches.create(self.ehr, self.request(**changes), PEER)

    def events(self, *members: str) -> list[tuple[Any, ...]]:
        """The audit trail, oldest first, as the members asked for."""
        with self.services.db.read() as session:
            rows = session.scalars(select(AuditEventRow).order_by(*ORDER)).all()
        return [tuple(getattr(row, member) for member in members) for row in rows]


def client(name: str, **more: Any) -> ClientMetadata:
    members = {
        "client_name": name,
        "token_endpoint_auth_method": "none",
        "redirect_uris": ["https://growth.example/back"],
        "launch_uris": [LAUNCH_URL],
        "scope": "launch patient/*.rs __launch",
        **more,
    }
    return ClientMetadata.load(members)


def populate(services: Services) -> tuple[str, list[Ehr]]:
    servers = (
        NewFhirServer("hospital", FHIR, aliases=(f"{FHIR}/alias",), ehr_origins=(EHR_ORIGIN,), redis_launches=True),
        NewFhirServer("lab", LAB, vouched_users=False),
    )
    two = [LAUNCH_URL, "https://growth.example/other?tab=1"]
    with services.db.write() as session:
        for server in servers:
            services.fhir_servers.add(session, server)
        services.clients.add(session, client("Growth chart"), HospitalDecisions(), APP)
        services.clients.add(session, client("Two doors", launch_uris=two), HospitalDecisions(), "two-doors")
        services.clients.add(session, client("No door", launch_uris=[]), HospitalDecisions(), "no-door")
        services.clients.add(session, client("Lab only"), HospitalDecisions(("lab",)), "lab-only")
        services.clients.add(session, client("Off"), HospitalDecisions(), "off")
        services.clients.set_enabled(session, "off", enabled=False)
        sub = services.users.add(session, "prac", "Dr Prac").sub
        services.users.link(session, sub, "hospital", "Practitioner/prac-1")
        services.users.link(session, sub, "lab", "Practitioner/prac-lab")
        gone = services.users.add(session, "gone", "Dr Gone").sub
        services.users.link(session, gone, "hospital", "Practitioner/gone-1")
        services.users.set_enabled(session, gone, enabled=False)
        ehrs = [
            services.ehrs.add(session, [server], name, "a secret of the EHR")[0]
            for server, name in (("hospital", "hospital-ehr"), ("lab", "lab-ehr"))
        ]
    return sub, ehrs


def build(folder: Path, redis_url: str = "") -> Iterator[World]:
    keys = folder / "keys"
    keys.mkdir(mode=0o700)
    clock = Clock()
    rotate_file(keys / "secrets.json", clock())
    settings = Settings(
        issuer="https://auth.example", keys_dir=keys, redis_url=redis_url, short_lived_path=folder / "short.sqlite3"
    )
    app = Flask("world")
    db = Database()
    db.init_app(app, f"sqlite:///{folder / 'authz.sqlite3'}")
    services = wire(settings, db, clock)
    app.extensions["authz"] = services
    with app.app_context():
        Base.metadata.create_all(db.engine)
        sub, (ehr, lab_ehr) = populate(services)
        yield World(services, clock, ehr, lab_ehr, sub)
        db.engine.dispose()
    services.backend.close()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    yield from build(tmp_path)


@pytest.fixture(scope="session")
def launch_redis() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


@pytest.fixture
def redis_world(tmp_path: Path, launch_redis: RedisServer) -> Iterator[World]:
    launch_redis.command("FLUSHALL")
    yield from build(tmp_path, launch_redis.url)
