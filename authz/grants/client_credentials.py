"""``grant_type=client_credentials``: a backend service gets a token of its own (SMART BKS-01..12, decision 12)."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from authz.audit.event import EventName
from authz.clients.client import from_row
from authz.clients.model import ClientRow
from authz.errors import InvalidClient, InvalidRequest, InvalidScope, InvalidTarget, UnauthorizedClient
from authz.fhir_servers.features import Feature
from authz.grants.base import Grant
from authz.keyring.public_keys import keeps_keys
from authz.policy.access import switched_off
from authz.policy.app_state import only_own_state
from authz.scopes import (
    ExtensionScope,
    Limit,
    Reason,
    ResourceScope,
    ScopeSet,
    judge,
    only_constraints_on,
    only_levels,
    only_types,
)
from authz.storage.database import insert_now
from authz.storage.turns import of_client, of_fhir_server, together
from authz.tokens.authorization import Authorization
from authz.tokens.store import NewGrant
from authz.tokens.usable import around, check_usable

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from authz.clients.registry import Client
    from authz.fhir_servers.registry import FhirServer
    from authz.scopes import Judgement
    from authz.scopes.scope import Scope

NOT_APPROVED = "this backend service is not approved yet: an administrator has to decide about it"


class ClientCredentials(Grant):
    """Registered only for clients with ``private_key_jwt``, so the client has proved a key of its own (BKS-01)."""

    GRANT_TYPE = "client_credentials"

    def authorize(self, session: Session, client: Client) -> Authorization:
        services = self.services
        requested = ScopeSet.parse(self.sent.form.get("scope", ""))
        if not requested:
            raise InvalidRequest("scope is missing: a backend service says what it needs")
        together(session, of_client(client.client_id))
        client = self.current(session, client)
        server = self.fhir_server(client)
        together(session, of_fhir_server(server.name))
        judgement = decide(client, server, requested)
        verdicts = tuple(verdict.as_dict() for verdict in judgement.verdicts)
        if not judgement.granted:
            told = "nothing of this scope is registered for this client at this FHIR server"
            raise InvalidScope(told).explained(verdicts)
        new = NewGrant(client.client_id, server.name, judgement.granted, verdicts=verdicts)
        grant = new.as_row(secrets.token_hex(16), services.now())
        insert_now(session, grant)
        about = around(session, grant)
        check_usable(grant, about, services.now())
        if about.server is None or about.server.base_url != server.base_url:
            raise InvalidTarget("the FHIR server was changed meanwhile: ask again")
        return Authorization(
            grant=grant,
            scope=judgement.granted,
            access_token_seconds=services.settings.backend_token_seconds,
            refresh=None,
            event=EventName.TOKEN_ISSUED,
        )

    def current(self, session: Session, known: Client) -> Client:
        """The client as it is until this transaction ends; ``known`` is as it authenticated, perhaps a moment ago.

        Whoever changed it since has revoked the grants that there were, and not the one that is made here. Raises
        InvalidClient and UnauthorizedClient.
        """
        row = session.get(ClientRow, known.client_id, with_for_update={"read": True})
        if row is None or not row.enabled:
            raise InvalidClient
        client = from_row(row, self.services.now())
        if not keeps_proof(known, client) or self.GRANT_TYPE not in client.grant_types:
            raise InvalidClient
        if not client.is_approved:
            raise UnauthorizedClient(NOT_APPROVED)
        return client

    def fhir_server(self, client: Client) -> FhirServer:
        """The one that ``resource`` names, else the only one the client may use (BKS-12, RFC 8707 §2)."""
        known = [s for s in self.services.fhir_servers.all() if s.enabled and client.may_use(s.name)]
        usable = [server for server in known if server.offers(Feature.BACKEND_SERVICES)]
        if known and not usable:
            raise UnauthorizedClient("backend services are not offered at this client's FHIR server")
        resource = self.sent.form.get("resource")
        if resource:
            usable = [server for server in usable if server.accepts_aud(resource)]
            if len(usable) != 1:
                raise InvalidTarget("resource must be the base URL of one FHIR server that this client may use")
        if len(usable) != 1:
            raise InvalidRequest("say with resource which FHIR server the token is for: its base URL")
        return usable[0]


def keeps_proof(known: Client, client: Client) -> bool:
    """Whether what a client was known by still proves that it is this client."""
    same_way = known.token_endpoint_auth_method == client.token_endpoint_auth_method
    return same_way and known.jwks_uri == client.jwks_uri and keeps_keys(known.jwks, client.jwks)


def decide(client: Client, server: FhirServer, requested: ScopeSet) -> Judgement:
    """Part of what was asked may be granted; launch, identity and refresh scopes have no meaning here (BKS-11)."""
    limits = [
        only_types(server.resource_types),
        only_levels("system"),
        *switched_off(server),
        Limit(Reason.UNSUPPORTED, is_for_backends, "without a user there is nothing of the kind"),
        Limit(Reason.NOT_REGISTERED, client.scope, "the client is not registered for it"),
        *only_own_state(client, server),
        only_constraints_on(server.constraints),
    ]
    return judge(requested, limits)


def is_for_backends(scope: Scope) -> bool:
    return isinstance(scope, (ResourceScope, ExtensionScope))
