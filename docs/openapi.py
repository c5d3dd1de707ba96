"""The JSON endpoints as OpenAPI 3.1; registration is made from the schema that checks what comes in."""

from __future__ import annotations

import json
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from marshmallow import fields as mm
from marshmallow import validate

from authz.clients import language, redirect_uri, values
from authz.clients.schema import MetadataSchema
from authz.keyring.public_keys import CURVES, MAX_KEYS
from authz.registration.model import State
from docs import openapi_back_channel as back_channel
from docs.openapi_back_channel import answer
from docs.openapi_words import EXAMPLES, MEANINGS, OURS

if TYPE_CHECKING:
    from collections.abc import Callable

    from marshmallow.fields import Field

Json = dict[str, Any]
URI = f"^[a-z][a-z0-9+.-]*:{redirect_uri.ALLOWED.pattern}$"
WEB_ADDRESS: Json = {"format": "uri", "pattern": f"^https?://{redirect_uri.ALLOWED.pattern}$"}
CHECKS: dict[Callable[..., None], Json] = {  # as far as JSON Schema can say it
    values.check_web_address: WEB_ADDRESS,
    values.check_https: {"format": "uri", "pattern": f"^https://{redirect_uri.ALLOWED.pattern}$"},
    values.check_launch_uri: {"format": "uri", "pattern": URI},
    values.check_origin: {"pattern": "^[a-z]+://[^/?#]+$"},
    values.check_name: {"pattern": r"^[^\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e]+$"},
    values.check_jwks: {"$ref": "#/components/schemas/JsonWebKeySet"},
    values.check_scope: {"maxLength": 8000},
    values.check_distinct: {"uniqueItems": True},
}
URIS = ("redirect_uris", "post_logout_redirect_uris")  # checked as a whole, with the application type
KEY_SET: Json = {
    "type": "object",
    "required": ["keys"],
    "properties": {
        "keys": {
            "type": "array",
            "minItems": 1,
            "maxItems": MAX_KEYS,
            "items": {
                "type": "object",
                "required": ["kty", "kid"],
                "properties": {
                    "kty": {"enum": ["RSA", "EC"]},
                    "kid": {"type": "string", "minLength": 1},
                    "use": {"const": "sig"},
                    "crv": {"enum": sorted(CURVES)},
                    **dict.fromkeys(("d", "p", "q", "dp", "dq", "qi", "oth", "k"), False),
                },
            },
        }
    },
}
ERROR: Json = {
    "type": "object",
    "required": ["error", "error_description"],
    "properties": {name: {"type": "string"} for name in ("error", "error_description", "error_uri")},
    "additionalProperties": False,
}


def metadata_schema() -> Json:
    """What a client says of itself, member by member; a member that is not here is ignored."""
    schema = MetadataSchema()
    properties = {name: member(name, field) for name, field in sorted(schema.fields.items())}
    properties["launch_url"] = {**properties["launch_uris"]["items"], **words("launch_url")}
    properties["software_statement"] = {"type": "string", **words("software_statement")}
    return {
        "type": "object",
        "required": [name for name, field in schema.fields.items() if field.required],
        "properties": properties,
        "patternProperties": {
            f"^{name}#(?:{language.TAG})$": {
                key: value for key, value in properties[name].items() if key not in {"description", "examples"}
            }
            for name in language.TRANSLATED
        },
    }


def member(name: str, field: Field[Any]) -> Json:
    return {**of_field(name, field), **words(name)}


def words(name: str) -> Json:
    examples = {"examples": EXAMPLES[name]} if name in EXAMPLES else {}
    return {"description": MEANINGS[name], **examples}


def of_field(name: str, field: Field[Any]) -> Json:
    if "not_offered" in field.metadata:
        return {"enum": [False, []]}
    found: Json = {}
    match field:
        case mm.List():
            items = of_field(name, field.inner)
            if name in URIS:
                items |= {"format": "uri", "pattern": URI}
            found = {"type": "array", "items": items}
        case mm.Boolean():
            found = {"type": "boolean"}
        case mm.Integer():
            found = {"type": "integer"}
        case mm.String():
            found = {"type": "string"}
    if isinstance(field.load_default, str) and field.load_default:
        found["default"] = field.load_default
    for check in field.validators:
        found |= of_check(check, is_list=isinstance(field, mm.List))
    return found


def of_check(check: Callable[..., Any], *, is_list: bool) -> Json:
    match check:
        case validate.Length():
            ends = (("minItems", "maxItems") if is_list else ("minLength", "maxLength"), (check.min, check.max))
            return {name: end for name, end in zip(*ends, strict=True) if end is not None}
        case validate.Range():
            return {"minimum": check.min, "maximum": check.max}
        case validate.OneOf():
            return {"enum": list(check.choices)}
        case validate.Equal():
            return {"const": check.comparable}
    return CHECKS[check]


def registration_schema() -> Json:
    """What is answered: the metadata as it is registered, and what only this server says. Nothing else."""
    own: Json = {
        "client_id": {"type": "string"},
        "client_secret": {"type": "string", "minLength": 43},
        "client_secret_expires_at": {"const": 0},
        "client_id_issued_at": {"type": "integer"},
        "registration_access_token": {"type": "string", "minLength": 43},
        "registration_client_uri": {"type": "string", "format": "uri"},
        "registration_state": {"enum": [state.value for state in State]},
    }
    return {
        "allOf": [{"$ref": "#/components/schemas/ClientMetadata"}],
        "type": "object",
        "required": [name for name in own if not name.startswith("client_secret")],
        "properties": {name: {**schema, "description": OURS[name]} for name, schema in own.items()},
        "unevaluatedProperties": False,
    }


def operation(summary: str, success: Json, *, has_body: bool, security: list[Json]) -> Json:
    found: Json = {
        "summary": summary,
        "security": security,
        "responses": {
            **success,
            "400": answer("Something is wrong; the description names all of it.", "Error"),
            **({"413": answer("The body is too large.", "Error")} if has_body else {}),
            "401": answer("No token, or not a good one. A client that there is not answers the same.", "Error"),
            "429": answer("Too many requests; `Retry-After` says when to try again.", "Error"),
            "503": answer("A part of this server does not answer; `Retry-After` says when to try again.", "Error"),
        },
    }
    if has_body:
        body = {"application/json": {"schema": {"$ref": "#/components/schemas/ClientMetadata"}}}
        found["requestBody"] = {"required": True, "content": body}
    return found


def paths() -> Json:
    registered = "Everything that is registered, defaults too."
    invited: list[Json] = [{"initialAccessToken": []}, {}]
    own: list[Json] = [{"registrationAccessToken": []}]
    made = operation("Register an app", {"201": answer(registered, "Registration")}, has_body=True, security=invited)
    read = operation("Read it", {"200": answer(registered, "Registration")}, has_body=False, security=own)
    put = operation(
        "Replace all of it; what is left out is forgotten",
        {"200": answer(registered, "Registration")},
        has_body=True,
        security=own,
    )
    gone = operation(
        "Delete the app, with all it was granted", {"204": answer("It is gone.")}, has_body=False, security=own
    )
    there = {**made, "responses": made["responses"] | {"404": answer("No such FHIR server, or it is closed.", "Error")}}
    return {
        "/register": {"post": made},
        "/fhir-servers/{name}/register": {"parameters": [parameter("name")], "post": there},
        "/register/{client_id}": {"parameters": [parameter("client_id")], "get": read, "put": put, "delete": gone},
    }


def parameter(name: str) -> Json:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


def openapi() -> Json:
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "What programs call",
            "version": version("authz"),
            "description": "OAuth 2.0, registration, launches and web messaging of SMART on FHIR. Made by `make docs`.",
        },
        "paths": paths() | back_channel.paths(),
        "components": {
            "schemas": {
                "ClientMetadata": metadata_schema(),
                "Registration": registration_schema(),
                "JsonWebKeySet": KEY_SET,
                "Error": ERROR,
                **back_channel.SCHEMAS,
            },
            "securitySchemes": {
                "initialAccessToken": {"type": "http", "scheme": "bearer", "description": "From the hospital."},
                "registrationAccessToken": {"type": "http", "scheme": "bearer", "description": "Of this registration."},
                **back_channel.SCHEMES,
            },
        },
    }


def openapi_page() -> str:
    return json.dumps(openapi(), indent=1, ensure_ascii=False) + "\n"
