from __future__ import annotations

import secrets as random
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, select

from authz.errors import AlreadyExists, NotFound
from authz.fhir_servers.branding import check_logo
from authz.fhir_servers.ehrs import Ehr, Ehrs
from authz.fhir_servers.model import FhirServerLogoRow, FhirServerRow
from authz.fhir_servers.server import CLIENT_ID, NAME, FhirServer, check, from_row
from authz.fhir_servers.url import normal_form
from authz.keyring.secrets import Secrets, StoredSecrets, new_secret
from authz.storage.database import insert_once
from authz.storage.recent import A_SECOND, Recent

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime, timedelta

    from sqlalchemy.orm import Session

    from authz.storage.database import Database

__all__ = ["Ehr", "Ehrs", "FhirServer", "FhirServers", "NewFhirServer"]


@dataclass(frozen=True, slots=True)
class NewFhirServer:
    """What an administrator says of a FHIR server; the lists and rules have the meaning they have in FhirServer."""

    name: str
    base_url: str
    upstream_url: str = ""
    aliases: tuple[str, ...] = ()
    fhir_versions: tuple[str, ...] = ("4.0.1",)
    ehr_origins: tuple[str, ...] = ()
    scope_ceilings: dict[str, str] = field(default_factory=dict)
    reauthenticate: bool = False
    vouched_users: bool = True
    vouched_representatives: bool = False
    representation_links: bool = False
    redis_launches: bool = False
    staff_picker: bool = False
    launch_picker: bool = False
    patient_search: dict[str, Any] = field(default_factory=dict)
    app_state: bool = False
    associated_endpoints: tuple[dict[str, Any], ...] = ()
    branding: dict[str, str] = field(default_factory=dict)
    developer_url: str = ""
    without: tuple[str, ...] = ()
    constraints: tuple[str, ...] = ()  # besides those that enforcement decides about
    is_sandbox: bool = False
    sandbox_patients: tuple[str, ...] = ()
    sensitive_patients: tuple[str, ...] = ()
    sensitive_scopes: tuple[str, ...] = ()
    registration: str = "closed"
    sandbox_notes: str = ""
    introspection_client_id: str = ""  # empty: we make one


class FhirServers:
    """The FHIR servers this server protects, and the credentials by which they introspect tokens."""

    def __init__(self, db: Database, secrets: Secrets, now: Callable[[], datetime]) -> None:
        self.db = db
        self.stored = StoredSecrets(secrets, "introspection")
        self.now = now
        self.recent: Recent[tuple[FhirServer, ...]] = Recent(A_SECOND)

    def get(self, name: str) -> FhirServer | None:
        return next((server for server in self.all() if server.name == name), None)

    def all(self) -> tuple[FhirServer, ...]:
        """By name; the same objects until something has changed, or a second is over."""
        return self.recent.get("all", self.read)

    def read(self) -> tuple[FhirServer, ...]:
        with self.db.read() as session:
            return tuple(from_row(row) for row in session.scalars(select(FhirServerRow).order_by(FhirServerRow.name)))

    def by_aud(self, text: str) -> FhirServer | None:
        """The enabled FHIR server that an app means (SMART AUTHZ-11)."""
        return next((server for server in self.all() if server.enabled and server.accepts_aud(text)), None)

    def authenticate(self, client_id: str, secret: str) -> FhirServer | None:
        """The enabled FHIR server whose introspection credential this is; the same work for an unknown name."""
        row = None
        if CLIENT_ID.fullmatch(client_id):
            with self.db.read() as session:
                row = session.scalar(select(FhirServerRow).where(FhirServerRow.introspection_client_id == client_id))
        good = self.stored.any_matches(secret, row.introspection_secrets if row else [], self.now())
        return from_row(row) if row is not None and good and row.enabled else None

    def add(self, session: Session, new: NewFhirServer, secret: str | None = None) -> tuple[FhirServer, str]:
        """Register a FHIR server in the caller's transaction; its introspection secret is told this once.

        Raises InvalidValue and AlreadyExists.
        """
        secret = new_secret() if secret is None else secret
        values = asdict(new) | {
            "aliases": list(new.aliases),
            "fhir_versions": list(new.fhir_versions),
            "ehr_origins": list(new.ehr_origins),
            "without": list(new.without),
            "associated_endpoints": list(new.associated_endpoints),
            "constraints": list(new.constraints),
            "sandbox_patients": list(new.sandbox_patients),
            "introspection_client_id": new.introspection_client_id or f"r_{random.token_hex(8)}",
            "introspection_secrets": [self.stored.keep(secret, self.now())],
            "enabled": True,
            "created_at": self.now(),
        }
        row = FhirServerRow(**values)
        check(row)
        self.check_unique(session, row)
        self.recent.forget_after(session)
        if not insert_once(session, FhirServerRow, **values):
            raise AlreadyExists(f"{new.name}: there is a FHIR server of this name, address or introspection client id")
        return from_row(row), secret

    def update(self, session: Session, name: str, changes: dict[str, Any]) -> FhirServer:
        """Change members of NewFhirServer but the name. Raises NotFound, InvalidValue, AlreadyExists."""
        row = self.row(session, name)
        if "branding" in changes:  # what is not said stays
            changes = {**changes, "branding": {**row.branding, **changes["branding"]}}
        for member, value in changes.items():
            setattr(row, member, list(value) if isinstance(value, tuple) else value)
        check(row)
        self.check_unique(session, row)
        return from_row(row)

    def set_enabled(self, session: Session, name: str, *, enabled: bool) -> FhirServer:
        row = self.row(session, name)
        row.enabled = enabled
        return from_row(row)

    def remove(self, session: Session, name: str) -> None:
        self.row(session, name)
        session.execute(delete(FhirServerRow).where(FhirServerRow.name == name))

    def rotate_secret(self, session: Session, name: str, overlap: timedelta) -> str:
        """A new introspection secret; the old ones work for ``overlap`` more."""
        row = self.row(session, name)
        secret = new_secret()
        row.introspection_secrets = self.stored.rotate(secret, row.introspection_secrets, self.now(), overlap)
        return secret

    def set_logo(self, session: Session, name: str, png: bytes | None) -> FhirServer:
        """The logo of its pages, or none. Raises NotFound, and InvalidValue for what is no small PNG."""
        row = self.row(session, name)
        session.execute(delete(FhirServerLogoRow).where(FhirServerLogoRow.fhir_server == name))
        if png is not None:
            check_logo(png)
            session.add(FhirServerLogoRow(fhir_server=name, png=png))
        row.branding = {**row.branding, "logo": "" if png is None else sha256(png).hexdigest()[:16]}
        return from_row(row)

    def logo(self, name: str) -> bytes | None:
        with self.db.read() as session:
            row = session.get(FhirServerLogoRow, name) if NAME.fullmatch(name) else None
            return None if row is None else row.png

    def row(self, session: Session, name: str) -> FhirServerRow:
        """To be changed. Raises NotFound."""
        self.recent.forget_after(session)
        row = session.get(FhirServerRow, name, with_for_update=True)
        if row is None:
            raise NotFound(f"{name}: there is no FHIR server of this name")
        return row

    def check_unique(self, session: Session, row: FhirServerRow) -> None:
        """No ``aud`` may mean two servers."""
        mine = {normal_form(url) for url in (row.base_url, *row.aliases)}
        with session.no_autoflush:
            others = session.scalars(select(FhirServerRow).where(FhirServerRow.name != row.name)).all()
        for other in others:
            if mine & from_row(other).normal_forms:
                raise AlreadyExists(f"{row.base_url}: this address or an alias is that of {other.name}")
