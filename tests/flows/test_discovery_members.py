"""The documents member by member, and how they are served (SMART sections 2 to 4, RFC 8414, OpenID Connect)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from authz.fhir_servers.features import Feature
from tests.world import ISSUER, build, settings_in

if TYPE_CHECKING:
    from pathlib import Path

    from tests.transport import Reply
    from tests.world import World

SMART = "/fhir-servers/main/.well-known/smart-configuration"
URIS = "/fhir-servers/main/oauth-uris"
OPENID, OAUTH = "/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"
PATHS = {  # apps may have these in their settings: they stay (REQ-39)
    "authorization_endpoint": "/authorize",
    "token_endpoint": "/token",
    "introspection_endpoint": "/introspect",
    "revocation_endpoint": "/revoke",
    "userinfo_endpoint": "/userinfo",
    "jwks_uri": "/jwks",
}
FOR_USERS = {"issuer", "jwks_uri", "authorization_endpoint", "userinfo_endpoint", "response_types_supported"}


def get(world: World, path: str, method: str = "GET", **headers: str) -> Reply:
    return world.transport.send(method, ISSUER + path, headers)


def document(world: World, path: str = SMART) -> dict[str, Any]:
    return dict(get(world, path).json())


def without(world: World, *features: Feature) -> None:
    with world.services.db.write() as session:
        world.services.fhir_servers.update(session, "main", {"without": features})


def test_every_member_of_the_smart_configuration(world: World) -> None:
    """FIELD discovery.issuer, FIELD discovery.jwks_uri, FIELD discovery.authorization_endpoint.

    FIELD discovery.token_endpoint, FIELD discovery.token_endpoint_auth_methods_supported,
    FIELD discovery.token_endpoint_auth_signing_alg_values_supported, FIELD discovery.response_types_supported,
    FIELD discovery.introspection_endpoint, FIELD discovery.revocation_endpoint,
    FIELD discovery.code_challenge_methods_supported, DISC-02, DISC-11, DISC-12, REQ-118, REQ-120, VER-02:
    every member with its type, URLs absolute and where they always were (REQ-39), nothing null or empty.
    """
    found = document(world)
    assert found.pop("capabilities")
    assert found.pop("scopes_supported")
    urls = {name: f"{ISSUER}{path}" for name, path in PATHS.items()}
    assert {name: found.get(name) for name in urls} == urls
    assert {name: value for name, value in found.items() if isinstance(value, list)} == {
        "grant_types_supported": ["authorization_code", "client_credentials"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "private_key_jwt"],
        "token_endpoint_auth_signing_alg_values_supported": ["RS384", "ES384"],
        "response_types_supported": ["code"],
        "code_challenge_methods_supported": ["S256"],
    }
    assert found.pop("__smart_web_messaging") == {
        "introspection_endpoint": f"{ISSUER}/web-messaging/introspect",
        "revocation_endpoint": f"{ISSUER}/web-messaging/revoke",
    }
    others = {name: value for name, value in found.items() if not isinstance(value, list) and name not in urls}
    assert others.pop("issuer") == ISSUER
    assert all(isinstance(value, str) and value.startswith(f"{ISSUER}/") for value in others.values()), others


def test_where_no_person_comes_nothing_is_said_for_apps_of_people(world: World) -> None:
    """DISC-10, AMB-22: PKCE methods even so; issuer and authorization endpoint come with what needs them."""
    before = document(world)
    without(world, Feature.EHR_LAUNCH, Feature.STANDALONE)
    found = document(world)
    assert before.keys() >= FOR_USERS
    assert not FOR_USERS & found.keys()
    assert found["code_challenge_methods_supported"] == ["S256"]
    assert found["grant_types_supported"] == ["client_credentials"]
    assert found["token_endpoint_auth_methods_supported"] == ["private_key_jwt"]
    assert "sso-openid-connect" not in found["capabilities"]
    (uris,) = document(world, URIS)["extension"]
    assert [uri["url"] for uri in uris["extension"]] == ["token", "introspect", "revoke"]


@pytest.mark.parametrize(
    "accept", ["text/html", "application/fhir+json", "application/xml;q=1", "*/*", "", "image/png"]
)
def test_it_is_json_whatever_is_asked_for(world: World, accept: str) -> None:
    """DISC-03, DISC-06, REQ-119, ERR-18: never 406, never FHIR's media type; header names are in any case."""
    for name in ("Accept", "ACCEPT", "aCCePT"):
        reply = world.transport.send("GET", ISSUER + SMART, {name: accept})
        assert (reply.status, reply.header("Content-Type")) == (200, "application/json")


def test_every_spelling_of_the_address_gives_the_same(world: World) -> None:
    """DISC-01, DISC-07, DISC-13, AMB-32: a base with a slash at its end, SMART 1.0's name for it; 200 at once."""
    plain = get(world, SMART)
    for other in (f"{SMART}.json", SMART.replace("/main/", "/main//")):
        reply = get(world, other)
        assert (reply.status, reply.body, reply.header("etag")) == (200, plain.body, plain.header("etag")), other


@pytest.mark.parametrize("path", [SMART, f"{SMART}.json", URIS, OPENID, OAUTH])
def test_head_and_options_work_for_any_origin(world: World, path: str) -> None:
    """DISC-05, DISC-07, CORS-01, CORS-05, CORS-06, RS-04, VER-14, Q-01."""
    reply, head = get(world, path), get(world, path, "HEAD")
    assert (head.status, head.body) == (200, b"")
    for name in ("content-type", "etag", "cache-control", "access-control-allow-origin"):
        assert head.header(name) == reply.header(name), name
    asked = {"Origin": "https://any.example", "Access-Control-Request-Method": "GET"}
    options = world.transport.send("OPTIONS", ISSUER + path, asked)
    assert (options.status, options.header("access-control-allow-origin")) == (204, "*")
    assert options.header("access-control-allow-methods") == "GET, HEAD, OPTIONS"
    assert get(world, path, "POST").status == 405
    assert get(world, path, Authorization="Basic nonsense").body == reply.body


def test_a_document_is_small_and_changes_only_with_what_it_says(world: World) -> None:
    """DISC-07: revalidated by its tag; a client that has it gets 304 and no body."""
    reply = get(world, SMART)
    assert len(reply.body) < 6_000
    tag = reply.header("etag") or ""
    for known in (tag, f"W/{tag}", f'"another", {tag}', "*"):
        again = get(world, SMART, **{"If-None-Match": known})
        assert (again.status, again.body, again.header("etag")) == (304, b"", tag)
    assert get(world, SMART, **{"If-None-Match": '"another"'}).status == 200
    without(world, Feature.SCOPES_V1)
    assert get(world, SMART, **{"If-None-Match": tag}).status == 200


def test_the_capability_statement_says_the_same_to_apps_of_smart_1(world: World) -> None:
    """CS-01, CS-02, CS-03, CS-04, CS-05, CS-06, REQ-38, REQ-58, REQ-D1, VER-01: all of ``rest[0].security``.

    The same bytes for the same endpoints; a member for each endpoint that there is; no extension for capabilities.
    """
    found = document(world)
    names = {
        "authorize": "authorization_endpoint",
        "token": "token_endpoint",
        "register": "registration_endpoint",
        "manage": "management_endpoint",
        "introspect": "introspection_endpoint",
        "revoke": "revocation_endpoint",
    }
    systems = (
        "http://terminology.hl7.org/CodeSystem/restful-security-service",
        "http://hl7.org/fhir/restful-security-service",
    )
    codings = [{"system": system, "code": "SMART-on-FHIR", "display": "SMART-on-FHIR"} for system in systems]
    assert document(world, URIS) == {
        "cors": True,
        "service": [{"coding": codings, "text": "OAuth 2.0 as profiled by SMART App Launch"}],
        "extension": [
            {
                "url": "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris",
                "extension": [
                    {"url": name, "valueUri": found[member]} for name, member in names.items() if member in found
                ],
            }
        ],
    }


def test_no_endpoint_is_named_that_is_not_there(world: World) -> None:
    """FIELD discovery.management_endpoint: named once it exists."""
    if "management_endpoint" not in document(world):
        assert get(world, "/my-apps").status == 404


def test_the_root_documents_say_what_the_fhir_servers_offer_together(world: World) -> None:
    """RFC 8414 §2, OpenID Connect Discovery §3, REQ-69: what is off everywhere is not said; what one has is."""
    assert "client_credentials" in document(world, OPENID)["grant_types_supported"]
    without(world, Feature.BACKEND_SERVICES, Feature.SCOPES_V1)
    assert "client_credentials" in document(world, OPENID)["grant_types_supported"], "the other one has it"
    with world.services.db.write() as session:
        off = (Feature.BACKEND_SERVICES, Feature.SCOPES_V1)
        world.services.fhir_servers.update(session, "other", {"without": off})
    for path in (OPENID, OAUTH):
        found = document(world, path)
        assert found["grant_types_supported"] == ["authorization_code", "refresh_token"]
        assert not [scope for scope in found["scopes_supported"] if scope.startswith("system/") or "read" in scope]


def test_an_issuer_with_a_path_has_its_documents_where_each_specification_looks(tmp_path: Path) -> None:
    """Decision 29, RFC 8414 §3.1, Q-26: inserted before the path, and appended; URLs keep the path."""
    issuer = "http://127.0.0.1:9000/auth"
    world = build(settings_in(tmp_path, issuer=issuer))
    with world.app.app_context():
        for path in (f"{OAUTH}/auth", f"{OPENID}/auth", f"/auth{OPENID}", f"/auth{SMART}"):
            found = world.transport.send("GET", f"http://127.0.0.1:9000{path}").json()
            assert found["issuer"] == issuer
            assert found["token_endpoint"] == f"{issuer}/token"
        world.services.db.engine.dispose()
    world.services.backend.close()
