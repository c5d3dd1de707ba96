"""What a client wants of this server's answers: OpenID Connect Registration §2, SMART's dialects of ``fhirContext``.

Each is honoured, or refused with what is offered instead; none is taken silently for something else.
"""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, ValidationError, validate
from marshmallow import fields as mm

from authz.clients.values import check_https, flag, texts
from authz.keyring.public_keys import ALGORITHMS

PREFERENCES = (
    "id_token_signed_response_alg",
    "subject_type",
    "sector_identifier_uri",
    "default_max_age",
    "require_auth_time",
    "default_acr_values",
    "initiate_login_uri",
    "token_endpoint_auth_signing_alg",
    "fhir_context_dialect",
)
ID_TOKEN_DEFAULTS = {"id_token_signed_response_alg": "RS256", "subject_type": "public", "require_auth_time": False}
LONGEST_AGE = 10**9 - 1  # seconds; as the parameter max_age may be long
NOT_ENCRYPTED = "id_tokens are signed with RS256 and never encrypted"
PLAIN_USERINFO = "userinfo is plain JSON, neither signed nor encrypted"
NO_REQUEST_OBJECTS = "request objects are not offered: send the parameters themselves"
NOT_BOUND = "tokens bound to a key are not offered"


def only(offered: tuple[str, ...]) -> mm.String:
    return mm.String(validate=validate.OneOf(offered, error="{input} is not offered; {choices} is"))


def not_offered(why: str) -> mm.Raw:
    """A member by which a client asks for what this server does not do; that it does not ask for it is fine."""

    def check(value: Any) -> None:
        if value is not False and value != []:
            raise ValidationError(why)

    return mm.Raw(validate=check, load_only=True, metadata={"not_offered": why})


class PreferencesSchema(Schema):
    id_token_signed_response_alg = only(("RS256",))
    id_token_encrypted_response_alg = not_offered(NOT_ENCRYPTED)
    id_token_encrypted_response_enc = not_offered(NOT_ENCRYPTED)
    userinfo_signed_response_alg = not_offered(PLAIN_USERINFO)
    userinfo_encrypted_response_alg = not_offered(PLAIN_USERINFO)
    userinfo_encrypted_response_enc = not_offered(PLAIN_USERINFO)
    request_object_signing_alg = not_offered(NO_REQUEST_OBJECTS)
    request_object_encryption_alg = not_offered(NO_REQUEST_OBJECTS)
    request_object_encryption_enc = not_offered(NO_REQUEST_OBJECTS)
    require_signed_request_object = not_offered(NO_REQUEST_OBJECTS)
    request_uris = not_offered(NO_REQUEST_OBJECTS)
    require_pushed_authorization_requests = not_offered("pushed authorization requests are not offered")
    dpop_bound_access_tokens = not_offered(NOT_BOUND)
    tls_client_certificate_bound_access_tokens = not_offered(NOT_BOUND)
    subject_type = only(("public",))
    sector_identifier_uri = mm.String(validate=[validate.Length(max=2048), check_https])
    default_max_age = mm.Integer(strict=True, validate=validate.Range(0, LONGEST_AGE))
    require_auth_time = flag()
    default_acr_values = texts(validate.Length(1))
    initiate_login_uri = mm.String(validate=[validate.Length(max=2048), check_https])
    token_endpoint_auth_signing_alg = only(ALGORITHMS)
    fhir_context_dialect = only(("2.2", "2.0"))
