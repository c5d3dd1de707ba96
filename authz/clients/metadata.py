"""What a client says of itself: names of RFC 7591 §2 and SMART's additions, checked as a whole.

Owns the rules of registration, whoever registers. Does not own what the hospital decides about a client: at which FHIR
servers it may be used, whether it may skip consent, whether it is enabled.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from marshmallow import EXCLUDE, Schema, ValidationError, validate, validates_schema
from marshmallow import fields as mm

from authz.clients.client import BY_KEY, NO_AUTHENTICATION
from authz.clients.redirect_uri import LAUNCH_PARAMETERS, problems
from authz.errors import InvalidScope, OAuthError
from authz.fhir_servers.url import origin_problems
from authz.keyring.public_keys import jwks_problems
from authz.scopes import ScopeSet, UnknownScope

if TYPE_CHECKING:
    from collections.abc import Mapping

AUTH_METHODS = ("client_secret_basic", "client_secret_post", BY_KEY, NO_AUTHENTICATION)
GRANT_TYPES = ("authorization_code", "refresh_token", "client_credentials")
ABOUT = ("client_uri", "logo_uri", "policy_uri", "tos_uri")
MAX_NAME = 255
MAX_ITEMS = 20
INVISIBLE = frozenset({"Cc", "Cf", "Co", "Cs", "Zl", "Zp"})  # could make one app's name look like another's


class InvalidClientMetadata(OAuthError):
    """RFC 7591 §3.2.2."""

    code = "invalid_client_metadata"


class InvalidRedirectURI(OAuthError):
    """RFC 7591 §3.2.2."""

    code = "invalid_redirect_uri"


@dataclass(frozen=True, slots=True)
class ClientMetadata:
    client_name: str
    token_endpoint_auth_method: str = AUTH_METHODS[0]
    application_type: str = "web"
    grant_types: tuple[str, ...] = ("authorization_code",)
    redirect_uris: tuple[str, ...] = ()
    launch_uris: tuple[str, ...] = ()
    allowed_origins: tuple[str, ...] = ()
    scope: str = ""
    jwks: dict[str, Any] | None = None
    jwks_uri: str | None = None
    about: dict[str, Any] = field(default_factory=dict)

    @property
    def is_public(self) -> bool:
        return self.token_endpoint_auth_method == NO_AUTHENTICATION

    @property
    def has_secret(self) -> bool:
        return self.token_endpoint_auth_method not in (NO_AUTHENTICATION, BY_KEY)

    @classmethod
    def load(cls, members: Mapping[str, Any]) -> ClientMetadata:
        """Check what a client says; members that are not known are left out (RFC 7591 §2).

        Raises InvalidRedirectURI or InvalidClientMetadata, which name everything that is wrong.
        """
        try:
            loaded = MetadataSchema(unknown=EXCLUDE).load(members)
        except ValidationError as error:
            raise refusal(error) from error
        about = {name: value for name in (*ABOUT, "contacts") if (value := loaded.pop(name, None))}
        del loaded["response_types"]
        listed: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in loaded.items()
        }
        metadata = cls(about=about, **listed)
        together = metadata.contradictions()
        if together:
            raise InvalidClientMetadata("; ".join(together))
        return metadata

    def contradictions(self) -> list[str]:
        """Members that are right each and wrong together."""
        found = []
        if self.jwks is not None and self.jwks_uri is not None:
            found.append("jwks and jwks_uri exclude each other")
        if "authorization_code" in self.grant_types and not self.redirect_uris:
            found.append("redirect_uris: the grant type authorization_code needs at least one")
        if not {"authorization_code", "client_credentials"} & set(self.grant_types):
            found.append("grant_types: authorization_code or client_credentials must be among them")
        if "refresh_token" in self.grant_types and "authorization_code" not in self.grant_types:
            found.append("grant_types: refresh_token comes with authorization_code")
        by_key = self.token_endpoint_auth_method == BY_KEY
        if by_key and self.jwks is None and self.jwks_uri is None:
            found.append(f"{BY_KEY} needs the client's public keys: jwks_uri, or jwks")
        if "client_credentials" in self.grant_types and not by_key:
            found.append(f"grant_types: client_credentials needs {BY_KEY} (SMART backend services)")
        return found


def refusal(error: ValidationError) -> OAuthError:
    messages = error.messages_dict
    text = "; ".join(f"{name}: {' '.join(flat(found))}" for name, found in sorted(messages.items()))
    return InvalidRedirectURI(text) if set(messages) == {"redirect_uris"} else InvalidClientMetadata(text)


def flat(messages: Any) -> list[str]:
    """The sentences of marshmallow's messages, which are lists, or dictionaries of lists by index."""
    if isinstance(messages, dict):
        return [text for found in messages.values() for text in flat(found)]
    return [str(message) for message in messages]


def check_name(value: str) -> None:
    if any(unicodedata.category(c) in INVISIBLE for c in value) or not value.strip():
        raise ValidationError("must be visible characters")
    if value != unicodedata.normalize("NFC", value):
        raise ValidationError("must be Unicode in normal form C")


def check_scope(value: str) -> None:
    try:
        scopes = ScopeSet.parse(value)
    except InvalidScope as error:
        raise ValidationError(error.description) from error
    unknown = [f"{scope} ({scope.reason})" for scope in scopes if isinstance(scope, UnknownScope)]
    if unknown:
        raise ValidationError(f"can't be granted: {', '.join(unknown)}")


def check_web_address(value: str) -> None:
    """https, or http on loopback; ``web`` because an app's pages are no matter of its own schemes."""
    check_all(problems(value, "web", ()))


def check_launch_uri(value: str) -> None:
    """SMART REG-01: complete and constant; ``iss`` and ``launch`` are the EHR's to add."""
    check_all(problems(value, "native", LAUNCH_PARAMETERS))


def check_origin(value: str) -> None:
    check_all(origin_problems(value))


def check_jwks(value: Any) -> None:
    check_all(jwks_problems(value))


def check_all(found: list[str]) -> None:
    if found:
        raise ValidationError(found)


def check_distinct(values: list[str]) -> None:
    if len(values) != len(set(values)):
        raise ValidationError("must not hold the same value twice")


def texts(*checks: Any) -> mm.List[str]:
    """An array of strings, each checked."""
    item = mm.String(validate=[validate.Length(max=2048), *checks])
    return mm.List(item, validate=[validate.Length(max=MAX_ITEMS), check_distinct])


class MetadataSchema(Schema):
    client_name = mm.String(required=True, validate=[validate.Length(1, MAX_NAME), check_name])
    token_endpoint_auth_method = mm.String(
        load_default=AUTH_METHODS[0], validate=validate.OneOf(AUTH_METHODS, error="one of {choices}")
    )
    application_type = mm.String(load_default="web", validate=validate.OneOf(("web", "native")))
    grant_types = texts(validate.OneOf(GRANT_TYPES, error="{input} is not offered"))
    response_types = mm.List(mm.String(validate=validate.Equal("code")), load_default=["code"])
    redirect_uris = texts()
    launch_uris = texts(check_launch_uri)
    allowed_origins = texts(check_origin)
    scope = mm.String(load_default="", validate=check_scope)
    jwks = mm.Raw(allow_none=True, validate=check_jwks)
    jwks_uri = mm.String(allow_none=True, validate=check_web_address)
    client_uri = mm.String(validate=check_web_address)
    logo_uri = mm.String(validate=check_web_address)
    policy_uri = mm.String(validate=check_web_address)
    tos_uri = mm.String(validate=check_web_address)
    contacts = texts(check_name)

    @validates_schema(skip_on_field_errors=True)
    def check_redirect_uris(self, loaded: dict[str, Any], **_: Any) -> None:
        uris = loaded.get("redirect_uris", [])
        found = [f"{uri}: {text}" for uri in uris for text in problems(uri, loaded["application_type"])]
        if found:
            raise ValidationError(found, "redirect_uris")
