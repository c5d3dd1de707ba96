"""Signing out, asked for by an app or by the person (OpenID Connect RP-Initiated Logout 1.0)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from hmac import compare_digest
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

from authz.authorize.logout_records import SECONDS, LogoutRequest, Waiting, encode
from authz.errors import InvalidRequest
from authz.keyring.signing import BadSignature
from authz.wording import mark, prefer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from authz.audit.event import Peer
    from authz.authorize.logout_records import LogoutRecords
    from authz.authorize.outcome import BrowserFacts
    from authz.clients.registry import Client, Clients
    from authz.keyring.signing import Keyring
    from authz.login.federated.sessions import SignOutThere
    from authz.login.session import BrowserSession, Sessions
    from authz.strangers import Room
    from authz.tokens.sign_out import SignOut
    from authz.users.registry import Users


@dataclass(frozen=True, slots=True)
class AskToSignOut:
    handle: str  # of Waiting, the form's CSRF token too
    user_name: str
    app_name: str | None
    location: str | None  # where its form may end


@dataclass(frozen=True, slots=True)
class SignedOut:
    location: str | None = None
    there: SignOutThere | None = None  # where one may sign out at the hospital's provider too


@dataclass(frozen=True, slots=True)
class StillSignedIn:
    user_name: str


LogoutOutcome = AskToSignOut | SignedOut | StillSignedIn


class Logout:
    def __init__(
        self,
        records: LogoutRecords,
        room: Room,
        own: tuple[Clients, Users, Keyring],
        sign_out: SignOut,
        issuer: str,
    ) -> None:
        self.records = records
        self.room = room
        self.clients, self.users, self.keyring = own
        self.sign_out = sign_out
        self.issuer = issuer

    @property
    def sessions(self) -> Sessions:
        return self.sign_out.sessions

    def parse(self, parameters: Mapping[str, str]) -> LogoutRequest:
        """Check a request; whatever is wrong ends on a page of ours (§4). Raises InvalidRequest."""
        prefer(parameters.get("ui_locales"))
        claims = self.hint(parameters.get("id_token_hint"))
        client_id = parameters.get("client_id")
        if claims and client_id not in (None, claims["aud"]):
            raise InvalidRequest("client_id and id_token_hint name different apps")
        client = self.client(claims.get("aud") or client_id)
        wanted = parameters.get("post_logout_redirect_uri")
        if wanted is not None and (client is None or wanted not in client.post_logout_redirect_uris):
            raise InvalidRequest("post_logout_redirect_uri is not registered for this app")
        location = with_state(wanted, parameters.get("state")) if wanted and claims else None
        return LogoutRequest(
            client_id=client.client_id if client else None,
            location=location,
            sub=claims.get("sub"),
            sid=claims.get("sid"),
            ui_locales=parameters.get("ui_locales"),
        )

    def hint(self, hint: str | None) -> dict[str, Any]:
        """The claims of an id_token of ours, expired or not; none without a hint. Raises InvalidRequest."""
        if hint is None:
            return {}
        try:
            claims = self.keyring.verify(hint)
        except BadSignature as error:
            raise InvalidRequest("id_token_hint is not an id_token of this server") from error
        if claims.get("iss") != self.issuer or not isinstance(claims.get("aud"), str):
            raise InvalidRequest("id_token_hint is not an id_token of this server")
        return claims

    def client(self, client_id: str | None) -> Client | None:
        client = self.clients.find(client_id) if client_id else None
        return client if client is not None and client.enabled else None

    def keep(self, request: LogoutRequest, peer: Peer) -> str:
        """For a request that another site's page posted: only the visit after it comes with our cookies.

        Raises TooManyRequests.
        """
        self.room.take(len(encode(request)), peer, request.sub)
        return self.records.requests.put(request, SECONDS)

    def kept(self, handle: str) -> LogoutRequest:
        """Raises InvalidRequest."""
        found = self.records.requests.consume(handle)
        if found is None:
            raise InvalidRequest(mark("this page is out of date"))
        prefer(found.ui_locales)
        return found

    def begin(self, request: LogoutRequest, browser: BrowserFacts) -> LogoutOutcome:
        """Sign out whom the hint names, at once; anybody else is asked. Who is not signed in has signed out (§2).

        Raises TooManyRequests.
        """
        session = self.sessions.current(browser.session)
        is_own = session is not None and (request.sub, request.sid) == (session.sign_in.sub, session.sid)
        if session is not None and browser.session is not None and is_own:
            self.sign_out.end(browser.session, session, "app", browser.peer)
            return self.signed_out(session, request.location)
        client = self.client(request.client_id)
        if client is None or not client.is_approved:  # its link must not lead anybody anywhere (RFC 9700 §4.11.2)
            request = replace(request, location=None)
        if request.client_id and request.sub and request.sid:  # of another session, whoever is signed in here
            self.sign_out.end_at_app(request.client_id, request.sub, request.sid)
        if session is None:
            return SignedOut(request.location)
        waiting = Waiting(session.sid, request.location, request.ui_locales)
        self.room.take(len(encode(waiting)), browser.peer, session.sign_in.sub)
        handle = self.records.pages.put(waiting, SECONDS)
        return AskToSignOut(handle, self.name(session), client.shown_name if client else None, request.location)

    def answer(self, handle: str, browser: BrowserFacts, *, agreed: bool) -> LogoutOutcome:
        """What the person said; only in the session that was asked. Raises InvalidRequest."""
        asked = self.records.pages.consume(handle)
        prefer(asked.ui_locales if asked else None)
        session = self.sessions.current(browser.session)
        if session is None or browser.session is None:
            return SignedOut(asked.location if asked else None)
        if asked is None or not compare_digest(asked.sid, session.sid):
            raise InvalidRequest(mark("this page is out of date, or it was opened in another browser"))
        if not agreed:
            return StillSignedIn(self.name(session))
        self.sign_out.end(browser.session, session, "user", browser.peer)
        return self.signed_out(session, asked.location)

    def signed_out(self, session: BrowserSession, location: str | None) -> SignedOut:
        """Whoever stays on a page of ours is offered to sign out at the provider as well; nobody is sent there."""
        return SignedOut(location, None if location else self.sign_out.upstream.way_out(session.digest))

    def name(self, session: BrowserSession) -> str:
        user = self.users.by_sub(session.sign_in.sub)
        return user.display_name if user else ""


def with_state(uri: str, state: str | None) -> str:
    """The registered address, its own query kept, with ``state`` as it came (§3)."""
    if state is None:
        return uri
    return f"{uri}{'&' if urlsplit(uri).query else '?'}{urlencode({'state': state})}"
