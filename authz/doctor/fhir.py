"""A FHIR server as apps meet it: its documents, its own name, its door."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from authz.doctor.finding import Finding
from authz.doctor.outside import (
    CLOCK_SECONDS,
    FOREIGN_ORIGIN,
    OK,
    UNAUTHORIZED,
    Outside,
    differing,
    json_object,
    seconds_apart,
)
from authz.errors import ServerError
from authz.outbound import FetchFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from authz.fhir_servers.registry import FhirServer
    from authz.outbound import Answer

FHIR_JSON = {"Accept": "application/fhir+json, application/json"}
OAUTH_URIS = "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris"


@dataclass(frozen=True, slots=True)
class FhirCheck:
    """One FHIR server, and what this server says about it."""

    outside: Outside
    server: FhirServer
    document: dict[str, Any]  # our SMART configuration of it
    security: dict[str, Any]  # our rest.security of it
    now: Callable[[], datetime]

    def run(self) -> Iterator[Finding]:
        try:
            metadata = self.get("metadata")
        except FetchFailed as failure:
            yield self.found("fhir.unreachable", f"{self.base}/metadata: {failure}")
            return
        yield from self.clock(metadata)
        yield from self.capability_statement(json_object(metadata) or {})
        for part in (self.discovery, self.aliases, self.door, self.forged_token):
            try:
                yield from part()
            except FetchFailed as failure:
                yield self.found("fhir.unreachable", str(failure))

    @property
    def base(self) -> str:
        return self.server.base_url.removesuffix("/")

    def found(self, id_: str, problem: str) -> Finding:
        return Finding(id_, self.server.name, problem)

    def get(self, path: str, headers: dict[str, str] | None = None) -> Answer:
        return self.outside.get(f"{self.base}/{path}", FHIR_JSON | (headers or {}))

    def clock(self, answer: Answer) -> Iterator[Finding]:
        apart = seconds_apart(answer, self.now())
        if apart is not None and apart > CLOCK_SECONDS:
            yield self.found("fhir.clock", f"its clock and this machine's are {apart:.0f} s apart")

    def discovery(self) -> Iterator[Finding]:
        """The document at the base URL is ours, and pages of any origin may read it (DISC-01, CORS-01)."""
        answer = self.get(".well-known/smart-configuration", {"Origin": FOREIGN_ORIGIN})
        document = json_object(answer)
        if document is None:
            yield self.found("fhir.discovery_missing", f"the document is no JSON object; status {answer.status}")
            return
        if members := differing(document, self.document):
            yield self.found("fhir.discovery_differs", f"not as this server says: {', '.join(members)}")
        allowed = answer.headers.get("access-control-allow-origin")
        if allowed not in {"*", FOREIGN_ORIGIN}:
            yield self.found("fhir.discovery_cors", f"Access-Control-Allow-Origin is {allowed or 'missing'}")

    def capability_statement(self, statement: dict[str, Any]) -> Iterator[Finding]:
        """What it calls itself must be an ``aud`` we know (AUTHZ-11, LAU-03); older apps find the endpoints in it."""
        if statement.get("resourceType") != "CapabilityStatement":
            yield self.found("fhir.metadata_security", "metadata is no CapabilityStatement that can be read")
            return
        implementation = statement.get("implementation")
        url = implementation.get("url") if isinstance(implementation, dict) else None
        if isinstance(url, str) and not self.server.accepts_aud(url):
            yield self.found("fhir.aud", f"it calls itself {url[:200]} (implementation.url), which no aud may be")
        version = statement.get("fhirVersion")
        if isinstance(version, str) and version not in self.server.fhir_versions:
            yield self.found("fhir.version", f"it says FHIR {version[:20]}, registered: {self.server.fhir_versions}")
        if oauth_uris(statement) != oauth_uris({"rest": [{"security": self.security}]}):
            yield self.found(
                "fhir.metadata_security", "rest.security of the CapabilityStatement has not our oauth-uris"
            )

    def aliases(self) -> Iterator[Finding]:
        for alias in self.server.aliases:
            try:
                answer = self.outside.get(f"{alias.removesuffix('/')}/.well-known/smart-configuration")
                problem = "" if answer.status == OK else f"status {answer.status}"
            except FetchFailed as failure:
                problem = str(failure)
            if problem:
                yield self.found("fhir.alias", f"{alias} has no SMART configuration: {problem}")

    def door(self) -> Iterator[Finding]:
        """Without a token nothing is read: 401 (RS-01, RFC 6750 §3)."""
        for type_ in ("Patient", "Observation"):
            answer = self.get(f"{type_}?_count=1")
            if answer.status == OK:
                yield self.found("fhir.open", f"GET {type_} without a token is answered")
                return
            if answer.status != UNAUTHORIZED:
                yield self.found("fhir.not_401", f"GET {type_} without a token has status {answer.status}")
                return
            if "www-authenticate" not in answer.headers:
                yield self.found("fhir.challenge", "401 without WWW-Authenticate")
                return

    def forged_token(self) -> Iterator[Finding]:
        """A token that nobody issued: refused, because this server was asked."""
        token = f"doctor-{secrets.token_urlsafe(24)}"
        answer = self.get("Patient?_count=1", {"Authorization": f"Bearer {token}"})
        if answer.status == OK and not any(self.door()):  # an open one was told already
            yield self.found("fhir.any_token", "GET Patient with an invented token is answered")
        elif answer.status >= ServerError.status:
            yield self.found(
                "fhir.introspection", f"GET Patient with an invented token has status {answer.status}: can it ask us?"
            )


def oauth_uris(statement: dict[str, Any]) -> dict[str, str]:
    """The endpoints that a CapabilityStatement names (SMART 1.0)."""
    found: dict[str, str] = {}
    for rest in statement.get("rest") or ():
        for extension in (rest.get("security") or {}).get("extension") or ():
            if extension.get("url") == OAUTH_URIS:
                found |= {one.get("url"): one.get("valueUri") for one in extension.get("extension") or ()}
    return found
