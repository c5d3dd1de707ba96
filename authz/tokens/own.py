"""Tokens by which this server itself asks a FHIR server something, on the rights of the person at the page."""

from __future__ import annotations

import secrets
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from authz.audit.event import EventName
from authz.storage.database import insert_now
from authz.tokens.authorization import Authorization
from authz.tokens.store import OWN_CLIENT_ID, NewGrant
from authz.tokens.usable import around, check_usable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from authz.audit.event import Peer
    from authz.fhir_servers.server import FhirServer
    from authz.scopes import ScopeSet
    from authz.storage.database import Database
    from authz.tokens.issuer import Issuer
    from authz.tokens.revocation import Revocation

SECONDS = 60
DONE = "search_done"


@dataclass(frozen=True, slots=True)
class OnBehalf:
    """Whose rights are used, where, and who sent the request at hand."""

    sub: str  # empty: this server itself asks, who a person is that has just signed in
    fhir_user: str | None  # relative reference
    client_id: str  # of the app that waits for the answer
    server: FhirServer
    peer: Peer
    launch_id: str | None = None  # the opening of an app it is done for


@dataclass(frozen=True, slots=True)
class Lent:
    token: str
    grant_id: str


class OwnTokens:
    def __init__(self, db: Database, now: Callable[[], datetime], issuer: Issuer, revocation: Revocation) -> None:
        self.db = db
        self.now = now
        self.issuer = issuer
        self.revocation = revocation

    @contextmanager
    def lend(self, who: OnBehalf, scope: ScopeSet) -> Iterator[Lent]:
        """An access token like any other, for one question: at most 60 seconds, and revoked when that is answered.

        Raises InvalidGrant if the person or the FHIR server has been switched off.
        """
        new = NewGrant(
            OWN_CLIENT_ID,
            who.server.name,
            scope,
            sub=who.sub or None,
            fhir_user=who.server.absolute(who.fhir_user) if who.fhir_user else None,
        )
        grant_id = secrets.token_hex(16)
        with self.db.write() as session:
            grant = new.as_row(grant_id, self.now())
            insert_now(session, grant)
            check_usable(grant, around(session, grant), self.now())
            paid = Authorization(grant, scope, SECONDS, refresh=None, event=EventName.TOKEN_ISSUED)
            issued = self.issuer.issue(session, paid, who.peer)
        try:
            yield Lent(issued.response.access_token, grant_id)
        finally:
            self.revocation.revoke_grant(grant_id, DONE, peer=who.peer)
