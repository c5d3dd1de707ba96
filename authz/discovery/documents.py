from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from authz.discovery.offer import CAPABILITIES, SCOPES, Offer, backends, listed, messaging, registration, users

if TYPE_CHECKING:
    from collections.abc import Iterable

    from authz.brands.registry import Published
    from authz.fhir_servers.registry import FhirServer
    from authz.settings import Settings

OAUTH_URIS = "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris"
SECURITY_SERVICE_SYSTEMS = (
    "http://terminology.hl7.org/CodeSystem/restful-security-service",  # FHIR R4 and later
    "http://hl7.org/fhir/restful-security-service",  # STU3 and DSTU2
)
NAMES_IN_CAPABILITY_STATEMENT = {
    "authorize": "authorization_endpoint",
    "token": "token_endpoint",
    "register": "registration_endpoint",
    "manage": "management_endpoint",
    "introspect": "introspection_endpoint",
    "revoke": "revocation_endpoint",
}
CONFIDENTIAL_METHODS = ["client_secret_basic", "client_secret_post", "private_key_jwt"]
BEARER = "Bearer"  # RFC 8414 §2 allows token types here; the token needs the scope __introspect
ASSERTION_ALGORITHMS = ["RS384", "ES384"]
PROMPTS = ["none", "login", "consent", "select_account"]
CLAIMS = ["sub", "iss", "aud", "exp", "iat", "auth_time", "nonce", "amr", "acr", "sid", "at_hash", "fhirUser", "name"]
GRANTS = {"authorization_code": users, "refresh_token": users, "client_credentials": backends}


@dataclass(frozen=True, slots=True)
class Discovery:
    """Says where the endpoints are and what they can do; ``grant_types`` are those the token endpoint really has."""

    settings: Settings
    grant_types: tuple[str, ...]
    languages: tuple[str, ...] = ()  # of the pages for people, as tags

    def smart_configuration(self, server: FhirServer, brands: Published | None = None) -> dict[str, Any]:
        """The document a FHIR server serves at ``{base}/.well-known/smart-configuration`` (SMART section 2).

        ``refresh_token`` is not among the grant types the specification names there (AMB-01).
        """
        offer = Offer((server,))
        by_users = self.for_users() if offer.has_users else {}
        return {
            **by_users,
            **self.for_everybody(),
            **self.registration(offer, f"/fhir-servers/{server.name}/register"),
            **self.brand(server, brands),
            "grant_types_supported": [name for name in self.grants(offer) if name != "refresh_token"],
            "token_endpoint_auth_methods_supported": CONFIDENTIAL_METHODS if offer.has_users else ["private_key_jwt"],
            "token_endpoint_auth_signing_alg_values_supported": ASSERTION_ALGORITHMS,
            "code_challenge_methods_supported": ["S256"],
            "scopes_supported": listed(SCOPES, offer),
            "capabilities": listed(CAPABILITIES, offer),
            **self.web_messaging(offer),
            **({"associated_endpoints": list(server.associated_endpoints)} if server.associated_endpoints else {}),
        }

    def for_users(self) -> dict[str, Any]:
        """What is of use where apps are opened by people."""
        return {
            "issuer": self.settings.issuer,
            "jwks_uri": self.settings.url("/jwks"),
            "authorization_endpoint": self.settings.url("/authorize"),
            "userinfo_endpoint": self.settings.url("/userinfo"),
            "management_endpoint": self.settings.url("/my-apps"),
            "response_types_supported": ["code"],
        }

    def for_everybody(self) -> dict[str, str]:
        return {
            "token_endpoint": self.settings.url("/token"),
            "introspection_endpoint": self.settings.url("/introspect"),
            "revocation_endpoint": self.settings.url("/revoke"),
        }

    def brand(self, server: FhirServer, brands: Published | None) -> dict[str, Any]:
        """Where the published bundle is, and which brand there is this FHIR server's (SMART UB-01, UB-02)."""
        if brands is None or not brands.lists(server):
            return {}
        identifier = brands.identifiers[server.base_url]
        named = {"user_access_brand_identifier": identifier} if identifier else {}
        return {"user_access_brand_bundle": self.settings.url("/user-access-brands"), **named}

    def web_messaging(self, offer: Offer) -> dict[str, Any]:
        """Names of our own, as SMART section 2.3 wants them: that of the capability is a URI."""
        if not messaging(offer):
            return {}
        endpoints = {
            "introspection_endpoint": self.settings.url("/web-messaging/introspect"),
            "revocation_endpoint": self.settings.url("/web-messaging/revoke"),
        }
        capability = self.settings.url("/capabilities/smart-web-messaging")
        return {"capabilities": [*listed(CAPABILITIES, offer), capability], "__smart_web_messaging": endpoints}

    def registration(self, offer: Offer, path: str) -> dict[str, str]:
        """Where apps register themselves, if they may (SMART MGT-04, RFC 7591 §3)."""
        return {"registration_endpoint": self.settings.url(path)} if registration(offer) else {}

    def documentation(self, offer: Offer) -> dict[str, str]:
        """Where the makers of apps read on (RFC 8414 §2)."""
        return {"service_documentation": self.settings.url("/developers")} if registration(offer) else {}

    def grants(self, offer: Offer) -> list[str]:
        return [name for name in self.grant_types if GRANTS[name](offer)]

    def oauth_metadata(self, servers: Iterable[FhirServer]) -> dict[str, Any]:
        """RFC 8414 §2, of all these FHIR servers together; defaults that would lie when left out are stated."""
        offer = Offer(tuple(servers))
        return {
            **{name: value for name, value in self.for_users().items() if name != "userinfo_endpoint"},
            **self.for_everybody(),
            **self.registration(offer, "/register"),
            **self.documentation(offer),
            "scopes_supported": listed(SCOPES, offer),
            "response_modes_supported": ["query"],
            "grant_types_supported": self.grants(offer),
            "token_endpoint_auth_methods_supported": [*CONFIDENTIAL_METHODS, "none"],
            "token_endpoint_auth_signing_alg_values_supported": ASSERTION_ALGORITHMS,
            "introspection_endpoint_auth_methods_supported": [*CONFIDENTIAL_METHODS, BEARER],
            "introspection_endpoint_auth_signing_alg_values_supported": ASSERTION_ALGORITHMS,
            "revocation_endpoint_auth_methods_supported": [*CONFIDENTIAL_METHODS, "none"],
            "revocation_endpoint_auth_signing_alg_values_supported": ASSERTION_ALGORITHMS,
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": True,
            "ui_locales_supported": list(self.languages),
        }

    def openid_configuration(self, servers: Iterable[FhirServer]) -> dict[str, Any]:
        """OpenID Connect Discovery §3."""
        return {
            **self.oauth_metadata(servers),
            "userinfo_endpoint": self.settings.url("/userinfo"),
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "claim_types_supported": ["normal"],
            "claims_supported": CLAIMS,
            "claims_parameter_supported": True,
            "request_parameter_supported": False,
            "request_uri_parameter_supported": False,
            "require_request_uri_registration": False,
            "prompt_values_supported": PROMPTS,
            "end_session_endpoint": self.settings.url("/logout"),
            "backchannel_logout_supported": True,
            "backchannel_logout_session_supported": True,
        }

    def oauth_uris(self, server: FhirServer) -> dict[str, Any]:
        """The ``rest.security`` fragment for a CapabilityStatement, of the same URLs (SMART 1.0, CS-01..05)."""
        document = self.smart_configuration(server)
        uris = [
            {"url": name, "valueUri": document[member]}
            for name, member in NAMES_IN_CAPABILITY_STATEMENT.items()
            if member in document
        ]
        coding = [
            {"system": system, "code": "SMART-on-FHIR", "display": "SMART-on-FHIR"}
            for system in SECURITY_SERVICE_SYSTEMS
        ]
        return {
            "cors": True,
            "service": [{"coding": coding, "text": "OAuth 2.0 as profiled by SMART App Launch"}],
            "extension": [{"url": OAUTH_URIS, "extension": uris}],
        }
