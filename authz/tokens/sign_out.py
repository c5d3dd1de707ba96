"""The end of a session at this server: its row, its grants, word to its apps, all in one transaction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from authz.audit.event import Event, EventName
from authz.tokens.model import GrantRow

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from authz.audit.event import Peer
    from authz.audit.trail import Trail
    from authz.login.federated.sessions import UpstreamSessions
    from authz.login.method import SignIn
    from authz.login.session import BrowserSession, Sessions
    from authz.tokens.logout_notices import LogoutNotices
    from authz.tokens.revocation import Revocation


@dataclass(frozen=True, slots=True)
class SignOut:
    sessions: Sessions
    revocation: Revocation
    notices: LogoutNotices
    trail: Trail
    upstream: UpstreamSessions

    def end(self, handle: str, session: BrowserSession, reason: str, peer: Peer) -> None:
        """End a session; what was granted in it without ``offline_access`` ends with it (SMART REF-12).

        Raises Unavailable; then it may have ended all the same.
        """
        self.end_row(session.digest, session.sign_in.sub, reason, peer)
        self.sessions.forget(handle)

    def end_row(self, key: str, sub: str, reason: str, peer: Peer) -> None:
        """End a session by its digest; whatever cookie leads to it leads nowhere from now on."""

        def within(sql: Session) -> None:
            if self.sessions.end_in(sql, key):
                self.notices.write(sql, GrantRow.session_digest == key)
                self.trail.record(sql, Event(EventName.LOGOUT, reason=reason, sub=sub, peer=peer))

        self.revocation.revoke_session(None, key, "signed_out", within=within)

    def end_at_app(self, client_id: str, sub: str, sid: str) -> None:
        """An app's user has signed out of it, in a session that is not this browser's: an EHR's, or one of before.

        The session is not the app's to end; what the app itself was granted in it, without ``offline_access``, is.
        """
        of_app = (GrantRow.client_id == client_id) & (GrantRow.sub == sub) & (GrantRow.sid == sid)
        self.revocation.revoke(of_app, "signed_out", with_session=True)

    def make_way(self, handle: str | None, sign_in: SignIn, peer: Peer) -> None:
        """End the session in the browser in which this person signs in, unless it is of the same account.

        A provider ends the sessions that began with it (Back-Channel Logout §2.7): none goes on by another's word.
        """
        before = self.sessions.current(handle)
        if handle is None or before is None or before.sign_in.account == sign_in.account:
            return
        reason = "another_account" if before.sign_in.sub == sign_in.sub else "somebody_else"
        self.end(handle, before, reason, peer)
