"""The OpenAPI description and the server are of one mind."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from jsonschema import Draft202012Validator

from docs.openapi import openapi

if TYPE_CHECKING:
    from tests.world import World

DESCRIPTION = openapi()
METHODS = {"get", "put", "post", "delete"}


def valid(schema: str, body: object) -> bool:
    return Draft202012Validator({**DESCRIPTION, "$ref": f"#/components/schemas/{schema}"}).is_valid(body)


def test_what_is_described_is_there(world: World) -> None:
    """OpenAPI 3.1 "Paths Object": each address and method has an endpoint."""
    routes = {
        (re.sub(r"<(\w+)>", r"{\1}", rule.rule), method.lower())
        for rule in world.app.url_map.iter_rules()
        for method in rule.methods or ()
    }
    described = {(path, method) for path, item in DESCRIPTION["paths"].items() for method in item if method in METHODS}
    assert described - routes == set()
    assert {path for path, method in described if method == "post"} >= {"/token", "/introspect", "/revoke", "/launch"}


def test_good_answers_are_as_described(world: World) -> None:
    """RFC 6749 §5.1, RFC 7662 §2.2, SMART TOK-10: what a program may count on, of the endpoints that need a story."""
    code = world.standalone(world.public, "openid launch/patient patient/*.rs", "alice")
    tokens = world.public.redeem(code).json()
    assert valid("TokenResponse", tokens)
    assert not valid("TokenResponse", {**tokens, "token_type": "mac"})
    active = world.fhir_server.introspect(tokens["access_token"])
    assert active["active"] is True
    assert valid("Introspection", active)
    assert valid("Introspection", {"active": False})
    assert not valid("Introspection", {"active": False, "scope": "openid"})
    launch = world.ehr.launch("public", "doctor", patient="A")
    assert valid("LaunchMade", launch)
    assert valid("LaunchState", world.ehr.look_up(launch["launch_id"]).json())
