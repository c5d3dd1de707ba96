"""A server with two FHIR servers, an EHR, apps and people, and actors who know nothing but its addresses."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING

from authz.app import create_app
from authz.clients.metadata import ClientMetadata
from authz.clients.registry import HospitalDecisions
from authz.fhir_servers.registry import NewFhirServer
from authz.keyring.rotation import Rotation
from authz.keyring.secrets import rotate_file
from authz.settings import Settings
from authz.storage import migrations
from authz.users.user import Representation
from tests.actors import Browser, Ehr, FhirServer, SmartApp
from tests.prepared import QUICK, folder, share_statements
from tests.transport import InProcess

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from flask import Flask

    from authz.outbound import Outbound
    from authz.services import Services
    from tests.servers import PostgresServer
    from tests.transport import Transport

ISSUER = "http://127.0.0.1:9000"
FHIR = "https://fhir.example/r4"
OTHER_FHIR = "https://other.example/r4"
EHR_ORIGIN = "https://ehr.example"
APP = "https://app.example"
EVERYTHING = (
    "launch launch/patient launch/encounter openid fhirUser profile online_access offline_access"
    " patient/*.cruds user/*.cruds"
)
PUBLIC = {
    "client_name": "Public App",
    "token_endpoint_auth_method": "none",
    "grant_types": ["authorization_code", "refresh_token"],
    "redirect_uris": [f"{APP}/cb", f"{APP}/cb2?x=1"],
    "launch_uris": [f"{APP}/launch"],
    "scope": EVERYTHING,
}
CONFIDENTIAL = {
    **PUBLIC,
    "client_name": "Confidential App",
    "token_endpoint_auth_method": "client_secret_basic",
    "redirect_uris": ["https://conf.example/cb"],
    "launch_uris": ["https://conf.example/launch"],
}
SECRET = "confidential-test-secret"
VETTED = HospitalDecisions(skip_consent_in_ehr_launch=True)


class Clock:
    """The server's time, as the test says; it starts at the true time, to the second."""

    def __init__(self) -> None:
        self.time = datetime.now(UTC).replace(microsecond=0)

    def __call__(self) -> datetime:
        return self.time

    def forward(self, **by: float) -> None:
        self.time += timedelta(**by)


@dataclass
class World:
    app: Flask
    services: Services
    clock: Clock
    transport: Transport
    ehr: Ehr
    other_ehr: Ehr
    fhir_server: FhirServer
    other_fhir_server: FhirServer
    public: SmartApp
    confidential: SmartApp

    @property
    def issuer(self) -> str:
        return self.services.settings.issuer

    def browser(self) -> Browser:
        return Browser(self.transport)

    def standalone(self, app: SmartApp, scope: str, user: str, **changes: str | None) -> str:
        """The code of a standalone launch: signed in, everything agreed to."""
        browser = self.browser()
        page = browser.open(app.authorize_url(scope=scope, **changes))
        page = browser.sign_in(page, user, f"{user}-password")
        if page.status == 200:
            page = browser.submit(page, press="allow")
        return page.location_parameters["code"]


def settings_in(folder: Path, **changes: str) -> Settings:
    values = {
        "AUTHZ_ISSUER": ISSUER,
        "AUTHZ_DATABASE_URL": f"sqlite:///{folder / 'authz.sqlite3'}",
        "AUTHZ_SHORT_LIVED_PATH": str(folder / "short-lived.sqlite3"),
        "AUTHZ_KEYS_DIR": str(folder / "keys"),
        "AUTHZ_ORGANIZATION": "Test Hospital",
        "AUTHZ_PEOPLE_PER_ADDRESS": "100000",  # everybody in a test is at one
        "AUTHZ_STRANGERS_MEGABYTES": "100000",
    }
    return Settings.load(values | {f"AUTHZ_{name.upper()}": value for name, value in changes.items()})


def populate(app: Flask) -> None:
    """Two FHIR servers, an EHR at each, a public and a confidential app, people of each kind who sign in quickly."""
    made: Services = app.extensions["authz"]
    with app.app_context():
        migrations.upgrade(made.db.engine)
        with made.db.write() as session:
            Rotation(made.keyring, 0).generate(session)
        for name, url in (("main", FHIR), ("other", OTHER_FHIR)):
            server = NewFhirServer(name, url, ehr_origins=(EHR_ORIGIN,), introspection_client_id=f"rs-{name}")
            with made.db.write() as session:
                made.fhir_servers.add(session, server, f"rs-{name}-secret")
            with made.db.write() as session:
                made.ehrs.add(session, [name], f"ehr-{name}", f"ehr-{name}-secret")
        with made.db.write() as session:
            made.clients.add(session, ClientMetadata.load(PUBLIC), VETTED, client_id="public")
            made.clients.add(
                session, ClientMetadata.load(CONFIDENTIAL), VETTED, client_id="confidential", secret=SECRET
            )
        add_people(made)
        made.db.engine.dispose()


def add_people(made: Services) -> None:
    made.passwords.hasher = QUICK
    people = {"doctor": "Practitioner/dr", "alice": "Patient/A", "parent": "RelatedPerson/rel"}
    for name, reference in people.items():
        with made.db.write() as session:
            user = made.users.add(session, name, name.title())
            made.users.link(session, user.sub, "main", reference)
            made.passwords.set_password(session, user.sub, f"{name}-password")
            if name == "parent":
                for child in ("child-1", "child-2"):
                    made.users.represent(session, user.sub, "main", Representation(child, "parent"))


def actors(transport: Transport) -> dict[str, Ehr | FhirServer | SmartApp]:
    return {
        "ehr": Ehr(transport, "ehr-main", "ehr-main-secret", FHIR),
        "other_ehr": Ehr(transport, "ehr-other", "ehr-other-secret", OTHER_FHIR),
        "fhir_server": FhirServer(transport, "rs-main", "rs-main-secret"),
        "other_fhir_server": FhirServer(transport, "rs-other", "rs-other-secret"),
        "public": SmartApp(transport, "public", f"{APP}/cb", FHIR),
        "confidential": SmartApp(transport, "confidential", "https://conf.example/cb", FHIR, SECRET),
    }


@cache
def template() -> Path:
    """A populated installation on disk, made once for each process: a world on SQLite begins as a copy of it."""
    installation = folder("world")
    settings = settings_in(installation)
    clock = Clock()  # to the second, as a world's: nothing in the copy may be later than the world begins
    rotate_file(settings.keys_dir / "secrets.json", clock())
    app = create_app(settings, now=clock)
    populate(app)
    made: Services = app.extensions["authz"]
    made.backend.close()
    settings.short_lived_path.unlink(missing_ok=True)
    return installation


def install(settings: Settings, now: datetime) -> bool:
    """Lay out what a server begins with: a copy of the template, or for another database only the secrets.

    Whether it is populated already.
    """
    own = settings.keys_dir.parent
    is_copy = settings.database_url == f"sqlite:///{own / 'authz.sqlite3'}"
    if is_copy:
        shutil.copytree(template(), own, dirs_exist_ok=True)
    else:
        rotate_file(settings.keys_dir / "secrets.json", now)
    return is_copy


@contextmanager
def on_postgres(folder: Path, server: PostgresServer) -> Iterator[World]:
    """A server of one's own in this process, with a new database."""
    made = build(settings_in(folder, database_url=server.new_database()))
    with made.app.app_context():
        yield made
        made.services.db.engine.dispose()
    made.services.backend.close()


def build(settings: Settings, outbound: Outbound | None = None) -> World:
    """A populated server in this process, with a clock of its own; ``outbound`` stands in for the world outside."""
    clock = Clock()
    is_populated = install(settings, clock())
    app = create_app(settings, now=clock, outbound=outbound)
    made: Services = app.extensions["authz"]
    with app.app_context():
        share_statements(made.db.engine)
    if is_populated:
        made.passwords.hasher = QUICK
    else:
        populate(app)
    transport = InProcess(app, settings.issuer)
    return World(app, made, clock, transport, **actors(transport))  # type: ignore[arg-type]  # each name has its actor
