"""Signing in by password, and by a code where somebody has one besides: counted, checked, and told to the trail."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from authz.audit.event import Event, EventName
from authz.errors import TooManyRequests
from authz.login.known_devices import account
from authz.login.method import ONE_TIME_CODE, PASSWORD, HalfSignIn, SignIn
from authz.login.second_factor import is_recovery_code

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from authz.audit.event import Peer
    from authz.audit.trail import Trail
    from authz.keyring.secrets import Secrets
    from authz.login.password import Passwords
    from authz.login.second_factor import SecondFactor
    from authz.login.throttle import Throttle
    from authz.storage.database import Database

TRIED_NAME = "tried name"  # purpose of the key: names are typed into the wrong field, also passwords are
HALF_LASTS = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Attempt:
    """What somebody typed, and where they came from."""

    name: str
    password: str
    peer: Peer
    device: str | None = None  # what the browser kept of an earlier sign-in
    launch_id: str | None = None  # the opening of an app it belongs to


@dataclass(frozen=True, slots=True)
class CodeAttempt:
    """A code typed after the password."""

    half: HalfSignIn
    code: str
    peer: Peer
    device: str | None = None
    launch_id: str | None = None


@dataclass(frozen=True, slots=True)
class ByPassword:
    passwords: Passwords
    second_factor: SecondFactor
    throttle: Throttle
    secrets: Secrets
    db: Database
    trail: Trail
    now: Callable[[], datetime]

    def enter(self, attempt: Attempt) -> SignIn | HalfSignIn | None:
        """Who this is; None for a wrong name, a wrong password and a disabled person alike (security.md LC-01).

        Raises TooManyRequests, and Unavailable while the database is away.
        """
        try:
            self.throttle.admit(attempt.name, attempt.peer.address, attempt.device)
        except TooManyRequests as error:
            if error.is_first:
                self.refuse(EventName.RATE_LIMITED, "sign_in", attempt)
            raise
        began_at = self.now()
        user = self.passwords.verify(attempt.name, attempt.password)
        if user is None:
            self.refuse(EventName.LOGIN_FAILED, "wrong_name_or_password", attempt)
            return None
        if self.second_factor.is_on(user.sub):
            return HalfSignIn(user.sub, attempt.name, began_at, user.sessions_valid_from)
        how = {"amr": [PASSWORD]}
        entered = Event(EventName.LOGIN, sub=user.sub, launch_id=attempt.launch_id, peer=attempt.peer, detail=how)
        with self.db.write() as session:
            self.trail.record(session, entered)
        return SignIn(user.sub, began_at, (PASSWORD,), era=user.sessions_valid_from)

    def finish(self, attempt: CodeAttempt) -> SignIn | None:
        """The whole sign-in; None for a wrong or spent code. Raises TooManyRequests."""
        half, amr = attempt.half, (PASSWORD, ONE_TIME_CODE)
        entered = Event(EventName.LOGIN, sub=half.sub, launch_id=attempt.launch_id, peer=attempt.peer)
        refused = replace(entered, event=EventName.LOGIN_FAILED, outcome="refused", reason="wrong_code")
        try:
            self.throttle.admit_code(half.name, attempt.device, is_recovery=is_recovery_code(attempt.code))
        except TooManyRequests as error:
            if error.is_first:
                self.trail.refused(replace(refused, event=EventName.RATE_LIMITED, reason="second_factor"))
            raise
        began_at = self.now()
        if not self.is_current(half):
            self.trail.refused(replace(refused, reason="sign_in_out_of_date"))
            return None
        with self.db.write() as session:
            means = self.second_factor.accept(session, half.sub, attempt.code)
            if means is not None:
                detail = {"amr": list(amr), "second_factor": means.value}
                self.trail.record(session, replace(entered, detail=detail))
        if means is None:
            self.trail.refused(refused)
            return None
        return SignIn(half.sub, began_at, amr, era=half.era)

    def is_current(self, half: HalfSignIn) -> bool:
        """Whether the password may still be built on: given lately, not changed since, by an enabled person."""
        user = self.passwords.users.by_sub(half.sub)
        in_time = half.at <= self.now() < half.at + HALF_LASTS
        return in_time and user is not None and user.enabled and half.era == user.sessions_valid_from

    def refuse(self, name: EventName, reason: str, attempt: Attempt) -> None:
        tried = self.secrets.mac(TRIED_NAME, account(attempt.name))
        self.trail.refused(
            Event(
                name,
                outcome="refused",
                reason=reason,
                launch_id=attempt.launch_id,
                peer=attempt.peer,
                one_by_one=True,
                detail={"tried_name": tried},
            )
        )
