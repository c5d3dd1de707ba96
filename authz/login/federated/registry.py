from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, select

from authz.errors import AlreadyExists, NotFound
from authz.fhir_servers.model import FhirServerRow
from authz.keyring.box import Box
from authz.login.federated.model import SignInProviderRow
from authz.login.federated.provider import BASIC, NAME, OWN_KEY, Provider, check, from_row
from authz.storage.database import insert_once

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from sqlalchemy.orm import Session

    from authz.keyring.secrets import Secrets
    from authz.storage.database import Database

LISTS = ("scopes", "fhir_servers", "acr_values")


@dataclass(frozen=True, slots=True)
class NewProvider:
    """What an administrator says of a provider; the members have the meaning they have in Provider."""

    name: str
    issuer: str
    client_id: str
    label: str = ""  # empty: the name
    auth_method: str = BASIC
    scopes: tuple[str, ...] = ("openid", "profile")
    fhir_servers: tuple[str, ...] = ()
    fhir_user_claim: str = ""
    name_claim: str = "name"
    acr_values: tuple[str, ...] = ()


class Providers:
    """The providers; a secret of ours at one of them is kept encrypted, for it has to be sent."""

    def __init__(self, db: Database, secrets: Secrets, now: Callable[[], datetime]) -> None:
        self.db = db
        self.box = Box(secrets, "sign-in provider")
        self.now = now

    def get(self, name: str) -> Provider | None:
        if not NAME.fullmatch(name):
            return None
        with self.db.read() as session:
            row = session.get(SignInProviderRow, name)
            return None if row is None else from_row(row)

    def all(self) -> list[Provider]:
        with self.db.read() as session:
            return [
                from_row(row) for row in session.scalars(select(SignInProviderRow).order_by(SignInProviderRow.name))
            ]

    def serving(self, fhir_server: str) -> tuple[Provider, ...]:
        """Those at which people of this FHIR server sign in."""
        return tuple(provider for provider in self.all() if provider.serves(fhir_server))

    def only_fhir_server(self, provider: Provider) -> str | None:
        """The one FHIR server whose people sign in there: by name, or because there is no other. None: several."""
        if provider.fhir_servers:
            names = sorted(provider.fhir_servers)
        else:
            with self.db.read() as session:
                names = list(session.scalars(select(FhirServerRow.name).limit(2)))
        return names[0] if len(names) == 1 else None

    def secret(self, provider: Provider) -> str | None:
        """None without one, or if it was encrypted with a key that is gone."""
        opened = None if provider.closed_secret is None else self.box.open(provider.closed_secret)
        return None if opened is None else opened.decode()

    def add(self, session: Session, new: NewProvider, secret: str | None) -> Provider:
        """Raises InvalidValue and AlreadyExists."""
        values = {
            "name": new.name,
            "label": new.label or new.name,
            "issuer": new.issuer,
            "client_id": new.client_id,
            "auth_method": new.auth_method,
            "closed_secret": self.closed(secret),
            "scopes": list(new.scopes),
            "fhir_servers": list(new.fhir_servers),
            "fhir_user_claim": new.fhir_user_claim,
            "name_claim": new.name_claim,
            "acr_values": list(new.acr_values),
            "enabled": True,
            "created_at": self.now(),
        }
        row = SignInProviderRow(**values)
        check(row)
        if not insert_once(session, SignInProviderRow, **values):
            raise AlreadyExists(f"{new.name}: there is a provider of this name")
        return from_row(row)

    def update(self, session: Session, name: str, changes: dict[str, Any], secret: str | None = None) -> Provider:
        """Change members of NewProvider but the name, or the secret. Raises NotFound and InvalidValue."""
        row = self.row(session, name)
        for member, value in changes.items():
            setattr(row, member, list(value) if member in LISTS else value)
        if secret is not None:
            row.closed_secret = self.closed(secret)
        elif row.auth_method == OWN_KEY:
            row.closed_secret = None
        check(row)
        return from_row(row)

    def remove(self, session: Session, name: str) -> Provider:
        """Forget it; who signed in there is still known, should it be added again."""
        removed = from_row(self.row(session, name))
        session.execute(delete(SignInProviderRow).where(SignInProviderRow.name == name))
        return removed

    def closed(self, secret: str | None) -> bytes | None:
        return None if secret is None else self.box.close(secret.encode())

    def row(self, session: Session, name: str) -> SignInProviderRow:
        row = session.get(SignInProviderRow, name, with_for_update=True)
        if row is None:
            raise NotFound(f"{name}: there is no sign-in provider of this name")
        return row
