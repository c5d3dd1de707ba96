"""What there is to use at each FHIR server where apps may register: its discovery document, in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from authz.developers import curl, words
from authz.fhir_servers.features import AppRegistration
from authz.fhir_servers.server import FHIR_VERSIONS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from authz.consent.catalogue import Catalogue
    from authz.developers.words import ScopeInWords
    from authz.discovery.documents import Discovery
    from authz.fhir_servers.registry import FhirServer

ENDPOINTS = {
    "authorization_endpoint": "Authorization",
    "token_endpoint": "Token",
    "registration_endpoint": "Registration",
    "introspection_endpoint": "Introspection",
    "revocation_endpoint": "Revocation",
    "userinfo_endpoint": "Who the user is",
    "management_endpoint": "Where people end access",
    "jwks_uri": "Keys that sign id_tokens",
}

REGISTRATION = {
    AppRegistration.OPEN: "Open to everybody",
    AppRegistration.INVITED: "With an invitation (initial access token) from the hospital",
}


@dataclass(frozen=True, slots=True)
class Offered:
    """One FHIR server as its makers of apps need it."""

    server: FhirServer
    organization: str
    versions: tuple[str, ...]
    registration: str
    capabilities: tuple[str, ...]
    scopes: tuple[ScopeInWords, ...]
    endpoints: tuple[tuple[str, str], ...]
    discovery_curl: str


@dataclass(frozen=True, slots=True)
class Overview:
    discovery: Discovery
    catalogue: Catalogue
    organization: str

    def of(self, servers: Iterable[FhirServer]) -> list[Offered]:
        return [self.one(server) for server in servers]

    def one(self, server: FhirServer) -> Offered:
        document: dict[str, Any] = self.discovery.smart_configuration(server)
        organization = server.branding.organization or self.organization
        scopes = (words.scope(text, self.catalogue, organization) for text in document["scopes_supported"])
        return Offered(
            server=server,
            organization=organization,
            versions=tuple(FHIR_VERSIONS[version] for version in server.fhir_versions),
            registration=REGISTRATION[server.registration],
            capabilities=tuple(map(words.capability, document["capabilities"])),
            scopes=tuple(scopes),
            endpoints=tuple((title, document[name]) for name, title in ENDPOINTS.items() if name in document),
            discovery_curl=curl.discovery(server.base_url),
        )
