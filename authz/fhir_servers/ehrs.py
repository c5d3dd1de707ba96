from __future__ import annotations

import secrets as random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, select, update

from authz.errors import AlreadyExists, InvalidValue, NotFound
from authz.fhir_servers.model import EhrFhirServerRow, EhrRow, FhirServerRow
from authz.fhir_servers.server import CLIENT_ID, CLIENT_ID_RULE
from authz.keyring.public_keys import ALGORITHMS, find_key, jwks_problems
from authz.keyring.secrets import Secrets, StoredSecrets, new_secret
from authz.storage.database import insert_once

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime, timedelta

    from sqlalchemy.orm import Session

    from authz.storage.database import Database


@dataclass(frozen=True, slots=True)
class Ehr:
    """An EHR's back end: creates launches, ends sessions and checks handles at its FHIR servers."""

    client_id: str
    fhir_servers: frozenset[str]
    enabled: bool
    jwks: dict[str, Any] | None = field(default=None, hash=False, repr=False)  # its keys, if it may sign launches


class Ehrs:
    def __init__(self, db: Database, secrets: Secrets, now: Callable[[], datetime]) -> None:
        self.db = db
        self.stored = StoredSecrets(secrets, "ehr")
        self.now = now

    def get(self, client_id: str) -> Ehr | None:
        with self.db.read() as session:
            row = session.get(EhrRow, client_id)
            return None if row is None else as_ehr(session, row)

    def at(self, session: Session, client_id: str, fhir_server: str, moment: datetime) -> EhrRow | None:
        """The enabled EHR of this name, if it is for this FHIR server, without a break since the moment."""
        found = select(EhrRow).join(EhrFhirServerRow, EhrFhirServerRow.ehr == EhrRow.client_id)
        found = found.where(EhrRow.client_id == client_id, EhrRow.enabled, EhrFhirServerRow.fhir_server == fhir_server)
        found = found.where(EhrFhirServerRow.since.is_(None) | (EhrFhirServerRow.since <= moment))
        return session.scalar(found)

    def all(self) -> list[Ehr]:
        with self.db.read() as session:
            return [as_ehr(session, row) for row in session.scalars(select(EhrRow).order_by(EhrRow.client_id))]

    def authenticate(self, client_id: str, secret: str) -> Ehr | None:
        """The enabled EHR whose credential this is; the same work for an unknown name."""
        with self.db.read() as session:
            row = session.get(EhrRow, client_id) if CLIENT_ID.fullmatch(client_id) else None
            good = self.stored.any_matches(secret, row.secrets if row else [], self.now())
            return as_ehr(session, row) if row is not None and good and row.enabled else None

    def add(
        self, session: Session, fhir_servers: Iterable[str], client_id: str = "", secret: str | None = None
    ) -> tuple[Ehr, str]:
        """Register a credential in the caller's transaction; its secret is told this once.

        Raises InvalidValue, AlreadyExists, and NotFound for an unknown FHIR server.
        """
        client_id = client_id or f"e_{random.token_hex(8)}"
        if not CLIENT_ID.fullmatch(client_id):
            raise InvalidValue(f"{client_id}: {CLIENT_ID_RULE}")
        secret = new_secret() if secret is None else secret
        kept = [self.stored.keep(secret, self.now())]
        if not insert_once(session, EhrRow, client_id=client_id, secrets=kept, enabled=True, created_at=self.now()):
            raise AlreadyExists(f"{client_id}: there is an EHR of this client id")
        return self.bind(session, client_id, fhir_servers), secret

    def bind(self, session: Session, client_id: str, fhir_servers: Iterable[str]) -> Ehr:
        """Replace the FHIR servers the credential is good for. Raises NotFound for the EHR or a FHIR server."""
        row = self.row(session, client_id)
        names = sorted(set(fhir_servers))
        gone = EhrFhirServerRow.fhir_server.not_in(names)
        session.execute(delete(EhrFhirServerRow).where(EhrFhirServerRow.ehr == client_id, gone))
        for name in names:
            if session.get(FhirServerRow, name) is None:
                raise NotFound(f"{name}: there is no FHIR server of this name")
            # what stays is not made anew
            insert_once(session, EhrFhirServerRow, ehr=client_id, fhir_server=name, since=self.now())
        return as_ehr(session, row)

    def set_enabled(self, session: Session, client_id: str, *, enabled: bool) -> Ehr:
        row = self.row(session, client_id)
        if enabled and not row.enabled:
            anew = update(EhrFhirServerRow).where(EhrFhirServerRow.ehr == client_id)
            session.execute(anew.values(since=self.now()))
        row.enabled = enabled
        return as_ehr(session, row)

    def set_keys(self, session: Session, client_id: str, jwks: dict[str, Any] | None) -> Ehr:
        """The public keys by which it signs launches; None: it may not. Raises InvalidValue for all that is wrong."""
        row = self.row(session, client_id)
        if jwks is not None and (problems := jwks_problems(jwks) or unusable(jwks)):
            raise InvalidValue("; ".join(problems))
        row.jwks = jwks
        return as_ehr(session, row)

    def remove(self, session: Session, client_id: str) -> None:
        self.row(session, client_id)
        session.execute(delete(EhrRow).where(EhrRow.client_id == client_id))

    def rotate_secret(self, session: Session, client_id: str, overlap: timedelta) -> str:
        """A new secret; the old ones work for ``overlap`` more."""
        row = self.row(session, client_id)
        secret = new_secret()
        row.secrets = self.stored.rotate(secret, row.secrets, self.now(), overlap)
        return secret

    def row(self, session: Session, client_id: str) -> EhrRow:
        row = session.get(EhrRow, client_id, with_for_update=True)
        if row is None:
            raise NotFound(f"{client_id}: there is no EHR of this client id")
        return row


def as_ehr(session: Session, row: EhrRow) -> Ehr:
    names = session.scalars(select(EhrFhirServerRow.fhir_server).where(EhrFhirServerRow.ehr == row.client_id))
    return Ehr(row.client_id, frozenset(names), row.enabled, row.jwks)


def unusable(jwks: dict[str, Any]) -> list[str]:
    usable = [key for key in jwks["keys"] for name in ALGORITHMS if find_key(jwks, key["kid"], name) is not None]
    return [] if usable else [f"none of the keys is for {' or '.join(ALGORITHMS)}"]
