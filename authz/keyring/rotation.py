"""The life of signing keys: made, published, active, retired, removed (decision 7)."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import select

from authz.errors import InvalidRequest
from authz.keyring.model import SigningKeyRow
from authz.storage.database import one_at_a_time

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from authz.keyring.signing import Keyring

LOCK = 0x6B657973  # "keys"


class Rotation:
    """Changes keys in the caller's transaction; every process follows within 60 s."""

    def __init__(self, keyring: Keyring, published_seconds: int, token_seconds: int = 0) -> None:
        self.keyring = keyring
        self.published_seconds = published_seconds  # how long a copy of the JWK Set may be kept
        self.token_seconds = token_seconds  # how long the longest signed token lives

    def generate(self, session: Session) -> list[SigningKeyRow]:
        """Make the keys that are missing: an active one to sign with, a next one to be published beforehand."""
        states = {row.state for row in all_keys(session)}
        return [self.keyring.make(session, state) for state in ("active", "next") if state not in states]

    def rotate(self, session: Session, *, at_once: bool = False) -> list[SigningKeyRow]:
        """Retire the active key, activate the next one, and publish a new next one; returns them in this order.

        Raises InvalidRequest if the next key has been published for less than ``jwks_max_age_seconds`` plus the
        minute in which every process reads it, unless ``at_once`` (a key was stolen).
        """
        now = self.keyring.now()
        rows = all_keys(session)
        following = next((row for row in rows if row.state == "next"), None)
        if following is None:
            raise InvalidRequest("there is no next key; make one with `authz keys generate`")
        ready_at = following.created_at + timedelta(seconds=self.published_seconds + 60)
        if now < ready_at and not at_once:
            raise InvalidRequest(f"the next key may sign from {ready_at.isoformat(timespec='seconds')} on")
        retired = [row for row in rows if row.state == "active"]
        for row in retired:
            row.state, row.retired_at = "retired", now
        following.state, following.activated_at = "active", now
        return [*retired, following, self.keyring.make(session, "next")]

    def remove(self, session: Session, kid: str, *, at_once: bool = False) -> SigningKeyRow:
        """Publish a key no more: what it signed no longer verifies.

        Raises InvalidRequest for the active key, and for one whose tokens may still live unless ``at_once``.
        """
        row = session.get(SigningKeyRow, kid, with_for_update=True)
        if row is None:
            raise InvalidRequest("there is no key of this kid")
        if row.state == "active":
            raise InvalidRequest("this key signs; rotate first (`authz keys rotate --now` if it was stolen)")
        if row.retired_at is not None and not at_once:
            unused_at = row.retired_at + timedelta(seconds=self.token_seconds + 60)
            if self.keyring.now() < unused_at:
                raise InvalidRequest(f"what this key signed may live until {unused_at.isoformat(timespec='seconds')}")
        session.delete(row)
        return row

    def delete_file(self, kid: str) -> None:
        """After the commit: the private key goes as well."""
        (self.keyring.directory / f"{kid}.pem").unlink(missing_ok=True)


def all_keys(session: Session) -> list[SigningKeyRow]:
    """Every key, oldest first; nobody else changes them, or makes the first ones, until this transaction ends."""
    one_at_a_time(session, LOCK)
    ordered = select(SigningKeyRow).order_by(SigningKeyRow.created_at, SigningKeyRow.kid)
    return list(session.scalars(ordered.with_for_update()))
