"""The door to the administrators' pages: name, password and code at once, and the role."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from authz.audit.event import Event, EventName
from authz.login.by_password import CodeAttempt
from authz.login.method import HalfSignIn, SignInEnded

if TYPE_CHECKING:
    from authz.audit.event import Peer
    from authz.login.admin_session import Administrator, AdminSessions
    from authz.login.by_password import Attempt, ByPassword

FORM = "administrators' form"  # purpose of the key


class Refused(StrEnum):
    """Why somebody does not get in; whoever does not know the password learns nothing but that (LC-01)."""

    WRONG = "wrong"
    NO_SECOND_FACTOR = "no_second_factor"
    NOT_ADMINISTRATOR = "not_administrator"


@dataclass(frozen=True, slots=True)
class Entered:
    """Somebody who got in, and what their browser is to keep."""

    handle: str  # of the session
    new_device: str | None  # None: it keeps the mark that it has


@dataclass(frozen=True, slots=True)
class Administrators:
    by_password: ByPassword
    sessions: AdminSessions

    def enter(self, attempt: Attempt, code: str, before: str | None = None) -> Entered | Refused:
        """A new session, which takes the place of the one before. Raises TooManyRequests."""
        found = self.by_password.enter(attempt)
        if isinstance(found, HalfSignIn):
            found = self.by_password.finish(CodeAttempt(found, code, attempt.peer, attempt.device))
        if found is None:
            return Refused.WRONG
        user = self.sessions.users.by_sub(found.sub)
        if user is None or not user.is_administrator:
            return self.refuse(Refused.NOT_ADMINISTRATOR, found.sub, attempt.peer)
        if not self.sessions.second_factor.is_on(found.sub):
            return self.refuse(Refused.NO_SECOND_FACTOR, found.sub, attempt.peer)
        if before is not None:
            self.sessions.end(before)
        try:
            handle = self.sessions.begin(found, user.name or user.sub)
        except SignInEnded:
            return self.refuse(Refused.WRONG, found.sub, attempt.peer)
        return Entered(handle, self.by_password.throttle.devices.remember(attempt.device, found))

    def confirm(self, handle: str, who: Administrator, code: str, peer: Peer, device: str | None) -> bool:
        """A code given again, before something is decided. Raises TooManyRequests."""
        half = HalfSignIn(who.sub, who.name, self.sessions.now(), who.era)
        if self.by_password.finish(CodeAttempt(half, code, peer, device)) is None:
            return False
        self.sessions.confirmed(handle, who)
        return True

    def leave(self, handle: str, peer: Peer) -> None:
        who = self.sessions.end(handle)
        if who is not None:
            with self.sessions.db.write() as session:
                left = Event(EventName.LOGOUT, reason="administration", sub=who.sub, peer=peer)
                self.by_password.trail.record(session, left)

    def refuse(self, why: Refused, sub: str, peer: Peer) -> Refused:
        self.by_password.trail.refused(Event(EventName.LOGIN_FAILED, "refused", why.value, sub=sub, peer=peer))
        return why

    def form_token(self, cookie: str) -> str:
        """What a form must bring beside the cookie it was made for."""
        return self.by_password.secrets.mac(FORM, cookie)

    def is_own_form(self, cookie: str | None, token: str) -> bool:
        return cookie is not None and self.by_password.secrets.matches(FORM, cookie, token)
