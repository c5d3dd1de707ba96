"""How a client proves who it is: our checks, registered with Authlib by the registered method's name."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from authz.clients import assertion
from authz.clients.client import BY_KEY
from authz.clients.model import SeenAssertionRow
from authz.errors import InvalidClient, InvalidRequest
from authz.storage.database import insert_once

if TYPE_CHECKING:
    from authz.clients.registry import Client
    from authz.grants.base import GrantServices
    from authz.grants.caller import BackChannelRequest

log = logging.getLogger(__name__)

METHODS = ("private_key_jwt", "client_secret_basic", "client_secret_post", "none")


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

    def __init__(self, services: GrantServices) -> None:
        self.services = services
        self.clients = services.clients

    def private_key_jwt(self, _query: object, request: Any) -> AuthlibClient | None:
        """A JWT signed with a registered key; each is good once (SMART section 15)."""
        sent: BackChannelRequest = request.sent
        if not {"client_assertion", "client_assertion_type"} & sent.form.keys():
            return None
        try:
            return self.by_assertion(sent, request.uri)
        except assertion.BadAssertion as error:
            log.info("client assertion refused: %s", error)
            raise InvalidClient from error

    def by_assertion(self, sent: BackChannelRequest, called: str) -> AuthlibClient:
        """``called`` is the endpoint's URL. Raises BadAssertion, InvalidClient."""
        if sent.form.get("client_assertion_type") != assertion.ASSERTION_TYPE:
            raise assertion.BadAssertion("client_assertion_type is not jwt-bearer")
        read = assertion.read(sent.form.get("client_assertion", ""))
        known = self.known(read.client_id, sent)
        if known.client.token_endpoint_auth_method != BY_KEY:
            raise assertion.BadAssertion("the client is not registered for private_key_jwt")
        if known.client.signs_with not in {None, read.header.get("alg")}:
            raise assertion.BadAssertion("the client is registered for another algorithm")
        settings = self.services.settings
        audiences = {settings.issuer, settings.url("/token"), called}
        proved = assertion.claimed(read, known.client.jwks_uri, audiences, self.services.now())
        self.verify(read, known.client)
        with self.services.db.write() as session:  # of twelve at once one gets the row
            if not insert_once(session, SeenAssertionRow, digest=proved.digest, expires_at=proved.forget_at):
                raise assertion.BadAssertion("this jti was used before")
        return known

    def verify(self, read: assertion.Assertion, client: Client) -> None:
        """Raises BadAssertion if neither the client's key set nor a newer one holds the key; Unavailable."""
        problem = assertion.KeyNotFound("the signature does not verify by the client's last key set")
        for jwks in self.services.key_sets.of(client, partial(assertion.is_verified, read)):
            try:
                assertion.verify(read, jwks)
            except assertion.KeyNotFound as error:
                problem = error
            else:
                return
        raise problem

    def client_secret_basic(self, _query: object, request: Any) -> AuthlibClient | None:
        sent: BackChannelRequest = request.sent
        for client_id, secret in sent.basic:
            client = self.clients.by_secret(client_id, secret)
            if client is not None:
                return self.usable(client, sent)
        if sent.basic:
            raise InvalidClient
        return None

    def client_secret_post(self, _query: object, request: Any) -> AuthlibClient | None:
        sent: BackChannelRequest = request.sent
        secret = sent.form.get("client_secret")
        if secret is None:
            return None
        client_id = sent.form.get("client_id", "")
        return self.usable(self.clients.by_secret(client_id, secret), sent)

    def none(self, _query: object, request: Any) -> AuthlibClient | None:
        sent: BackChannelRequest = request.sent
        if sent.credentials():
            return None
        client_id = sent.form.get("client_id")
        if not client_id:
            raise InvalidRequest("client_id is missing, and no client authentication was sent")
        return self.known(client_id, sent)

    def known(self, client_id: str, sent: BackChannelRequest) -> AuthlibClient:
        return self.usable(self.clients.recent(client_id), sent)

    def usable(self, client: Client | None, sent: BackChannelRequest) -> AuthlibClient:
        """A client that is enabled; a client_id in the body must be the same one (SMART TOK-04)."""
        if client is None or not client.enabled:
            raise InvalidClient
        if sent.form.get("client_id", client.client_id) != client.client_id:
            raise InvalidClient
        return AuthlibClient(client)
