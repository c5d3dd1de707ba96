"""Browser sessions: who is signed in at this server itself. An EHR launch never has one (decision 14)."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from authz.login.method import SignIn
from authz.storage.records import Records

if TYPE_CHECKING:
    from collections.abc import Callable

    from authz.storage.short_lived import Backend
    from authz.users.registry import Users

PREFIX = "session:"


@dataclass(frozen=True, slots=True)
class BrowserSession:
    """A person signed in with one browser; ``sid`` names the session to apps and is not its cookie."""

    sign_in: SignIn
    sid: str


class Sessions:
    """Kept in the short-lived store: losing it signs people out, nothing else.

    ``seconds`` is the longest life of a session. Every method raises Unavailable while the store is away.
    """

    def __init__(self, backend: Backend, users: Users, now: Callable[[], datetime], seconds: int) -> None:
        self.records = Records(backend, PREFIX, encode, decode)
        self.users = users
        self.now = now
        self.seconds = seconds

    def begin(self, sign_in: SignIn, before: str | None = None) -> tuple[str, BrowserSession]:
        """Sign a person in under a handle that nobody has seen yet; the one from before is dead (ASVS 7.2.4)."""
        if before is not None:
            self.records.forget(before)
        session = BrowserSession(sign_in, secrets.token_hex(16))
        return self.records.put(session, self.seconds), session

    def current(self, handle: str | None) -> BrowserSession | None:
        """The session of a cookie, if it counts: in time, of an enabled person, begun since they last ended all."""
        session = None if handle is None else self.records.peek(handle)
        if session is None:
            return None
        began = session.sign_in.auth_time
        user = self.users.by_sub(session.sign_in.sub)
        if user is None or not user.enabled or began < user.sessions_valid_from:
            return None
        return session if self.now() < began + timedelta(seconds=self.seconds) else None

    def end(self, handle: str) -> None:
        self.records.forget(handle)


def encode(session: BrowserSession) -> bytes:
    sign_in = session.sign_in
    members = [session.sid, sign_in.sub, sign_in.auth_time.timestamp(), sign_in.amr, sign_in.acr]
    return json.dumps(members).encode()


def decode(stored: bytes) -> BrowserSession:
    sid, sub, auth_time, amr, acr = json.loads(stored)
    return BrowserSession(SignIn(sub, datetime.fromtimestamp(auth_time, UTC), tuple(amr), acr), sid)
