from __future__ import annotations

import secrets as random
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, select

from authz.clients import legacy, origins
from authz.clients.client import Client, from_row, members
from authz.clients.decisions import HospitalDecisions
from authz.clients.metadata import ClientMetadata
from authz.clients.model import ClientRow
from authz.errors import AlreadyExists, InvalidValue, NotFound
from authz.fhir_servers.associated import coding_problems
from authz.fhir_servers.model import FhirServerRow
from authz.fhir_servers.server import CLIENT_ID, CLIENT_ID_RULE
from authz.keyring.secrets import Secrets, StoredSecrets, is_live, new_secret
from authz.scopes import ScopeSet
from authz.storage.database import insert_once
from authz.storage.recent import A_SECOND, Recent

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from sqlalchemy.orm import Session

    from authz.storage.database import Database

KEYS = frozenset({"jwks", "jwks_uri"})
MOST_SECRETS = 10

__all__ = ["Client", "Clients", "HospitalDecisions"]


class Clients:
    """The registered apps, and how they prove who they are by a secret."""

    def __init__(self, db: Database, secrets: Secrets, now: Callable[[], datetime]) -> None:
        self.db = db
        self.stored = StoredSecrets(secrets, "client")
        self.now = now
        self.rows: Recent[ClientRow | None] = Recent(A_SECOND)

    def find(self, client_id: str) -> Client | None:
        """The client, enabled or not; None if nobody has this id."""
        return self.client(self.read(client_id))

    def recent(self, client_id: str) -> Client | None:
        """As it was within the last second: for whoever looks again where something is granted."""
        return self.client(self.recent_row(client_id))

    def recent_row(self, client_id: str) -> ClientRow | None:
        if not CLIENT_ID.fullmatch(client_id):
            return None  # nothing of any length is remembered
        return self.rows.get(client_id, lambda: self.read(client_id))

    def read(self, client_id: str) -> ClientRow | None:
        with self.db.read() as session:
            return session.get(ClientRow, client_id) if CLIENT_ID.fullmatch(client_id) else None

    def client(self, row: ClientRow | None) -> Client | None:
        return None if row is None else from_row(row, self.now())

    def all(self) -> list[Client]:
        with self.db.read() as session:
            rows = session.scalars(select(ClientRow).order_by(ClientRow.client_id))
            return [from_row(row, self.now()) for row in rows]

    def by_secret(self, client_id: str, secret: str) -> Client | None:
        """The ``recent`` client, enabled or not, whose secret this is; the same work for an unknown client."""
        row = self.recent_row(client_id)
        good = self.stored.any_matches(secret, [] if row is None else row.secrets, self.now())
        return self.client(row) if good else None

    def has_origin(self, origin: str) -> bool:
        """Whether pages of this origin belong to any enabled client: all that is known at a preflight."""
        with self.db.read() as session:
            return origins.is_known(session, origin)

    def metadata(self, session: Session, client_id: str) -> dict[str, Any]:
        """The client by the names of RFC 7591 §2 and §3.2.1, and what the hospital decided. Raises NotFound."""
        row = self.row(session, client_id)
        return {
            "client_id": row.client_id,
            "client_id_issued_at": int(row.created_at.timestamp()),
            **members(row),
            "fhir_servers": row.fhir_servers,
            "skip_consent_in_ehr_launch": row.skip_consent_in_ehr_launch,
            "any_loopback_port": row.any_loopback_port,
            **({"app_state_codes": row.app_state_codes} if row.app_state_codes else {}),
            **({"legacy": legacy.members(row)} if row.legacy else {}),
            "required_scope": row.required_scope,
            **({} if row.approved else {"approved": from_row(row, self.now()).is_approved}),
            **({"logo": row.logo} if row.logo else {}),
            "enabled": row.enabled,
        }

    def add(
        self,
        session: Session,
        metadata: ClientMetadata,
        decisions: HospitalDecisions,
        client_id: str = "",
        secret: str | None = None,
    ) -> tuple[Client, str | None]:
        """Register a client in the caller's transaction; the secret of a confidential one is told this once.

        Raises InvalidValue, AlreadyExists, and NotFound for an unknown FHIR server.
        """
        client_id = client_id or f"c_{random.token_hex(8)}"
        if not CLIENT_ID.fullmatch(client_id):
            raise InvalidValue(f"{client_id}: {CLIENT_ID_RULE}")
        if not metadata.has_secret and secret is not None:
            raise InvalidValue("a public client has no secret, nor has one that signs with a key")
        if metadata.has_secret and secret is None:
            secret = new_secret()
        kept = [] if secret is None else [self.stored.keep(secret, self.now())]
        row = ClientRow(client_id=client_id, secrets=kept, legacy={}, logo="", enabled=True)
        row.created_at = row.enabled_at = self.now()
        self.write(session, row, metadata, decisions)
        values = {column.name: getattr(row, column.name) for column in ClientRow.__table__.columns}
        self.rows.forget_after(session)
        if not insert_once(session, ClientRow, **values):
            raise AlreadyExists(f"{client_id}: there is a client of this id")
        self.write_origins(session, row)
        return from_row(row, self.now()), secret

    def update(self, session: Session, client_id: str, changes: dict[str, Any], decisions: dict[str, Any]) -> Client:
        """Change members of the metadata and fields of HospitalDecisions; the whole is checked as at registration.

        A client that becomes confidential has no secret until ``rotate_secret``; new keys replace the old ones, whether
        they are given or published.
        Raises NotFound, InvalidValue, InvalidClientMetadata, InvalidRedirectURI.
        """
        row = self.row(session, client_id)
        decided = {name: getattr(row, name) for name in HospitalDecisions.__slots__} | decisions
        kept = members(row)
        if KEYS & changes.keys():
            kept = {name: value for name, value in kept.items() if name not in KEYS}
        metadata = ClientMetadata.load(kept | changes)
        decided |= {name: tuple(decided[name]) for name in ("fhir_servers", "app_state_codes")}
        self.write(session, row, metadata, HospitalDecisions(**decided))
        if not metadata.has_secret:
            row.secrets = []
        self.write_origins(session, row)
        return from_row(row, self.now())

    def set_enabled(self, session: Session, client_id: str, *, enabled: bool) -> Client:
        row = self.row(session, client_id)
        row.enabled_at = self.now() if enabled and not row.enabled else row.enabled_at
        row.enabled, row.updated_at = enabled, self.now()
        return from_row(row, self.now())

    def remove(self, session: Session, client_id: str) -> None:
        self.row(session, client_id)
        session.execute(delete(ClientRow).where(ClientRow.client_id == client_id))

    def rotate_secret(self, session: Session, client_id: str, overlap: timedelta) -> str:
        """A new secret; the old ones work for ``overlap`` more. Raises NotFound; InvalidValue for a public client."""
        row = self.row(session, client_id)
        if not from_row(row, self.now()).has_secret:
            raise InvalidValue(f"{client_id}: a public client has no secret, nor has one that signs with a key")
        secret = new_secret()
        if overlap and sum(is_live(kept, self.now()) for kept in row.secrets) >= MOST_SECRETS:
            raise InvalidValue(f"{client_id}: {MOST_SECRETS} secrets work side by side already; let some end first")
        row.secrets = self.stored.rotate(secret, row.secrets, self.now(), overlap)
        return secret

    def row(self, session: Session, client_id: str) -> ClientRow:
        """To be changed. Raises NotFound."""
        self.rows.forget_after(session)
        row = session.get(ClientRow, client_id, with_for_update=True)
        if row is None:
            raise NotFound(f"{client_id}: there is no client of this id")
        return row

    def write(self, session: Session, row: ClientRow, metadata: ClientMetadata, decisions: HospitalDecisions) -> None:
        for name in decisions.fhir_servers:
            if session.get(FhirServerRow, name) is None:
                raise NotFound(f"{name}: there is no FHIR server of this name")
        if decisions.any_loopback_port and metadata.application_type != "native":
            raise InvalidValue("any loopback port is for native apps only (RFC 8252 §7.3)")
        if not ScopeSet.parse(metadata.scope).covers(ScopeSet.parse(decisions.required_scope)):
            raise InvalidValue("required_scope must lie within scope: an app can't need what it may not ask for")
        codings = coding_problems(decisions.app_state_codes)
        if codings:
            raise InvalidValue("; ".join(codings))
        for part in (metadata, decisions):
            for name in part.__slots__:
                value = getattr(part, name)
                setattr(row, name, list(value) if isinstance(value, tuple) else value)
        legacy.check(row)
        after = self.now() if row.updated_at is None else row.updated_at + timedelta(microseconds=1)
        row.updated_at = max(self.now(), after)  # never the same twice: what was made of a row is known by it

    def write_origins(self, session: Session, row: ClientRow) -> None:
        self.rows.forget_after(session)
        origins.write(session, row)
