"""The members of a client's metadata, one by one (RFC 7591 §2, OpenID Connect's logout members, SMART's additions)."""

from __future__ import annotations

from typing import Any

from marshmallow import ValidationError, pre_load, validate, validates_schema
from marshmallow import fields as mm

from authz.clients.client import BY_KEY, NO_AUTHENTICATION
from authz.clients.preferences import PreferencesSchema
from authz.clients.redirect_uri import LOGOUT_PARAMETERS, RESPONSE_PARAMETERS, problems
from authz.clients.values import (
    MAX_NAME,
    MAX_TEXT,
    check_jwks,
    check_launch_uri,
    check_name,
    check_origin,
    check_scope,
    check_web_address,
    flag,
    name,
    texts,
    web_address,
)
from authz.fhir_servers.url import FHIR_USER_TYPES

AUTH_METHODS = ("client_secret_basic", "client_secret_post", BY_KEY, NO_AUTHENTICATION)
GRANT_TYPES = ("authorization_code", "refresh_token", "client_credentials")


class MetadataSchema(PreferencesSchema):
    client_name = mm.String(required=True, validate=[validate.Length(1, MAX_NAME), check_name])
    token_endpoint_auth_method = mm.String(
        load_default=AUTH_METHODS[0], validate=validate.OneOf(AUTH_METHODS, error="one of {choices}")
    )
    application_type = mm.String(load_default="web", validate=validate.OneOf(("web", "native")))
    grant_types = texts(validate.OneOf(GRANT_TYPES, error="{input} is not offered"))
    response_types = mm.List(mm.String(validate=validate.Equal("code")), validate=validate.Length(max=1))
    redirect_uris = texts()
    launch_uris = texts(check_launch_uri)
    allowed_origins = texts(check_origin)
    smart_web_messaging_origins = texts(check_origin)
    scope = mm.String(load_default="", validate=check_scope)
    fhir_user_types = texts(validate.OneOf(sorted(FHIR_USER_TYPES), error="one of {choices}"), attribute="user_types")
    jwks = mm.Raw(validate=check_jwks)
    jwks_uri = mm.String(validate=[validate.Length(max=MAX_TEXT), check_web_address])
    client_uri = web_address()
    logo_uri = web_address()
    policy_uri = web_address()
    tos_uri = web_address()
    contacts = texts(check_name)
    software_id = name()
    software_version = name()
    post_logout_redirect_uris = texts()
    backchannel_logout_uri = web_address()
    backchannel_logout_session_required = flag()

    @pre_load
    def read_synonym(self, said: dict[str, Any], **_: Any) -> dict[str, Any]:
        """``launch_url`` is what many call the one launch URI of an app; and null means not said (RFC 7592 §2.2)."""
        said = {member: value for member, value in said.items() if value is not None}
        if "launch_url" in said:
            listed = [said.pop("launch_url")]
            if said.setdefault("launch_uris", listed) != listed:
                raise ValidationError("launch_url and launch_uris say different things", "launch_uris")
        return said

    @validates_schema(skip_on_field_errors=True)
    def check_redirect_uris(self, loaded: dict[str, Any], **_: Any) -> None:
        check_each(loaded, "redirect_uris", RESPONSE_PARAMETERS)

    @validates_schema(skip_on_field_errors=True)
    def check_post_logout_redirect_uris(self, loaded: dict[str, Any], **_: Any) -> None:
        check_each(loaded, "post_logout_redirect_uris", LOGOUT_PARAMETERS)


def check_each(loaded: dict[str, Any], member: str, reserved: frozenset[str]) -> None:
    uris = loaded.get(member, [])
    found = [f"{uri}: {text}" for uri in uris for text in problems(uri, loaded["application_type"], reserved)]
    if found:
        raise ValidationError(found, member)
