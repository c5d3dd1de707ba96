from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from authz.clients.language import nearest
from authz.clients.redirect_uri import origin
from authz.scopes import ScopeSet
from authz.wording import gettext

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from authz.clients.legacy import Legacy
    from authz.clients.model import ClientRow

NO_AUTHENTICATION = "none"  # RFC 7591 §2: the method of a public client
BY_KEY = "private_key_jwt"
OWN_PREFIX = "authz:"  # no client can be registered under a name with a colon
CONTEXT_AS_STRINGS = "fhirContext-as-strings"  # see clients.legacy


@dataclass(frozen=True, slots=True)
class Client:
    """A registered app; ``scope`` is the most it may ask for."""

    client_id: str
    client_name: str
    token_endpoint_auth_method: str
    application_type: str  # "web" or "native"
    grant_types: frozenset[str]
    redirect_uris: tuple[str, ...]
    launch_uris: tuple[str, ...]
    allowed_origins: frozenset[str]  # as registered, or else those of redirect_uris
    scope: ScopeSet
    jwks: dict[str, Any] | None
    jwks_uri: str | None
    about: dict[str, Any]  # client_uri, logo_uri, policy_uri, tos_uri, contacts
    fhir_servers: tuple[str, ...]  # empty: every FHIR server
    skip_consent_in_ehr_launch: bool
    any_loopback_port: bool
    enabled: bool
    app_state_codes: frozenset[str] = frozenset()  # system|code: the kinds of state it may keep (SMART APS-08)
    legacy: frozenset[str] = frozenset()  # what is forgiven to it, see clients.legacy
    post_logout_redirect_uris: tuple[str, ...] = ()
    required_scope: ScopeSet = field(default_factory=ScopeSet)  # without this much of what it may get it does not work
    user_types: frozenset[str] = frozenset()  # FHIR resource types of who may use it; empty: anybody
    is_approved: bool = True  # else for test accounts only
    preferences: dict[str, Any] = field(default_factory=dict)  # see clients.preferences
    registered_at: datetime | None = None
    logo: str = ""  # its version, if an administrator has uploaded one
    web_messaging_origins: tuple[str, ...] = ()  # as registered, or else those of redirect_uris and launch_uris

    @property
    def shown_name(self) -> str:
        """In the language of the page, if it was registered in it. Each of the names was checked and approved."""
        if self.is_own:
            return gettext(self.client_name)
        return str(nearest(self.about, "client_name") or self.client_name)

    @property
    def is_public(self) -> bool:
        """Whether it can't keep a secret (RFC 6749 §2.1)."""
        return self.token_endpoint_auth_method == NO_AUTHENTICATION

    @property
    def is_own(self) -> bool:
        """Whether it is no app but pages of this server itself (see authorize.own_pages)."""
        return self.client_id.startswith(OWN_PREFIX)

    @property
    def has_secret(self) -> bool:
        return self.token_endpoint_auth_method not in (NO_AUTHENTICATION, BY_KEY)

    @property
    def default_max_age(self) -> int | None:
        """How old a sign-in may be where a request does not say, in seconds (OpenID Connect Registration §2)."""
        return self.preferences.get("default_max_age")

    @property
    def signs_with(self) -> str | None:
        """The one algorithm of its assertions; None: any that is offered."""
        return self.preferences.get("token_endpoint_auth_signing_alg")

    def is_allowed(self, switch: Legacy) -> bool:
        return switch in self.legacy

    def may_use(self, fhir_server: str) -> bool:
        return not self.fhir_servers or fhir_server in self.fhir_servers

    def is_for(self, fhir_user: str | None) -> bool:
        """Whether a person who is this resource, such as ``Patient/A``, may use the app."""
        return not self.user_types or (fhir_user or "").partition("/")[0] in self.user_types


def from_row(row: ClientRow, now: datetime) -> Client:
    """``now`` decides about an approval that comes by itself: no thread has to be alive for that."""
    return Client(
        client_id=row.client_id,
        client_name=row.client_name,
        token_endpoint_auth_method=row.token_endpoint_auth_method,
        application_type=row.application_type,
        grant_types=frozenset(row.grant_types),
        redirect_uris=tuple(row.redirect_uris),
        launch_uris=tuple(row.launch_uris),
        allowed_origins=origins(row.allowed_origins, row.redirect_uris),
        scope=ScopeSet.parse(row.scope),
        jwks=row.jwks,
        jwks_uri=row.jwks_uri,
        about=row.about,
        fhir_servers=tuple(row.fhir_servers),
        skip_consent_in_ehr_launch=row.skip_consent_in_ehr_launch,
        any_loopback_port=row.any_loopback_port,
        enabled=row.enabled,
        app_state_codes=frozenset(row.app_state_codes),
        legacy=frozenset(row.legacy) | dialect(row.preferences),
        post_logout_redirect_uris=tuple(row.logout.get("post_logout_redirect_uris", ())),
        required_scope=ScopeSet.parse(row.required_scope),
        user_types=frozenset(row.user_types),
        is_approved=is_approved(row, now),
        preferences=row.preferences,
        registered_at=row.created_at,
        logo=row.logo,
        web_messaging_origins=messaging_origins(row),
    )


def dialect(preferences: dict[str, Any]) -> frozenset[str]:
    """An app may say itself that it reads ``fhirContext`` as SMART 2.0 wrote it: all it can lose is detail."""
    return frozenset({CONTEXT_AS_STRINGS} if preferences.get("fhir_context_dialect") == "2.0" else ())


def is_approved(row: ClientRow, now: datetime) -> bool:
    """By somebody, or by time: then only if the automatic checks have found nothing grave in it as it is now."""
    return row.approved or (row.checked and row.approves_at is not None and row.approves_at <= now)


def origins(registered: Iterable[str], redirect_uris: Iterable[str]) -> frozenset[str]:
    """The origins whose pages may call the token endpoint (SMART CORS-03)."""
    return frozenset(registered) or frozenset(found for uri in redirect_uris if (found := origin(uri)))


def messaging_origins(row: ClientRow) -> tuple[str, ...]:
    """Where the pages lie that may send messages to an EHR's window (SMART Web Messaging "Security Considerations")."""
    opened = (origin(uri) for uri in (*row.redirect_uris, *row.launch_uris))
    return tuple(row.smart_web_messaging_origins) or tuple(dict.fromkeys(filter(None, opened)))


def members(row: ClientRow) -> dict[str, Any]:
    """The client's metadata by the names of RFC 7591 §2; null and empty members are left out."""
    named = {
        "client_name": row.client_name,
        "token_endpoint_auth_method": row.token_endpoint_auth_method,
        "application_type": row.application_type,
        "grant_types": row.grant_types,
        "response_types": ["code"] if "authorization_code" in row.grant_types else [],
        "redirect_uris": row.redirect_uris,
        "launch_uris": row.launch_uris,
        "allowed_origins": row.allowed_origins,
        "smart_web_messaging_origins": row.smart_web_messaging_origins,
        "scope": row.scope,
        "fhir_user_types": row.user_types,
        "jwks": row.jwks,
        "jwks_uri": row.jwks_uri,
        **row.about,
        **row.logout,
        **row.preferences,
    }
    return {name: value for name, value in named.items() if value not in (None, [], "")}
