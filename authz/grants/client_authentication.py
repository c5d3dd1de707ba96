"""How a client proves who it is: our checks, registered with Authlib by the registered method's name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from authz.errors import InvalidClient, InvalidRequest

if TYPE_CHECKING:
    from authz.clients.registry import Client, Clients
    from authz.grants.caller import BackChannelRequest

METHODS = ("client_secret_basic", "client_secret_post", "none")


@dataclass(frozen=True, slots=True)
class AuthlibClient:
    """A client as Authlib asks about it: with its registered method and no other (SMART TOK-05)."""

    client: Client

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:  # noqa: ARG002  the same everywhere
        return method == self.client.token_endpoint_auth_method

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type in self.client.grant_types


class ClientAuthentication:
    """Authenticates the client of one back-channel request; every failure reads the same (security.md CA-01)."""

    def __init__(self, clients: Clients) -> None:
        self.clients = clients

    def client_secret_basic(self, _query: object, request: Any) -> AuthlibClient | None:
        sent: BackChannelRequest = request.sent
        for client_id, secret in sent.basic:
            if self.clients.verify_secret(client_id, secret):
                return self.known(client_id, sent)
        if sent.basic:
            raise InvalidClient
        return None

    def client_secret_post(self, _query: object, request: Any) -> AuthlibClient | None:
        sent: BackChannelRequest = request.sent
        secret = sent.form.get("client_secret")
        if secret is None:
            return None
        client_id = sent.form.get("client_id", "")
        if not self.clients.verify_secret(client_id, secret):
            raise InvalidClient
        return self.known(client_id, sent)

    def none(self, _query: object, request: Any) -> AuthlibClient | None:
        sent: BackChannelRequest = request.sent
        if sent.credentials():
            return None
        client_id = sent.form.get("client_id")
        if not client_id:
            raise InvalidRequest("client_id is missing, and no client authentication was sent")
        return self.known(client_id, sent)

    def known(self, client_id: str, sent: BackChannelRequest) -> AuthlibClient:
        """The enabled client; a client_id in the body must be the same one (SMART TOK-04)."""
        client = self.clients.find(client_id)
        if client is None or not client.enabled:
            raise InvalidClient
        if sent.form.get("client_id", client_id) != client_id:
            raise InvalidClient
        return AuthlibClient(client)
