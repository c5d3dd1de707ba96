"""Who is signed in to the administrators' pages: a session of its own, short and strict."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from secrets import token_hex
from typing import TYPE_CHECKING

from sqlalchemy import update

from authz.keyring.seal import Seal
from authz.login.session import check_goes_on
from authz.storage.database import changed
from authz.storage.records import Records, digest
from authz.users.model import BrowserSessionRow

if TYPE_CHECKING:
    from collections.abc import Callable

    from authz.keyring.secrets import Secrets
    from authz.login.method import SignIn
    from authz.login.second_factor import SecondFactor
    from authz.storage.database import Database
    from authz.storage.short_lived import Backend
    from authz.users.registry import Users

PREFIX = "sealed-administrator:"
IDLE = timedelta(minutes=15)
LONGEST = timedelta(hours=8)
RECENT = timedelta(minutes=15)  # how old a code may be by which something is decided


@dataclass(frozen=True, slots=True)
class Administrator:
    """Somebody at the administrators' pages."""

    sub: str
    name: str  # login name
    sid: str
    began_at: datetime
    confirmed_at: datetime  # when they gave a code last
    era: datetime  # see SignIn


class AdminSessions:
    """The record behind the cookie may be lost, which signs out; its end, and when it was last used, are a row.

    Raises Unavailable while the store or the database is away.
    """

    def __init__(
        self,
        db: Database,
        backend: Backend,
        secrets: Secrets,
        users: Users,
        second_factor: SecondFactor,
        now: Callable[[], datetime],
    ) -> None:
        self.db = db
        self.records = Records(backend, PREFIX, encode, decode, Seal(secrets, "admin-session"))
        self.users = users
        self.second_factor = second_factor
        self.now = now

    def begin(self, sign_in: SignIn, name: str) -> str:
        """A new handle for the cookie. Raises SignInEnded."""
        now, sid, era = self.now(), token_hex(16), sign_in.era
        assert era is not None  # by a password
        with self.db.write() as session:
            check_goes_on(session, sign_in)
            session.add(BrowserSessionRow(session_digest=digest(sid), sub=sign_in.sub, began_at=now, used_at=now))
        return self.records.put(Administrator(sign_in.sub, name, sid, now, now, era), LONGEST.total_seconds())

    def current(self, handle: str | None) -> Administrator | None:
        """Who this is, if the session counts: not too old, used lately, not ended, of an administrator with a second
        factor who was not changed since. Being asked is a use.
        """
        found = None if handle is None else self.records.peek(handle)
        now = self.now()
        if found is None or not found.began_at <= now < found.began_at + LONGEST:
            return None
        user = self.users.by_sub(found.sub)
        if user is None or not user.enabled or not user.is_administrator or found.era != user.sessions_valid_from:
            return None
        if not self.second_factor.is_on(found.sub):
            return None
        mine = (BrowserSessionRow.session_digest == digest(found.sid)) & BrowserSessionRow.ended_at.is_(None)
        used = update(BrowserSessionRow).where(mine, BrowserSessionRow.used_at > now - IDLE).values(used_at=now)
        with self.db.write() as session:
            return found if changed(session, used) else None

    def is_recent(self, administrator: Administrator) -> bool:
        """Whether a code was given lately enough to decide something."""
        return self.now() < administrator.confirmed_at + RECENT

    def confirmed(self, handle: str, administrator: Administrator) -> None:
        """They gave a code again."""
        left = administrator.began_at + LONGEST - self.now()
        self.records.replace(handle, replace(administrator, confirmed_at=self.now()), left.total_seconds())

    def end(self, handle: str) -> Administrator | None:
        """Who signed out, if anybody was signed in."""
        found = self.records.consume(handle)
        if found is not None:
            mine = BrowserSessionRow.session_digest == digest(found.sid)
            with self.db.write() as session:
                session.execute(update(BrowserSessionRow).where(mine).values(ended_at=self.now()))
        return found


def encode(found: Administrator) -> bytes:
    times = [at.timestamp() for at in (found.began_at, found.confirmed_at, found.era)]
    return json.dumps([found.sub, found.name, found.sid, *times]).encode()


def decode(stored: bytes) -> Administrator:
    sub, name, sid, *times = json.loads(stored)
    began, confirmed, era = (datetime.fromtimestamp(at, UTC) for at in times)
    return Administrator(sub, name, sid, began, confirmed, era)
