"""What every grant of the token endpoint shares: authenticate, pay and issue in one transaction, then the hot copy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from authlib.oauth2.rfc6749.grants import BaseGrant, TokenEndpointMixin

from authz.errors import UnauthorizedClient
from authz.grants.client_authentication import METHODS

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from sqlalchemy.orm import Session

    from authz.audit.trail import Trail
    from authz.clients.key_sets import KeySets
    from authz.clients.registry import Client, Clients
    from authz.fhir_servers.registry import FhirServers
    from authz.grants.caller import BackChannelRequest
    from authz.limits import Limits
    from authz.policy.policy import Policy
    from authz.settings import Settings
    from authz.storage.database import Database
    from authz.tokens.authorization import Authorization
    from authz.tokens.code import Codes
    from authz.tokens.handle_revocation import HandleRevocation
    from authz.tokens.handles import Handles
    from authz.tokens.hot import HotAnswers
    from authz.tokens.issuer import Issuer
    from authz.tokens.refresh import RefreshTokens
    from authz.tokens.revocation import Revocation
    from authz.users.representation_links import Meeting


@dataclass(frozen=True, slots=True)
class GrantServices:
    """What grants work with."""

    settings: Settings
    db: Database
    now: Callable[[], datetime]
    clients: Clients
    key_sets: KeySets
    fhir_servers: FhirServers
    codes: Codes
    refresh_tokens: RefreshTokens
    handles: Handles
    handle_revocation: HandleRevocation
    issuer: Issuer
    hot: HotAnswers
    revocation: Revocation
    trail: Trail
    limits: Limits
    policy: Policy
    representing: Meeting


class Grant(BaseGrant, TokenEndpointMixin):
    """One ``grant_type``; a subclass says in ``authorize`` what was paid and what it buys."""

    TOKEN_ENDPOINT_AUTH_METHODS = METHODS
    GRANT_TYPE: str

    @property
    def services(self) -> GrantServices:
        services: GrantServices = self.server.services
        return services

    @property
    def sent(self) -> BackChannelRequest:
        sent: BackChannelRequest = self.request.sent
        return sent

    def authorize(self, session: Session, client: Client) -> Authorization:
        """Spend what was sent, in this transaction, and return what it bought."""
        raise NotImplementedError

    def validate_token_request(self) -> None:
        """Authenticate the client; it must be registered for this grant (RFC 6749 §5.2)."""
        caller = self.authenticate_token_endpoint_client()
        if not caller.check_grant_type(self.GRANT_TYPE):
            raise UnauthorizedClient(f"this client is not registered for grant_type {self.GRANT_TYPE}")
        self.request.client = caller.client

    def create_token_response(self) -> tuple[int, dict[str, Any], list[tuple[str, str]]]:
        services = self.services
        epoch = services.hot.current_epoch()  # before the transaction: a later revocation makes the copy stale
        with services.db.write() as session:
            paid = self.authorize(session, self.request.client)
            issued = services.issuer.issue(session, paid, self.sent.peer)
        services.hot.keep(issued.copy, epoch)
        return 200, issued.response.body(), []
