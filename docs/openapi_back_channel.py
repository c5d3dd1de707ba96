"""What programs call besides registration, for the OpenAPI description: each endpoint that speaks JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from marshmallow import fields as mm
from marshmallow import validate

from authz.endpoints.ehr_session import EhrSessionSchema
from authz.launch.fields import Url
from authz.launch.schema import FhirContextSchema, LaunchSchema

if TYPE_CHECKING:
    from marshmallow import Schema
    from marshmallow.fields import Field

Json = dict[str, Any]
TEXT: Json = {"type": "string"}
NUMBER: Json = {"type": "integer"}
FORM = "application/x-www-form-urlencoded"
CLIENT: list[Json] = [{"client": []}, {}]  # a public app names itself in the body; an assertion stands there as well
CALLER: list[Json] = [{"caller": []}, {"accessToken": []}, {}]
EHR: list[Json] = [{"ehr": []}]
SCHEMES: Json = {
    "client": {"type": "http", "scheme": "basic", "description": "The app's id and secret (RFC 6749 §2.3.1)."},
    "caller": {"type": "http", "scheme": "basic", "description": "A FHIR server's credential for introspection."},
    "ehr": {"type": "http", "scheme": "basic", "description": "The credential of an EHR."},
    "accessToken": {"type": "http", "scheme": "bearer", "description": "An access token (RFC 6750 §2.1)."},
}
KEYS: Json = {
    "type": "object",
    "required": ["keys"],
    "properties": {"keys": {"type": "array", "items": {"type": "object", "required": ["kty", "kid"]}}},
}
SCHEMAS: Json = {
    "TokenResponse": {
        "type": "object",
        "required": ["access_token", "token_type", "expires_in", "scope"],
        "properties": {
            **dict.fromkeys(("access_token", "scope", "refresh_token", "id_token", "patient", "encounter"), TEXT),
            "token_type": {"const": "Bearer"},
            "expires_in": NUMBER,
        },
    },
    "Introspection": {
        "type": "object",
        "required": ["active"],
        "oneOf": [
            {"properties": {"active": {"const": False}}, "additionalProperties": False},
            {"properties": {"active": {"const": True}, "exp": NUMBER}, "required": ["exp"]},
        ],
    },
    "LaunchMade": {
        "type": "object",
        "required": ["launch", "launch_id", "launch_url", "expires_in"],
        "properties": {**dict.fromkeys(("launch", "launch_id", "launch_url"), TEXT), "expires_in": NUMBER},
        "additionalProperties": False,
    },
    "LaunchState": {
        "type": "object",
        "required": ["launch_id", "state", "client_id"],
        "properties": dict.fromkeys(("launch_id", "state", "client_id"), TEXT),
    },
    "Keys": KEYS,
    "Document": {"type": "object", "required": ["issuer", "token_endpoint"], "properties": {"issuer": TEXT}},
    "Health": {
        "type": "object",
        "required": ["status"],
        "properties": {"status": {"enum": ["ok", "unavailable"]}, "problems": {"type": "array", "items": TEXT}},
        "additionalProperties": False,
    },
}
ASSERTED = ("client_id", "client_secret", "client_assertion", "client_assertion_type")


def answer(description: str, schema: str | None = None) -> Json:
    if schema is None:
        return {"description": description}
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
    return {"description": description, "content": content}


def refusals(*statuses: str) -> Json:
    told = {
        "400": "Something is wrong; the description says what.",
        "401": "Nobody is known by this credential.",
        "403": "The credential is not for this.",
        "404": "For this caller there is nothing of the kind.",
        "413": "The body is too large.",
        "429": "Too many requests; `Retry-After` says when to try again.",
        "503": "A part of this server does not answer; `Retry-After` says when to try again.",
    }
    return {status: answer(told[status], "Error") for status in (*statuses, "429", "503")}


def asked_with(media_type: str, schema: Json) -> Json:
    return {"required": True, "content": {media_type: {"schema": schema}}}


def form(required: tuple[str, ...], *optional: str) -> Json:
    """A form of texts; members that are not known are ignored (RFC 6749 §3.2)."""
    filled = {"type": "string", "minLength": 1}
    members = {**dict.fromkeys(required, filled), **dict.fromkeys(optional, TEXT)}
    return asked_with(FORM, {"type": "object", "required": list(required), "properties": members})


def of_schema(schema: Schema, *, is_open: bool) -> Json:
    """The members of a request's body, as far as JSON Schema can say what checks them."""
    return {
        "type": "object",
        "required": [field.data_key or name for name, field in schema.fields.items() if field.required],
        "properties": {field.data_key or name: of_field(field) for name, field in schema.fields.items()},
        "additionalProperties": is_open,
    }


def of_field(field: Field[Any]) -> Json:
    match field:
        case mm.List():
            return {"type": "array", "items": of_schema(FhirContextSchema(), is_open=True), **bounds(field, "Items")}
        case mm.Dict():
            return {"type": "object", "minProperties": 1}
        case mm.Boolean():
            return {"type": "boolean"}
        case mm.Integer():
            return {"type": "integer", "minimum": 0}
        case Url():
            return {"type": "string", "pattern": "^https?://"}
    rules = [check.regex.pattern for check in field.validators if isinstance(check, validate.Regexp)]
    whole = next((rule for rule in rules if isinstance(rule, str)), r"[\s\S]*\Z")
    pattern = whole.removesuffix(r"\Z")  # which JSON Schema does not have
    return {"type": "string", "pattern": f"^{pattern}$", **bounds(field, "Length")}


def bounds(field: Field[Any], what: str) -> Json:
    for check in field.validators:
        if isinstance(check, validate.Length):
            ends = {f"min{what}": check.min, f"max{what}": check.max}
            return {name: end for name, end in ends.items() if end is not None}
    return {}


def operation(summary: str, responses: Json, security: list[Json], body: Json | None = None) -> Json:
    asked = {} if body is None else {"requestBody": body}
    return {"summary": summary, "security": security, **asked, "responses": responses}


def published(summary: str, schema: str, *statuses: str) -> Json:
    return operation(summary, {"200": answer("The document.", schema), **refusals("400", *statuses)}, [{}])


def with_form(summary: str, success: Json, security: list[Json], body: Json) -> Json:
    return operation(summary, {"200": success, **refusals("400", "401", "403", "413")}, security, body)


def for_ehr(summary: str, success: Json, body: Json | None = None, *more: str) -> Json:
    return operation(summary, {**success, **refusals("400", "401", "403", *more)}, EHR, body)


def parameter(name: str) -> Json:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}


def health(summary: str) -> Json:
    answers = {"200": answer("It does.", "Health"), "503": answer("It does not.", "Health")}
    return operation(summary, answers, [{}])


def paths() -> Json:
    launch = asked_with("application/json", of_schema(LaunchSchema(), is_open=True))
    session = asked_with("application/json", of_schema(EhrSessionSchema(), is_open=False))
    token = form(
        ("grant_type",), "code", "redirect_uri", "code_verifier", "refresh_token", "scope", "resource", *ASSERTED
    )
    introspected = answer("What is known of it; or that it is not active, and nothing else.", "Introspection")
    gone = answer("Whatever there was is over.")
    done = {"204": answer("It is done.")}
    looked_up = {"200": answer("What became of it.", "LaunchState")}
    handle = form(("handle",), "origin", "message_type", "ehr_session", "window")
    return {
        "/token": {"post": with_form("Get tokens", answer("They are.", "TokenResponse"), CLIENT, token)},
        "/introspect": {
            "post": with_form("Ask about a token", introspected, CALLER, form(("token",), "token_type_hint"))
        },
        "/revoke": {
            "post": with_form("Take a token back", gone, CLIENT, form(("token",), "token_type_hint", *ASSERTED))
        },
        "/web-messaging/introspect": {"post": with_form("Ask about a handle", introspected, EHR, handle)},
        "/web-messaging/revoke": {
            "post": with_form("End handles", gone, EHR, form((), "handle", "ehr_session", "launch_id"))
        },
        "/launch": {
            "post": for_ehr("Put down a launch", {"201": answer("It waits.", "LaunchMade")}, launch, "413"),
        },
        "/launch/{launch_id}": {
            "parameters": [parameter("launch_id")],
            "get": for_ehr("See what became of a launch", looked_up, None, "404"),
            "delete": for_ehr("Take back a launch", done, None, "404"),
        },
        "/ehr-session/end": {"post": for_ehr("End a session", done, session, "413")},
        "/ehr-session/touch": {"post": for_ehr("Say that a session is in use", done, session, "413")},
        "/jwks": {"get": published("The keys that verify what is signed here", "Keys")},
        "/launch/jwks": {"get": published("The keys that launches are encrypted to", "Keys")},
        "/.well-known/openid-configuration": {"get": published("OpenID Connect Discovery", "Document")},
        "/.well-known/oauth-authorization-server": {"get": published("RFC 8414", "Document")},
        "/fhir-servers/{name}/.well-known/smart-configuration": {
            "parameters": [parameter("name")],
            "get": published("SMART App Launch, for a FHIR server to publish", "Document", "404"),
        },
        "/healthz": {"get": health("Whether the process answers")},
        "/readyz": {"get": health("Whether requests can be answered")},
    }
