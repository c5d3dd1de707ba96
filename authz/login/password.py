from __future__ import annotations

import threading
import unicodedata
from contextlib import contextmanager
from typing import TYPE_CHECKING

from argon2 import PasswordHasher, profiles
from argon2.exceptions import VerificationError
from sqlalchemy import select, update

from authz.errors import InvalidValue, NotFound, TooManyRequests
from authz.storage.database import changed
from authz.users.model import UserRow
from authz.users.sign_ins import end_sign_ins

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from sqlalchemy.orm import Session

    from authz.storage.database import Database
    from authz.users.registry import User, Users

MAX_BYTES = 1024
PARALLEL = 4  # hashes at once in one process: each takes 64 MiB (security.md RL-07)
WAITING = 2  # more may wait for their turn; a process has eight threads, and some must be free for everything else
PATIENCE_SECONDS = 2.0
NOBODY = "$argon2id$v=19$m=65536,t=3,p=4$A5YFliIgxZd/RC2sos4CGg$FGf2mNjj35eucYUX5tBLZapiLeOp656Dx8zWo2eVcNc"
"""The hash of a random password that was thrown away: verified where there is none, so that the work is the same."""


class Passwords:
    """People's passwords, by argon2id with the second parameter set of RFC 9106 §4."""

    def __init__(self, users: Users, db: Database, now: Callable[[], datetime]) -> None:
        self.users = users
        self.db = db
        self.now = now
        self.hasher = PasswordHasher.from_parameters(profiles.RFC_9106_LOW_MEMORY)
        self.room = threading.BoundedSemaphore(PARALLEL)
        self.queue = threading.BoundedSemaphore(PARALLEL + WAITING)

    def verify(self, name: str, password: str) -> User | None:
        """The enabled person with this name and password; the same work whatever was wrong (security.md LC-01).

        Raises TooManyRequests while too many passwords are being checked.
        """
        user = self.users.by_name(name)
        stored = None if user is None else self.stored_hash(user.sub)
        tried = normal_form(password)
        good = self.matches(stored or NOBODY, tried or b"")
        if user is None or stored is None or tried is None or not good or not user.enabled:
            return None
        return user

    def set_password(self, session: Session, sub: str, password: str) -> None:
        """Give a person a new password, in the caller's transaction; sign-ins of before count no more.

        Raises InvalidValue and NotFound.
        """
        new = normal_form(password)
        if not new:
            raise InvalidValue(f"a password is 1 to {MAX_BYTES} bytes of UTF-8")
        kept = update(UserRow).where(UserRow.sub == sub).values(password_hash=self.hasher.hash(new))
        if not changed(session, kept):
            raise NotFound(f"{sub}: there is no user of this sub")
        end_sign_ins(session, sub, self.now())

    def matches(self, stored: str, password: bytes) -> bool:
        with place(self.queue, 0), place(self.room, PATIENCE_SECONDS):
            try:
                return self.hasher.verify(stored, password)
            except VerificationError:
                return False

    def stored_hash(self, sub: str) -> str | None:
        with self.db.read() as session:
            return session.scalar(select(UserRow.password_hash).where(UserRow.sub == sub))


@contextmanager
def place(room: threading.BoundedSemaphore, patience_seconds: float) -> Iterator[None]:
    """A place in the room while the work is done. Raises TooManyRequests if none becomes free in time."""
    if not room.acquire(timeout=patience_seconds):
        raise TooManyRequests("too many people sign in at once; try again", retry_after=2)
    try:
        yield
    finally:
        room.release()


def normal_form(password: str) -> bytes | None:
    """The bytes to hash: NFC, so that a composed and a decomposed é are one; None if too long or not Unicode."""
    if len(password) > MAX_BYTES:
        return None
    try:
        text = unicodedata.normalize("NFC", password).encode()
    except UnicodeEncodeError:  # a lone surrogate
        return None
    return text if len(text) <= MAX_BYTES else None
