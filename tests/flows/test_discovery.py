"""What is advertised works: every value of the discovery documents is exercised (CAP-03)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from authz.scopes import ScopeSet, UnknownScope
from tests.world import ISSUER

if TYPE_CHECKING:
    from tests.transport import Reply
    from tests.world import World

SMART = "/fhir-servers/main/.well-known/smart-configuration"
OPENID = "/.well-known/openid-configuration"
OAUTH = "/.well-known/oauth-authorization-server"
ENDPOINTS = {
    "authorization_endpoint": ("GET", 400),
    "token_endpoint": ("POST", 400),
    "introspection_endpoint": ("POST", 401),
    "revocation_endpoint": ("POST", 400),
    "userinfo_endpoint": ("GET", 401),
    "jwks_uri": ("GET", 200),
    "end_session_endpoint": ("GET", 200),
}


def get(world: World, path: str, **headers: str) -> Reply:
    return world.transport.send("GET", ISSUER + path, headers)


@pytest.mark.parametrize("path", [SMART, f"{SMART}.json", OPENID, OAUTH, "/fhir-servers/main/oauth-uris", "/jwks"])
def test_a_document_is_json_for_everybody(world: World, path: str) -> None:
    """DISC-03, DISC-07, CORS-01, CORS-05, DJ-05: whatever Accept says, from any origin, cacheable, revalidated."""
    reply = get(world, path, Accept="text/html", Origin="https://anybody.example")
    assert (reply.status, reply.header("content-type")) == (200, "application/json")
    assert reply.header("access-control-allow-origin") == "*"
    assert reply.header("access-control-allow-credentials") is None
    assert (reply.header("cache-control") or "").startswith("public, max-age=")
    assert get(world, path, **{"If-None-Match": reply.header("etag") or ""}).status == 304


@pytest.mark.parametrize("path", [SMART, OPENID, OAUTH])
def test_every_endpoint_that_is_advertised_is_there(world: World, path: str) -> None:
    """DISC-04: absolute URLs, each of which answers; REQ-35."""
    document = get(world, path).json()
    named = {name: url for name, url in document.items() if name in ENDPOINTS}
    assert named
    for name, url in named.items():
        method, status = ENDPOINTS[name]
        reply = world.transport.send(method, url, {"Content-Type": "application/x-www-form-urlencoded"})
        assert reply.status == status, (name, reply.status)


def test_the_documents_agree(world: World) -> None:
    """oauth.md Part 10: what two documents both say is the same."""
    documents: list[dict[str, Any]] = [get(world, path).json() for path in (SMART, OPENID, OAUTH)]
    for one in documents:
        for other in documents:
            differing = {name for name in one.keys() & other.keys() if one[name] != other[name]}
            assert differing <= {"grant_types_supported", "token_endpoint_auth_methods_supported"}


def test_the_smart_configuration_says_what_smart_demands(world: World) -> None:
    """Section 2.2: required and conditional members, S256 and no plain, no nulls, arrays of strings."""
    document = get(world, SMART).json()
    assert document["issuer"] == ISSUER
    assert document["code_challenge_methods_supported"] == ["S256"]
    assert "authorization_code" in document["grant_types_supported"]
    assert {"launch-ehr", "client-public", "sso-openid-connect", "permission-v1", "permission-v2"} <= set(
        document["capabilities"]
    )
    for name, value in document.items():
        assert value, name
        assert isinstance(value, str) or all(isinstance(item, str) for item in value)


def test_every_scope_that_is_advertised_is_understood(world: World) -> None:
    """2.2: the server supports every scope it lists."""
    listed = get(world, SMART).json()["scopes_supported"]
    assert not [scope for scope in ScopeSet.parse(" ".join(listed)) if isinstance(scope, UnknownScope)]


def test_the_capability_statement_fragment_names_the_same_endpoints(world: World) -> None:
    """CS-01..05: byte-identical with the well-known document; CS-05."""
    fragment = get(world, "/fhir-servers/main/oauth-uris").json()
    document = get(world, SMART).json()
    (oauth_uris,) = fragment["extension"]
    assert oauth_uris["url"] == "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris"
    assert {uri["url"]: uri["valueUri"] for uri in oauth_uris["extension"]} == {
        "authorize": document["authorization_endpoint"],
        "manage": document["management_endpoint"],
        "token": document["token_endpoint"],
        "introspect": document["introspection_endpoint"],
        "revoke": document["revocation_endpoint"],
    }
    assert fragment["cors"] is True


def test_the_key_set_has_public_members_only(world: World) -> None:
    """DJ-01, OID-11: an active and a next RSA key, nothing private."""
    keys = get(world, "/jwks").json()["keys"]
    assert len({key["kid"] for key in keys}) == len(keys) == 2
    for key in keys:
        assert set(key) == {"kty", "n", "e", "kid", "use", "alg"}
        assert (key["kty"], key["use"], key["alg"]) == ("RSA", "sig", "RS256")


def test_an_unknown_fhir_server_has_no_document(world: World) -> None:
    assert get(world, "/fhir-servers/nobody/.well-known/smart-configuration").status == 404


def test_the_host_header_changes_nothing(world: World) -> None:
    """DJ-02, DJ-03: URLs come from the settings."""
    lying = {"Host": "evil.example", "X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https"}
    assert get(world, SMART, **lying).body == get(world, SMART).body
