"""A provider says that somebody's session there has ended: those here that began with it end as well.

Whoever is between the provider and a session here is met by what is noted of it (``UpstreamSessions.check_goes_on``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from authz.audit.event import Event, EventName
from authz.errors import InvalidRequest, TemporarilyUnavailable
from authz.login.federated import logout_token
from authz.login.federated.signature import prove, unproved
from authz.login.federated.why import PASSING, UpstreamFailed, Why

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from authz.audit.event import Peer
    from authz.audit.trail import Trail
    from authz.limits import Limits
    from authz.login.federated.federation import Federation
    from authz.login.federated.logout_token import Ended
    from authz.login.federated.provider import Provider
    from authz.storage.database import Database
    from authz.tokens.sign_out import SignOut


class NotNow(TemporarilyUnavailable):
    def headers(self) -> dict[str, str]:
        return {"Retry-After": "60"}  # by then every address may be asked anew


@dataclass(frozen=True, slots=True)
class ToldToEnd:
    federation: Federation
    sign_out: SignOut
    db: Database
    trail: Trail
    limits: Limits
    now: Callable[[], datetime]

    def receive(self, name: str, token: str, peer: Peer) -> int:
        """End what is meant; how many sessions that were (OpenID Connect Back-Channel Logout 1.0 §2.6, §2.7).

        Raises InvalidRequest for what is not from the provider (§2.8), and TemporarilyUnavailable or Unavailable where
        that can't be said at the moment: then it is to be sent again.
        """
        provider = self.federation.providers.get(name)
        if provider is None or not provider.enabled:
            raise InvalidRequest("there is no such provider")
        try:
            ended = self.understood(provider, token, peer)
        except UpstreamFailed as failure:
            if failure.why in PASSING:
                raise NotNow("the keys of the provider can't be had at the moment") from failure
            refusal = InvalidRequest("the logout token is not valid")
            self.limits.refused(refusal, peer)
            self.refuse(name, failure, peer)
            raise refusal from failure
        with self.db.write() as sql:
            self.federation.sessions.note_end(sql, ended)
        with self.db.read() as sql:
            meant = [(row.session_digest, row.sub) for row in self.federation.sessions.meant(sql, ended)]
        for session_digest, sub in meant:
            self.sign_out.end_row(session_digest, sub, "provider", peer)
        with self.db.write() as sql:  # last: a token that was seen and not obeyed could not be sent again
            self.federation.sessions.see_once(sql, ended)
        return len(meant)

    def understood(self, provider: Provider, token: str, peer: Peer) -> Ended:
        """What it says is judged first: only for what could be the provider's is anything asked of the provider.

        And not for an address that was refused too often: there the keys that are here decide.
        """
        header, claims = unproved(token)
        ended = logout_token.check(header, claims, provider, self.now())
        with self.db.read() as sql:
            if self.federation.sessions.was_seen(sql, ended):
                raise UpstreamFailed(Why.UNTRUSTED, "this jti came before")
        published = self.federation.relying_party.published
        places = published.closed if self.limits.is_refused(peer) else published.telling
        prove(token, header, published.keys(published.metadata(provider.issuer, places), places))
        return ended

    def refuse(self, name: str, failure: UpstreamFailed, peer: Peer) -> None:
        detail = {"provider": name, "cause": str(failure)}
        self.trail.refused(Event(EventName.LOGOUT, "refused", failure.why.value, peer=peer, detail=detail))
