"""Browser sessions: who is signed in at this server itself. An EHR launch never has one (decision 14)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from secrets import token_hex
from typing import TYPE_CHECKING

from sqlalchemy import select, update

from authz.audit.trail import short
from authz.keyring.seal import Seal
from authz.login.method import SignIn, SignInEnded
from authz.storage.database import changed
from authz.storage.records import Records, digest
from authz.storage.turns import of_user, together
from authz.users.model import BrowserSessionRow, UserRow

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from sqlalchemy import Update
    from sqlalchemy.orm import Session

    from authz.keyring.secrets import Secrets
    from authz.storage.database import Database
    from authz.storage.short_lived import Backend
    from authz.users.registry import Users

PREFIX = "sealed-session:"


@dataclass(frozen=True, slots=True)
class BrowserSession:
    """A person signed in with one browser; ``sid`` names the session to apps and is not its cookie."""

    sign_in: SignIn
    sid: str

    @property
    def digest(self) -> str:
        """What grants of this session are found by."""
        return digest(self.sid)


class Sessions:
    """The record behind a cookie is short-lived: losing it signs people out, nothing else. That a session has ended is
    a row, so that no record brings it back (decision 3).

    ``seconds`` is the longest life of a session. Every method raises Unavailable while the store is away.
    """

    def __init__(
        self,
        db: Database,
        backend: Backend,
        secrets: Secrets,
        users: Users,
        now: Callable[[], datetime],
        seconds: int,
    ) -> None:
        self.db = db
        self.records = Records(backend, PREFIX, encode, decode, Seal(secrets, "session"))
        self.users = users
        self.now = now
        self.seconds = seconds

    def begin(
        self, sign_in: SignIn, before: str | None = None, user_agent: str | None = None
    ) -> tuple[str, BrowserSession]:
        """Sign a person in under a handle that nobody has seen yet; the one from before is dead (ASVS 7.2.4).

        The same person by the same account stays in the same session: what apps were given in it goes on.
        Raises SignInEnded.
        """
        held = self.current(before)
        if before is not None:
            self.records.forget(before)
        if held is not None and held.sign_in.account == sign_in.account:
            session = BrowserSession(sign_in, held.sid)
            with self.db.write() as sql:
                check_goes_on(sql, sign_in)
                self.use_in(sql, session.digest)
        else:
            session = BrowserSession(sign_in, token_hex(16))
            now = self.now()
            with self.db.write() as sql:
                check_goes_on(sql, sign_in)
                sql.add(
                    BrowserSessionRow(
                        session_digest=session.digest,
                        sub=sign_in.sub,
                        began_at=now,
                        used_at=now,
                        user_agent=short("user_agent", user_agent),
                    )
                )
        return self.records.put(session, self.seconds), session

    def current(self, handle: str | None) -> BrowserSession | None:
        """The session of a cookie, if it counts: in time, not ended, of an enabled person, begun since they last ended
        all of theirs.
        """
        session = None if handle is None else self.records.peek(handle)
        if session is None:
            return None
        user = self.users.by_sub(session.sign_in.sub)
        if user is None or not user.enabled or not session.sign_in.counts_in(user.sessions_valid_from):
            return None
        with self.db.read() as sql:
            row = sql.get(BrowserSessionRow, session.digest)
        if row is None or row.ended_at is not None:
            return None
        return session if self.now() < session.sign_in.since + timedelta(seconds=self.seconds) else None

    def use_in(self, sql: Session, session_digest: str) -> bool:
        """Whether it goes on, in the transaction that grants something; until its commit nobody can end it."""
        return changed(sql, unless_ended(session_digest).values(used_at=self.now())) == 1

    def end_in(self, sql: Session, session_digest: str) -> bool:
        """End it in the caller's transaction; False if it had ended."""
        return changed(sql, unless_ended(session_digest).values(ended_at=self.now())) == 1

    def open(self, sub: str) -> list[BrowserSessionRow]:
        """Where the person is signed in, the last one first; some may be over that only the short-lived store knows."""
        since = self.now() - timedelta(seconds=self.seconds)
        user = self.users.by_sub(sub)
        since = max(since, user.sessions_valid_from) if user is not None else since
        mine = select(BrowserSessionRow).where(
            BrowserSessionRow.sub == sub, BrowserSessionRow.ended_at.is_(None), BrowserSessionRow.used_at >= since
        )
        with self.db.read() as sql:
            return list(sql.scalars(mine.order_by(BrowserSessionRow.used_at.desc(), BrowserSessionRow.session_digest)))

    def forget(self, handle: str) -> None:
        self.records.forget(handle)


def check_goes_on(sql: Session, sign_in: SignIn) -> None:
    """Begin the transaction that begins a session with a turn about the person: who ends their sign-ins waits, or did.

    Raises SignInEnded.
    """
    together(sql, of_user(sign_in.sub))
    user = sql.get(UserRow, sign_in.sub)
    if user is None or not user.enabled or not sign_in.counts_in(user.sessions_valid_from):
        raise SignInEnded


def unless_ended(session_digest: str) -> Update:
    return update(BrowserSessionRow).where(
        BrowserSessionRow.session_digest == session_digest, BrowserSessionRow.ended_at.is_(None)
    )


def encode(session: BrowserSession) -> bytes:
    return json.dumps({"sid": session.sid, "sign_in": session.sign_in.as_dict()}).encode()


def decode(stored: bytes) -> BrowserSession:
    members = json.loads(stored)
    return BrowserSession(SignIn.from_dict(members["sign_in"]), members["sid"])
