"""FHIR servers and EHRs, which are no clients: each calls by a credential of its own."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from authz.clients import assertion
from authz.clients.model import SeenAssertionRow
from authz.errors import InvalidClient
from authz.storage.database import insert_once
from authz.tokens.introspection import Caller

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from authz.fhir_servers.registry import Ehr, Ehrs, FhirServers
    from authz.grants.caller import BackChannelRequest
    from authz.settings import Settings
    from authz.storage.database import Database

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FhirServerCredentials:
    fhir_servers: FhirServers

    def caller(self, request: BackChannelRequest) -> Caller | None:
        for client_id, secret in request.basic:
            server = self.fhir_servers.authenticate(client_id, secret)
            if server is not None:
                return Caller(client_id, frozenset({server.name}))
        return None


@dataclass(frozen=True, slots=True)
class EhrCredentials:
    """An EHR calls by its secret, or by one of the keys that it signs launches with."""

    ehrs: Ehrs
    settings: Settings
    db: Database
    now: Callable[[], datetime]

    def caller(self, request: BackChannelRequest) -> Caller | None:
        for client_id, secret in request.basic:
            ehr = self.ehrs.authenticate(client_id, secret)
            if ehr is not None:
                return Caller(client_id, ehr.fhir_servers, ehr=client_id)
        if "client_assertion" in request.form:
            return self.by_assertion(request)
        return None

    def by_assertion(self, request: BackChannelRequest) -> Caller | None:
        """As a client's (SMART section 15, RFC 7523 §3): each assertion is good once."""
        try:
            read = assertion.read(request.form["client_assertion"])
            ehr = self.ehrs.get(read.client_id)
            if ehr is None or ehr.jwks is None:
                return None
            self.prove(request, read, ehr)
        except assertion.BadAssertion as error:
            log.info("assertion of an EHR refused: %s", error)
            raise InvalidClient from error
        return Caller(ehr.client_id, ehr.fhir_servers, ehr=ehr.client_id)

    def prove(self, request: BackChannelRequest, read: assertion.Assertion, ehr: Ehr) -> None:
        """Raises BadAssertion."""
        if request.form.get("client_assertion_type") != assertion.ASSERTION_TYPE:
            raise assertion.BadAssertion("client_assertion_type is not jwt-bearer")
        if not ehr.enabled or request.form.get("client_id", ehr.client_id) != ehr.client_id or ehr.jwks is None:
            raise assertion.BadAssertion("the EHR is switched off, or client_id is another one")
        audiences = {self.settings.issuer, self.settings.url("/token"), self.settings.url(request.path)}
        proved = assertion.claimed(read, None, audiences, self.now())
        assertion.verify(read, ehr.jwks)
        with self.db.write() as session:
            if not insert_once(session, SeenAssertionRow, digest=proved.digest, expires_at=proved.forget_at):
                raise assertion.BadAssertion("this jti was used before")
