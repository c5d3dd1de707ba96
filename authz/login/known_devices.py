"""Browsers that have signed in to an account before: each keeps a mark of it (security.md LC-02, RL-06)."""

from __future__ import annotations

import re
import secrets as random
from datetime import timedelta
from typing import TYPE_CHECKING

from authz.storage.records import digest
from authz.users.user import login_name

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from authz.keyring.secrets import Secrets
    from authz.login.method import SignIn
    from authz.users.registry import Users
    from authz.users.user import User

PURPOSE = "known device"  # of the key
LASTS = timedelta(days=180)
MARK = re.compile(r"(?P<text>[\w-]{22}\.(?P<made_at>\d{1,12})\.(?P<era>[0-9a-f]{16}))\.(?P<mac>[0-9a-f]{64})", re.ASCII)


class KnownDevices:
    """A mark signs nobody in. It ends with all that its account had signed in to, and half a year after it was made."""

    def __init__(self, users: Users, secrets: Secrets, now: Callable[[], datetime]) -> None:
        self.users = users
        self.secrets = secrets
        self.now = now

    def knows(self, mark: str | None, name: str) -> bool:
        """Whether this is a good mark of this account.

        The database is asked about a mark of ours only: whoever has none learns nothing by the time it takes (LC-01).
        """
        era = self.era_in(mark, name)
        user = None if era is None else self.users.by_name(name)
        return user is not None and era == era_of(user)

    def remember(self, mark: str | None, sign_in: SignIn) -> str | None:
        """A new mark for the browser of somebody who signs in now; None for one that keeps its own.

        Of one mark never come two, or whoever has one has as many as they like. A sign-in that was ended meanwhile
        gives none.
        """
        user = self.users.by_sub(sign_in.sub)
        if user is None or user.name is None or not sign_in.counts_in(user.sessions_valid_from):
            return None
        era = era_of(user)
        if self.era_in(mark, user.name) == era:
            return None
        text = f"{random.token_urlsafe(16)}.{int(self.now().timestamp())}.{era}"
        return f"{text}.{self.secrets.mac(PURPOSE, said(text, user.name))}"

    def era_in(self, mark: str | None, name: str) -> str | None:
        """The era that a mark is of, if we made it for this account and not too long ago."""
        found = MARK.fullmatch(mark or "")
        if found is None or not self.secrets.matches(PURPOSE, said(found["text"], name), found["mac"]):
            return None
        age_seconds = self.now().timestamp() - int(found["made_at"])
        return found["era"] if age_seconds < LASTS.total_seconds() else None


def said(text: str, name: str) -> str:
    return f"{text} {account(name)}"


def era_of(user: User) -> str:
    """Another one after each time all sign-ins of the person were ended, by whatever clock (``users.sign_ins``)."""
    return digest(f"{user.sub} {user.sessions_valid_from.isoformat()}")[:16]


def account(name: str) -> str:
    """One for all spellings of a login name, also for one that nobody can have."""
    return login_name(name) or name
