"""Whether somebody is signed in, as the request and the FHIR server want it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from authz.authorize.checks import check_session
from authz.login.ehr import vouched

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from authz.authorize.outcome import BrowserFacts
    from authz.authorize.pending import Pending
    from authz.authorize.request import AuthorizationRequest
    from authz.authorize.ways import Ways
    from authz.login.federated.sessions import UpstreamSessions
    from authz.login.method import SignIn
    from authz.login.session import Sessions
    from authz.users.registry import Users

ASKS_AGAIN = frozenset({"login", "select_account"})


@dataclass(frozen=True, slots=True)
class Presence:
    users: Users
    sessions: Sessions
    ways: Ways
    upstream: UpstreamSessions
    now: Callable[[], datetime]

    def signed_in(
        self, request: AuthorizationRequest, pending: Pending, browser: BrowserFacts
    ) -> tuple[SignIn | None, str | None]:
        """Who is signed in as the request wants it: within this interaction, or before and still recent enough.

        A provider that was switched off meanwhile is a way for neither; one that has told the end of the session by
        which a launch was confirmed has the person sign in again (Back-Channel Logout §2.7).
        """
        session = None if pending.launch is not None else self.sessions.current(browser.session)
        if pending.launch is None:
            check_session(pending, session)
        sid = session.sid if session else None
        if pending.sign_in is not None and self.still_counts(request, pending, pending.sign_in):
            return pending.sign_in, sid
        if request.prompt & ASKS_AGAIN:
            return None, None
        if pending.launch is not None:
            before = vouched(self.users, pending.launch)
            if request.fhir_server.reauthenticate:
                return None, None
        elif session is None or not self.may_go_on(request, session.sign_in):
            return None, None
        else:
            before = session.sign_in
        if request.max_age is not None and self.now() - before.auth_time > timedelta(seconds=request.max_age):
            return None, None
        return (None, None) if request.max_age == 0 else (before, sid)

    def still_counts(self, request: AuthorizationRequest, pending: Pending, sign_in: SignIn) -> bool:
        has_ended = pending.origin is not None and self.upstream.has_ended(pending.origin)
        return not has_ended and self.ways.of(request.fhir_server.name).allow(sign_in)

    def may_go_on(self, request: AuthorizationRequest, before: SignIn) -> bool:
        """Whether a session counts for this FHIR server: begun in a way that is one here as well (issue 6.1).

        At a provider once more may also tell which resource they are here; nobody is sent there for ``prompt=none``.
        """
        server = request.fhir_server.name
        if not self.ways.of(server).allow(before):
            return False
        to_be_found = before.provider is not None and self.users.fhir_user(before.sub, server) is None
        return not to_be_found or "none" in request.prompt
