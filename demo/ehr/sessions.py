"""Who is signed in at the EHR. Kept in memory: a restart signs everybody out."""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock
from typing import TYPE_CHECKING

from demo.hospital import ACCOUNTS, Account

if TYPE_CHECKING:
    from collections.abc import Callable

COOKIE = "demo_ehr_session"
LIFETIME = timedelta(hours=8)
MAX_SESSIONS = 1_000


@dataclass(frozen=True, slots=True)
class SignedIn:
    """One person at one browser. ``session`` is what the authorization server knows it by; it is never in a cookie."""

    account: Account
    csrf: str
    session: str
    ends_at: datetime


def check_password(name: str, password: str) -> Account | None:
    """The demo's rule: the password is the name."""
    account = ACCOUNTS.get(name)
    matches = hmac.compare_digest(password.encode(), (account.name if account else "").encode())
    return account if account and matches else None


class Sessions:
    """Browser sessions by the value of their cookie."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._lock = Lock()
        self._open: dict[str, SignedIn] = {}

    def begin(self, account: Account) -> str:
        """Returns the cookie's value; a full book forgets its oldest session."""
        cookie = secrets.token_urlsafe(32)
        signed_in = SignedIn(account, secrets.token_urlsafe(32), secrets.token_urlsafe(32), self._now() + LIFETIME)
        with self._lock:
            while len(self._open) >= MAX_SESSIONS:
                del self._open[next(iter(self._open))]
            self._open[cookie] = signed_in
        return cookie

    def find(self, cookie: str) -> SignedIn | None:
        with self._lock:
            signed_in = self._open.get(cookie)
        return signed_in if signed_in and signed_in.ends_at > self._now() else None

    def end(self, cookie: str) -> None:
        with self._lock:
            self._open.pop(cookie, None)
