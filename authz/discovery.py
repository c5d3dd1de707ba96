"""The discovery documents, generated from what is switched on; four places, one truth (oauth.md Part 10)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from authz.settings import Settings

OAUTH_URIS = "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris"
SECURITY_SERVICE_SYSTEMS = (
    "http://terminology.hl7.org/CodeSystem/restful-security-service",  # FHIR R4 and later
    "http://hl7.org/fhir/restful-security-service",  # STU3 and DSTU2
)
SCOPES = (
    "openid",
    "fhirUser",
    "profile",
    "launch",
    "launch/patient",
    "launch/encounter",
    "offline_access",
    "online_access",
    "patient/*.rs",
    "patient/*.cruds",
    "user/*.rs",
    "user/*.cruds",
    "system/*.rs",
    "system/*.cruds",
    "patient/*.read",
    "patient/*.write",
    "user/*.read",
    "user/*.write",
)
CAPABILITIES = (
    "launch-ehr",
    "launch-standalone",
    "authorize-post",
    "client-public",
    "client-confidential-symmetric",
    "client-confidential-asymmetric",
    "sso-openid-connect",
    "context-banner",
    "context-style",
    "context-ehr-patient",
    "context-ehr-encounter",
    "permission-offline",
    "permission-online",
    "permission-patient",
    "permission-user",
    "permission-v1",
    "permission-v2",
)
CONFIDENTIAL_METHODS = ["client_secret_basic", "client_secret_post", "private_key_jwt"]
ASSERTION_ALGORITHMS = ["RS384", "ES384"]
PROMPTS = ["none", "login", "consent", "select_account"]
CLAIMS = ["sub", "iss", "aud", "exp", "iat", "auth_time", "nonce", "amr", "acr", "sid", "at_hash", "fhirUser", "name"]


@dataclass(frozen=True, slots=True)
class Discovery:
    """Says where the endpoints are and what they can do.

    ``grant_types`` and ``auth_methods`` are those the token endpoint really has.
    """

    settings: Settings
    grant_types: tuple[str, ...]

    def endpoints(self) -> dict[str, str]:
        url = self.settings.url
        return {
            "issuer": self.settings.issuer,
            "jwks_uri": url("/jwks"),
            "authorization_endpoint": url("/authorize"),
            "token_endpoint": url("/token"),
            "introspection_endpoint": url("/introspect"),
            "revocation_endpoint": url("/revoke"),
        }

    def smart_configuration(self) -> dict[str, Any]:
        """The document a FHIR server serves at ``{base}/.well-known/smart-configuration`` (SMART section 2).

        ``refresh_token`` is not among the grant types the specification names there (AMB-01).
        """
        return {
            **self.endpoints(),
            "userinfo_endpoint": self.settings.url("/userinfo"),
            "grant_types_supported": [name for name in self.grant_types if name != "refresh_token"],
            "token_endpoint_auth_methods_supported": CONFIDENTIAL_METHODS,
            "token_endpoint_auth_signing_alg_values_supported": ASSERTION_ALGORITHMS,
            "response_types_supported": ["code"],
            "code_challenge_methods_supported": ["S256"],
            "scopes_supported": list(SCOPES),
            "capabilities": list(CAPABILITIES),
        }

    def oauth_metadata(self) -> dict[str, Any]:
        """RFC 8414 §2; defaults that would lie when left out are stated."""
        return {
            **self.endpoints(),
            "scopes_supported": list(SCOPES),
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "grant_types_supported": list(self.grant_types),
            "token_endpoint_auth_methods_supported": [*CONFIDENTIAL_METHODS, "none"],
            "token_endpoint_auth_signing_alg_values_supported": ASSERTION_ALGORITHMS,
            "introspection_endpoint_auth_methods_supported": ["client_secret_basic"],
            "revocation_endpoint_auth_methods_supported": [*CONFIDENTIAL_METHODS, "none"],
            "revocation_endpoint_auth_signing_alg_values_supported": ASSERTION_ALGORITHMS,
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": True,
        }

    def openid_configuration(self) -> dict[str, Any]:
        """OpenID Connect Discovery §3."""
        return {
            **self.oauth_metadata(),
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
        }

    def oauth_uris(self) -> dict[str, Any]:
        """The ``rest.security`` fragment for a CapabilityStatement (SMART 1.0, CS-01..05)."""
        endpoints = self.endpoints()
        names = {
            "authorize": "authorization_endpoint",
            "token": "token_endpoint",
            "introspect": "introspection_endpoint",
            "revoke": "revocation_endpoint",
        }
        uris = [{"url": name, "valueUri": endpoints[member]} for name, member in names.items()]
        coding = [
            {"system": system, "code": "SMART-on-FHIR", "display": "SMART-on-FHIR"}
            for system in SECURITY_SERVICE_SYSTEMS
        ]
        return {
            "cors": True,
            "service": [{"coding": coding, "text": "OAuth 2.0 as profiled by SMART App Launch"}],
            "extension": [{"url": OAUTH_URIS, "extension": uris}],
        }
