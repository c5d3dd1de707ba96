"""The keys that EHRs encrypt launches to: one is current, older ones still open what was made for them (decision 7)."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import ECKey
from sqlalchemy import select

from authz.errors import InvalidRequest, Unavailable
from authz.keyring.compact import NotCompact, read_jwe_header
from authz.keyring.files import read_private, write_private
from authz.keyring.model import LaunchKeyRow
from authz.keyring.rotation import LOCK
from authz.settings import ConfigurationError
from authz.storage.database import one_at_a_time

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    from sqlalchemy.orm import Session

    from authz.storage.database import Database

ALG, ENC, CURVE = "ECDH-ES", "A256GCM", "P-256"  # RFC 7518 §4.6, §5.3: one way, so that there is nothing to choose
HEADER = {"alg": ALG, "enc": ENC, "cty": "JWT"}
MEMBERS = frozenset(HEADER) | {"kid", "epk"}
RESCAN_SECONDS = 60.0
RESCAN_FOR_UNKNOWN_SECONDS = 1.0
MARGIN_SECONDS = 360  # a launch lives 300 s, and every process reads the keys anew within 60 s


class CanNotOpen(ValueError):
    """Not encrypted to one of our keys in the one way we take; its text quotes nothing of the token."""


@dataclass(frozen=True, slots=True)
class Loaded:
    read_at: float  # monotonic seconds
    current: dict[str, Any] | None  # public JWK
    kids: frozenset[str]


class LaunchKeys:
    """Publishes the current key and opens what was encrypted to it or to an older one that is still kept."""

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
        self.loaded = Loaded(float("-inf"), None, frozenset())
        self.private: dict[str, ECKey] = {}

    def public_jwks(self) -> dict[str, Any]:
        """The JWK Set for EHRs: the current key, or none. Apart from ``/jwks``, where apps look for signing keys."""
        current = self.keys(RESCAN_SECONDS).current
        return {"keys": [] if current is None else [current]}

    def open(self, token: str) -> str:
        """The content of a compact JWE. Raises CanNotOpen."""
        try:
            header = read_jwe_header(token)
        except NotCompact as error:
            raise CanNotOpen(str(error)) from error
        kid = header.get("kid")
        if header.keys() != MEMBERS or any(header[name] != value for name, value in HEADER.items()):
            raise CanNotOpen(f"the header must be alg {ALG}, enc {ENC}, cty JWT, kid and epk, and nothing else")
        if not isinstance(kid, str) or kid not in self.known(kid):
            raise CanNotOpen("kid names none of our keys")
        try:
            opened = jwe.decrypt_compact(token, self.private_key(kid), algorithms=[ALG, ENC])
            return (opened.plaintext or b"").decode()
        except ConfigurationError as error:
            raise Unavailable(str(error)) from error
        except (JoseError, ValueError, TypeError, KeyError) as error:
            raise CanNotOpen("it can not be decrypted") from error

    def known(self, kid: str) -> frozenset[str]:
        kids = self.keys(RESCAN_SECONDS).kids
        return kids if kid in kids else self.keys(RESCAN_FOR_UNKNOWN_SECONDS).kids

    def keys(self, not_older_than_seconds: float) -> Loaded:
        if self.monotonic() - self.loaded.read_at >= not_older_than_seconds:
            read_at = self.monotonic()
            with self.db.read() as session:
                rows = session.scalars(select(LaunchKeyRow)).all()
            current = next((row.public_jwk for row in rows if row.retired_at is None), None)
            self.loaded = Loaded(read_at, current, frozenset(row.kid for row in rows))
        return self.loaded

    def private_key(self, kid: str) -> ECKey:
        if kid not in self.private:
            path = self.directory / f"{kid}.pem"
            key = ECKey.import_key(read_private(path))
            if key.thumbprint() != kid or not key.is_private:
                raise ConfigurationError([f"{path}: is not the key it is named after"])
            self.private[kid] = key
        return self.private[kid]

    def rotate(self, session: Session) -> list[LaunchKeyRow]:
        """Make a new current key, the first one too; returns what was retired and the new one.

        In the caller's transaction. A retired key still opens launches, so EHRs may take their time.
        """
        now = self.now()
        retired = [row for row in all_launch_keys(session) if row.retired_at is None]
        for row in retired:
            row.retired_at = now
        key = ECKey.generate_key(CURVE, private=True)
        kid = key.thumbprint()
        write_private(self.directory / f"{kid}.pem", key.as_pem(private=True))
        public = key.as_dict(private=False) | {"kid": kid, "use": "enc", "alg": ALG}
        made = LaunchKeyRow(kid=kid, public_jwk=public, created_at=now, retired_at=None)
        session.add(made)
        return [*retired, made]

    def remove(self, session: Session, row: LaunchKeyRow, published_seconds: int, *, at_once: bool = False) -> None:
        """Open nothing with it any more; raises InvalidRequest for the current key, and while EHRs may still use it."""
        if row.retired_at is None and not at_once:
            raise InvalidRequest("EHRs encrypt to this key; rotate first (`authz keys rotate --launch`)")
        if row.retired_at is not None and not at_once:
            unused_at = row.retired_at + timedelta(seconds=published_seconds + MARGIN_SECONDS)
            if self.now() < unused_at:
                raise InvalidRequest(f"EHRs may encrypt to this key until {unused_at.isoformat(timespec='seconds')}")
        session.delete(row)


def all_launch_keys(session: Session) -> list[LaunchKeyRow]:
    """Every key, oldest first; nobody else changes them, or makes the first ones, until this transaction ends."""
    one_at_a_time(session, LOCK)
    ordered = select(LaunchKeyRow).order_by(LaunchKeyRow.created_at, LaunchKeyRow.kid)
    return list(session.scalars(ordered.with_for_update()))
