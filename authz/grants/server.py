"""Authlib's framework-free server, fed with what the gate has let through (decision 25)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from authlib.oauth2.rfc6749 import AuthorizationServer, OAuth2Request
from authlib.oauth2.rfc6749.errors import InvalidClientError, OAuth2Error, UnsupportedGrantTypeError
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload

from authz.errors import InvalidClient, InvalidRequest, OAuthError, UnsupportedGrantType
from authz.grants.authorization_code import AuthorizationCode
from authz.grants.client_authentication import METHODS, ClientAuthentication
from authz.grants.client_credentials import ClientCredentials
from authz.grants.refresh_token import RefreshToken
from authz.grants.refusals import Refusals

if TYPE_CHECKING:
    from authz.clients.registry import Client
    from authz.grants.base import GrantServices
    from authz.grants.caller import BackChannelRequest

GRANTS = (AuthorizationCode, RefreshToken, ClientCredentials)


class TokenServer(AuthorizationServer):
    """Dispatches a token request to its grant, and authenticates clients wherever they call."""

    def __init__(self, services: GrantServices) -> None:
        super().__init__()
        self.services = services
        self.refusals = Refusals(services.db, services.trail, services.limits)
        authentication = ClientAuthentication(services)
        for method in METHODS:
            self.register_client_auth_method(method, getattr(authentication, method))
        for grant in GRANTS:
            self.register_grant(grant)

    @property
    def grant_types(self) -> tuple[str, ...]:
        return tuple(grant.GRANT_TYPE for grant in GRANTS)

    def query_client(self, client_id: str) -> Client | None:
        return self.services.clients.find(client_id)

    def send_signal(self, name: str, *args: object, **kwargs: object) -> None:
        """Nobody listens: what happens is on the audit trail."""

    def respond(self, request: BackChannelRequest) -> dict[str, Any]:
        """The body of a successful token answer (RFC 6749 §5.1).

        Raises OAuthError (§5.2), which is on the trail then and has a support code, TooManyRequests, or Unavailable.
        """
        asked = self.authlib_request(request)
        try:
            return self.dispatched(asked, request)
        except OAuthError as error:
            self.refusals.record(request, asked.client, error)
            raise

    def dispatched(self, asked: OAuth2Request, request: BackChannelRequest) -> dict[str, Any]:
        if not request.form.get("grant_type"):
            raise InvalidRequest("grant_type is missing")
        request.check_one_credential()
        try:
            grant = self.get_token_grant(asked)
            grant.validate_token_request()
            body: dict[str, Any] = grant.create_token_response()[1]
        except UnsupportedGrantTypeError as error:
            supported = ", ".join(self.grant_types)
            raise UnsupportedGrantType(f"grant_type must be one of: {supported}") from error
        except OAuth2Error as error:
            raise as_ours(error) from error
        return body

    def authenticate(self, request: BackChannelRequest) -> Client:
        """The client of a request to another endpoint, such as /revoke. Raises InvalidClient or InvalidRequest."""
        request.check_one_credential()
        try:
            client: Client = self.authenticate_client(self.authlib_request(request), METHODS).client
        except OAuth2Error as error:
            raise as_ours(error) from error
        return client

    def authlib_request(self, request: BackChannelRequest) -> OAuth2Request:
        asked = OAuth2Request("POST", self.services.settings.url(request.path))
        asked.payload = BasicOAuth2Payload(request.form)
        asked.sent = request
        return asked


def as_ours(error: OAuth2Error) -> InvalidClient | InvalidRequest:
    """Authlib's own refusals: only that no registered method was used, or something we did not foresee."""
    if isinstance(error, InvalidClientError):
        return InvalidClient()
    return InvalidRequest("the request is malformed")
