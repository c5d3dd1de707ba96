"""DJ: discovery documents and keys (security.md 2.7)."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from typing import TYPE_CHECKING, Any

import pytest

from authz.keyring.rotation import Rotation
from tests.attacks.live.target import ALONE
from tests.world import APP

if TYPE_CHECKING:
    from tests.attacks.live.target import Target
    from tests.transport import Reply

DOCUMENTS = (
    "/.well-known/openid-configuration",
    "/.well-known/oauth-authorization-server",
    "/fhir-servers/main/.well-known/smart-configuration",
    "/jwks",
)
PUBLIC = {"kty", "n", "e", "crv", "x", "y", "kid", "use", "alg", "x5c", "x5t", "x5u", "x5t#S256", "key_ops"}
EACH = pytest.mark.parametrize("path", DOCUMENTS)


def get(target: Target, path: str, *headers: tuple[str, str]) -> Reply:
    return target.send("GET", path, list(headers))


def test_the_key_set_is_public_and_strong(target: Target) -> None:
    """DJ-01, RFC 7517 §9.2."""
    for path in ("/jwks", "/launch/jwks"):
        keys = get(target, path).json()["keys"]
        assert len({key["kid"] for key in keys}) == len(keys)
        for key in keys:
            assert key.keys() <= PUBLIC
            assert key["kty"] in {"RSA", "EC"}
            assert key["kty"] != "RSA" or len(key["n"]) >= 342  # base64url of 2048 bits
            assert key["kty"] != "EC" or key["crv"] in {"P-256", "P-384", "P-521"}
    assert get(target, "/jwks").json()["keys"]


def documents(target: Target, *headers: tuple[str, str]) -> dict[str, Any]:
    return {path: get(target, path, *headers).json() for path in DOCUMENTS}


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param([("Host", "evil.example")], id="DJ-02 another host"),
        pytest.param([("Host", "a/evil")], id="DJ-02 a path"),
        pytest.param([("Host", "127.0.0.1:1@evil.example")], id="DJ-02 a user"),
        pytest.param([("Host", "")], id="DJ-02 no host"),
        pytest.param([("Host", "[::1")], id="DJ-02 half an address"),
        pytest.param([("X-Forwarded-Host", "evil.example"), ("X-Forwarded-Proto", "https")], id="DJ-03 X-Forwarded"),
        pytest.param([("X-Forwarded-Prefix", "/evil"), ("X-Script-Name", "/evil")], id="DJ-03 a prefix"),
        pytest.param([("Forwarded", "host=evil.example;proto=https;for=1.2.3.4")], id="DJ-03 Forwarded"),
        pytest.param([("X-Original-URL", "/evil"), ("X-Rewrite-URL", "/evil")], id="DJ-03 another address"),
        pytest.param([("X-Forwarded-Port", "1"), ("X-Forwarded-Ssl", "on"), ("Front-End-Https", "on")], id="DJ-03 TLS"),
        pytest.param([("X-HTTP-Method-Override", "DELETE"), ("X-Host", "evil.example")], id="DJ-03 others"),
    ],
)
def test_no_header_changes_what_is_published_or_where_anybody_goes(
    target: Target, headers: list[tuple[str, str]]
) -> None:
    """From the proxy that is trusted and from anybody else: addresses come from the settings."""
    good = documents(target)
    assert documents(target, *headers) == good
    url = target.pub.authorize_url(scope=ALONE)
    page = target.send("GET", url, headers)
    cookie = page.header("set-cookie") or ""
    assert (page.status, "evil" in page.text, "Secure" in cookie) == (200, False, False)
    wrong = target.send("GET", target.pub.authorize_url(scope=ALONE, response_type="token"), headers)
    assert wrong.location.startswith(f"{APP}/cb?")
    assert wrong.location_parameters["iss"] == target.issuer
    strange = target.stranger.send("GET", "/.well-known/openid-configuration", headers)
    assert strange.json() == good["/.well-known/openid-configuration"]


def test_two_hosts_are_none_or_change_nothing(target: Target) -> None:
    """DJ-02."""
    twice = target.send("GET", DOCUMENTS[0], [("Host", "a.example"), ("Host", "evil.example")])
    assert twice.status == 400 or twice.json()["issuer"] == target.issuer


@pytest.mark.parametrize("accept", ["text/html", "application/xml", "", "*/*;q=0", "image/png, x/y"])
def test_the_smart_document_is_json_for_everybody(target: Target, accept: str) -> None:
    """DJ-05, SMART "Conformance": with a query too, at absolute addresses, readable from every origin."""
    path = "/fhir-servers/main/.well-known/smart-configuration"
    for query in ("", "?_format=xml", "?x=%00&x=y"):
        reply = get(target, path + query, ("Accept", accept), ("Origin", "https://x.example"))
        assert (reply.status, reply.header("content-type")) == (200, "application/json")
        document = reply.json()
        assert document["token_endpoint"] == f"{target.issuer}/token"
        assert all(v.startswith((f"{target.issuer}/", "http")) for k, v in document.items() if k.endswith("_endpoint"))
        assert reply.header("access-control-allow-origin") == "*"
        assert reply.header("access-control-allow-credentials") is None


@EACH
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "TRACE", "PROPFIND"])
def test_documents_can_be_read_and_nothing_else(target: Target, path: str, method: str) -> None:
    """DJ-06."""
    assert target.send(method, path).status == 405


@EACH
@pytest.mark.parametrize("origin", ["null", "https://evil.example", "https://app.example", "x"])
def test_any_origin_reads_documents_without_credentials(target: Target, path: str, origin: str) -> None:
    """DJ-07."""
    for method in ("GET", "OPTIONS"):
        reply = target.send(method, path, [("Origin", origin), ("Access-Control-Request-Method", "GET")])
        assert reply.header("access-control-allow-origin") == "*"
        assert reply.header("access-control-allow-credentials") is None


@EACH
def test_documents_say_how_long_they_hold(target: Target, path: str) -> None:
    """DJ-09: not longer than a next key is published before it signs; known by a tag; no cookie."""
    reply = get(target, path)
    assert (reply.header("cache-control") or "").split("max-age=")[1] in {"300", "300, must-revalidate"}
    assert reply.header("set-cookie") is None
    tag = reply.header("etag")
    assert tag
    again = get(target, path, ("If-None-Match", tag))
    assert (again.status, again.body) == (304, b"")


def test_keys_change_without_a_gap_and_a_removed_key_is_gone(target: Target) -> None:
    """DJ-10, KT-11: the next key is published before it signs, the old one verifies until its tokens are over."""
    made = target.services
    rotation = Rotation(made.keyring, target.settings.jwks_max_age_seconds, target.settings.id_token_seconds)
    target.clock.forward(seconds=target.settings.jwks_max_age_seconds + 61)
    before, old = kids(target), kid_of(target.tokens_for_alice(ALONE)["id_token"])
    with made.db.write() as session:
        rotation.rotate(session)
    target.clock.forward(seconds=61)  # every process looks again within a minute
    new = kid_of(target.tokens_for_alice(ALONE)["id_token"])
    assert new in before - {old}
    assert old in kids(target)
    hint = target.tokens_for_alice(ALONE)["id_token"]
    with made.db.write() as session:
        rotation.rotate(session, at_once=True)
        rotation.remove(session, new, at_once=True)
    target.clock.forward(seconds=61)
    assert new not in kids(target)
    refused = target.alice.open(target.pub.authorize_url(scope=ALONE, id_token_hint=hint, prompt="none"))
    target.redirected(refused, "invalid_request")


def kids(target: Target) -> set[str]:
    """Every worker says the same."""
    told = [target.send("GET", "/jwks", worker=worker).body for worker in target.wire.workers]
    assert told[0] == told[-1]
    return {key["kid"] for key in json.loads(told[0])["keys"]}


def kid_of(token: str) -> str:
    return str(json.loads(urlsafe_b64decode(token.partition(".")[0] + "=="))["kid"])
