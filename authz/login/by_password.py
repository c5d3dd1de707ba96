"""Signing in by password: counted, checked, and told to the audit trail."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from authz.audit.event import Event, EventName
from authz.errors import TooManyRequests
from authz.login.method import PASSWORD, SignIn
from authz.login.throttle import account

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from authz.audit.event import Peer
    from authz.audit.trail import Trail
    from authz.keyring.secrets import Secrets
    from authz.login.password import Passwords
    from authz.login.throttle import Throttle
    from authz.storage.database import Database

MEANS = {"amr": [PASSWORD]}
TRIED_NAME = "tried name"  # purpose of the key: names are typed into the wrong field, also passwords are


@dataclass(frozen=True, slots=True)
class Attempt:
    """What somebody typed, and where they came from."""

    name: str
    password: str
    peer: Peer
    device: str | None = None  # what the browser kept of an earlier sign-in
    launch_id: str | None = None  # the opening of an app it belongs to


@dataclass(frozen=True, slots=True)
class ByPassword:
    passwords: Passwords
    throttle: Throttle
    secrets: Secrets
    db: Database
    trail: Trail
    now: Callable[[], datetime]

    def enter(self, attempt: Attempt) -> SignIn | None:
        """Who this is; None for a wrong name, a wrong password and a disabled person alike (security.md LC-01).

        Raises TooManyRequests, and Unavailable while the database is away.
        """
        try:
            self.throttle.admit(attempt.name, attempt.peer.address, attempt.device)
        except TooManyRequests:
            self.refuse(EventName.RATE_LIMITED, "sign_in", attempt)
            raise
        user = self.passwords.verify(attempt.name, attempt.password)
        if user is None:
            self.refuse(EventName.LOGIN_FAILED, "wrong_name_or_password", attempt)
            return None
        with self.db.write() as session:
            entered = Event(EventName.LOGIN, sub=user.sub, launch_id=attempt.launch_id, peer=attempt.peer, detail=MEANS)
            self.trail.record(session, entered)
        return SignIn(user.sub, self.now(), (PASSWORD,))

    def refuse(self, name: EventName, reason: str, attempt: Attempt) -> None:
        tried = self.secrets.mac(TRIED_NAME, account(attempt.name))
        self.trail.refused(
            Event(
                name,
                outcome="refused",
                reason=reason,
                launch_id=attempt.launch_id,
                peer=attempt.peer,
                detail={"tried_name": tried},
            )
        )
