"""The signing keys: next, active and retired; one signs, all are published (decision 7)."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, RSAKey
from sqlalchemy import select

from authz.keyring.files import read_private, write_private
from authz.keyring.model import SigningKeyRow
from authz.settings import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    from sqlalchemy.orm import Session

    from authz.storage.database import Database

ALG = "RS256"  # SMART OID-04: the one every app can verify
RSA_BITS = 2048
RESCAN_SECONDS = 60.0


class BadSignature(ValueError):
    """A token that none of this server's published keys signed, or that is of another kind."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """The keys as this process knows them."""

    read_at: float  # monotonic seconds
    active: RSAKey | None
    published: dict[str, RSAKey]  # public halves by kid: next, active, retired
    jwks: bytes = b""  # the JWK Set of these as JSON


def jwk_set(published: dict[str, RSAKey]) -> dict[str, Any]:
    return {"keys": [key.as_dict(private=False) | {"use": "sig", "alg": ALG} for key in published.values()]}


class Keyring:
    """Signs with the active key; publishes and verifies with all; reads its state anew within 60 s."""

    def __init__(
        self,
        db: Database,
        directory: Path,
        now: Callable[[], datetime],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.db = db
        self.directory = directory
        self.now = now
        self.monotonic = monotonic
        self.loaded = Loaded(float("-inf"), None, {})
        self.private: dict[str, RSAKey] = {}  # imported once per process: it takes tens of milliseconds

    def active_kid(self) -> str:
        """Raises ConfigurationError if there is no active key."""
        return str(self.active().kid)

    def active(self) -> RSAKey:
        key = self.keys().active
        if key is None:
            raise ConfigurationError(["there is no active signing key; make one with `authz keys generate`"])
        return key

    def sign(self, claims: dict[str, Any], typ: str = "JWT") -> str:
        """A compact JWS by the active key.

        Raises ConfigurationError if there is none.
        """
        key = self.active()
        header = {"alg": ALG, "kid": key.kid, "typ": typ}
        return jws.serialize_compact(header, json.dumps(claims, separators=(",", ":")), key, algorithms=[ALG])

    def verify(self, token: str, typ: str | None = "JWT") -> dict[str, Any]:
        """The claims of what one of our keys signed, retired ones included; times are the caller's to judge.

        Raises BadSignature.
        """
        keys = KeySet(list(self.keys().published.values()))
        try:
            found = jws.deserialize_compact(token, keys, algorithms=[ALG])
            claims = json.loads(found.payload)
        except (JoseError, ValueError, RecursionError) as error:
            raise BadSignature("not signed by this server") from error
        if typ is not None and found.protected.get("typ") != typ:
            raise BadSignature(f"not a {typ}")
        if not isinstance(claims, dict):
            raise BadSignature("not a set of claims")
        return claims

    def names_removed_key(self, token: str) -> bool:
        """Whether a compact JWS names a key that is published no more; says nothing about its signature."""
        try:
            return jws.extract_compact(token.encode()).protected.get("kid") not in self.keys().published
        except (JoseError, ValueError):
            return False

    def public_jwks(self) -> dict[str, Any]:
        """The JWK Set of RFC 7517 §5, public members only."""
        return jwk_set(self.keys().published)

    def jwks_document(self) -> bytes:
        """The same as JSON, made when the keys were read."""
        return self.keys().jwks

    def check(self) -> None:
        """Raise ConfigurationError unless there is an active key whose file is there and closed to others."""
        self.forget()
        self.active()

    def forget(self) -> None:
        self.loaded = Loaded(float("-inf"), None, {})

    def keys(self) -> Loaded:
        if self.monotonic() - self.loaded.read_at >= RESCAN_SECONDS:
            self.loaded = self.load()
        return self.loaded

    def load(self) -> Loaded:
        read_at = self.monotonic()
        with self.db.read() as session:
            rows = session.scalars(select(SigningKeyRow).order_by(SigningKeyRow.created_at, SigningKeyRow.kid)).all()
        published = {row.kid: RSAKey.import_key(row.public_jwk) for row in rows}
        active = next((self.private_key(row.kid) for row in rows if row.state == "active"), None)
        return Loaded(read_at, active, published, json.dumps(jwk_set(published), indent=1).encode())

    def private_key(self, kid: str) -> RSAKey:
        if kid not in self.private:
            pem = read_private(self.directory / f"{kid}.pem")
            self.private[kid] = imported(pem, kid, f"{self.directory / kid}.pem")
        return self.private[kid]

    def make(self, session: Session, state: str) -> SigningKeyRow:
        """A new key: its file first, then its row in the caller's transaction."""
        key = RSAKey.generate_key(RSA_BITS, private=True)
        kid = key.thumbprint()
        write_private(self.directory / f"{kid}.pem", key.as_pem(private=True))
        public = key.as_dict(private=False) | {"kid": kid, "use": "sig", "alg": ALG}
        now = self.now()
        row = SigningKeyRow(
            kid=kid,
            alg=ALG,
            state=state,
            public_jwk=public,
            created_at=now,
            activated_at=now if state == "active" else None,
        )
        session.add(row)
        return row


def imported(pem: bytes, kid: str, name: str) -> RSAKey:
    """Raises ConfigurationError for what is not the private RSA key of this kid, or is too short."""
    try:
        private = load_pem_private_key(pem, password=None)
    except (TypeError, ValueError, UnsupportedAlgorithm) as error:
        raise ConfigurationError([f"{name}: is not a private key"]) from error
    if not isinstance(private, RSAPrivateKey) or private.key_size < RSA_BITS:
        raise ConfigurationError([f"{name}: is not an RSA key of {RSA_BITS} bits"])
    key = RSAKey.import_key(private, {"kid": kid, "use": "sig", "alg": ALG})
    if key.thumbprint() != kid:
        raise ConfigurationError([f"{name}: is not the key it is named after"])
    return key
