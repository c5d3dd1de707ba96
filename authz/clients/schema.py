"""The members of a client's metadata, one by one (RFC 7591 §2, OpenID Connect's logout members, SMART's additions)."""

from __future__ import annotations

import unicodedata
from typing import Any

from marshmallow import Schema, ValidationError, validate, validates_schema
from marshmallow import fields as mm

from authz.clients.client import BY_KEY, NO_AUTHENTICATION
from authz.clients.redirect_uri import LAUNCH_PARAMETERS, LOGOUT_PARAMETERS, RESPONSE_PARAMETERS, problems
from authz.errors import InvalidScope
from authz.fhir_servers.url import FHIR_USER_TYPES, origin_problems
from authz.keyring.public_keys import jwks_problems
from authz.scopes import ScopeSet, UnknownScope

AUTH_METHODS = ("client_secret_basic", "client_secret_post", BY_KEY, NO_AUTHENTICATION)
GRANT_TYPES = ("authorization_code", "refresh_token", "client_credentials")
MAX_NAME = 255
MAX_ITEMS = 20
INVISIBLE = frozenset({"Cc", "Cf", "Co", "Cs", "Zl", "Zp"})  # could make one app's name look like another's


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


def texts(*checks: Any, **options: Any) -> mm.List[str]:
    """An array of strings, each checked."""
    item = mm.String(validate=[validate.Length(max=2048), *checks])
    return mm.List(item, validate=[validate.Length(max=MAX_ITEMS), check_distinct], **options)


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
    fhir_user_types = texts(validate.OneOf(sorted(FHIR_USER_TYPES), error="one of {choices}"), attribute="user_types")
    jwks = mm.Raw(allow_none=True, validate=check_jwks)
    jwks_uri = mm.String(allow_none=True, validate=check_web_address)
    client_uri = mm.String(validate=check_web_address)
    logo_uri = mm.String(validate=check_web_address)
    policy_uri = mm.String(validate=check_web_address)
    tos_uri = mm.String(validate=check_web_address)
    contacts = texts(check_name)
    post_logout_redirect_uris = texts()
    backchannel_logout_uri = mm.String(allow_none=True, validate=check_web_address)
    backchannel_logout_session_required = mm.Boolean()

    @validates_schema(skip_on_field_errors=True)
    def check_redirect_uris(self, loaded: dict[str, Any], **_: Any) -> None:
        check_each(loaded, "redirect_uris", RESPONSE_PARAMETERS)

    @validates_schema(skip_on_field_errors=True)
    def check_post_logout_redirect_uris(self, loaded: dict[str, Any], **_: Any) -> None:
        check_each(loaded, "post_logout_redirect_uris", LOGOUT_PARAMETERS)


def check_each(loaded: dict[str, Any], name: str, reserved: frozenset[str]) -> None:
    uris = loaded.get(name, [])
    found = [f"{uri}: {text}" for uri in uris for text in problems(uri, loaded["application_type"], reserved)]
    if found:
        raise ValidationError(found, name)
