"""OP: features that are not offered are refused, and not advertised (security.md 2.16, decision 18)."""

from __future__ import annotations

import json
import secrets
from hashlib import sha256
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest
from joserfc.jwk import ECKey, RSAKey

from tests.actors import FORM, basic
from tests.attacks.live.jose import b64, compact, es384, hs, rs384, unsigned
from tests.attacks.live.target import ALONE, LAUNCHED
from tests.world import SECRET

if TYPE_CHECKING:
    from tests.attacks.live.target import Target

PROVER, PROVER_RSA = ECKey.generate_key("P-384"), RSAKey.generate_key(4096)
DOCUMENTS = (
    "/.well-known/openid-configuration",
    "/.well-known/oauth-authorization-server",
    "/fhir-servers/main/.well-known/smart-configuration",
)
NOT_OFFERED = (
    *(
        "pushed_authorization_request_endpoint",
        "require_pushed_authorization_requests",
        "device_authorization_endpoint",
    ),
    *("request_object_signing_alg_values_supported", "require_signed_request_object", "check_session_iframe"),
    *("dpop_signing_alg_values_supported", "backchannel_authentication_endpoint", "mtls_endpoint_aliases"),
    *("tls_client_certificate_bound_access_tokens", "authorization_details_types_supported"),
)


@pytest.mark.parametrize("path", DOCUMENTS)
def test_what_is_not_offered_is_not_advertised(target: Target, path: str) -> None:
    """OP-01, OP-02, OP-03, OP-05, OP-06."""
    document = target.send("GET", path).json()
    assert not set(NOT_OFFERED) & document.keys()
    for name in ("request_parameter_supported", "request_uri_parameter_supported", "claims_parameter_supported"):
        assert document.get(name, False) is (name == "claims_parameter_supported" and name in document)
    assert document.get("response_modes_supported", ["query"]) == ["query"]
    assert document["response_types_supported"] == ["code"]
    assert set(document["grant_types_supported"]) <= {"authorization_code", "refresh_token", "client_credentials"}


@pytest.mark.parametrize("path", ["/par", "/request", "/device_authorization", "/bc-authorize", "/connect/par"])
def test_nothing_pretends_to_take_pushed_requests(target: Target, path: str) -> None:
    """OP-01: with credentials and without, by every method."""
    body = urlencode(target.sec.authorization_request(scope=ALONE)).encode()
    for method in ("POST", "GET", "PUT"):
        for headers in ({}, basic("confidential", SECRET)):
            assert target.send(method, path, {"Content-Type": FORM, **headers}, body).status == 404


@pytest.mark.parametrize(
    "uri",
    [
        *("urn:ietf:params:oauth:request_uri:6esc_11ACC5bwc014ltc14eY22c", "https://app.example/request.jwt"),
        *("http://127.0.0.1:{port}/x", "file:///etc/passwd", "x", "https://127.0.0.1:{port}/x"),
    ],
)
def test_a_request_uri_leads_nowhere(target: Target, uri: str) -> None:
    """OP-01, OP-02: opened once or twice, alone or beside a good request; nobody fetches it."""
    value = uri.format(port=target.canary.port)
    for _ in range(2):
        target.redirected(target.ask(request_uri=value), "request_uri_not_supported")
        alone = target.send("GET", f"/authorize?{urlencode({'client_id': 'public', 'request_uri': value})}")
        target.page(alone)
    assert target.canary.heard == []


def objects(target: Target) -> dict[str, str]:
    claims: dict[str, Any] = {
        **target.pub.authorization_request(scope=ALONE),
        "iss": "public",
        "aud": target.issuer,
        "exp": target.clock.seconds() + 300,
    }
    head = {"kid": "ES384", "typ": "oauth-authz-req+jwt"}
    assert target.key.keys is not None
    return {
        "good, by the client's key": compact({**head, "alg": "ES384"}, claims, target.key.keys.sign("ES384")),
        "none": compact({**head, "alg": "none"}, claims, unsigned),
        "wrong key": compact({**head, "alg": "ES384"}, claims, es384(PROVER)),
        "HS256": compact({**head, "alg": "HS256"}, claims, hs(b"secret", "sha256")),
        "no aud": compact({**head, "alg": "none"}, {**claims, "aud": None}, unsigned),
        "late": compact({**head, "alg": "none"}, {**claims, "exp": 1}, unsigned),
        "another client": compact({**head, "alg": "none"}, {**claims, "client_id": "confidential"}, unsigned),
        "another address": compact(
            {**head, "alg": "none"}, {**claims, "redirect_uri": "https://evil.example/"}, unsigned
        ),
        "nested": compact({**head, "alg": "none", "cty": "JWT"}, b"e30.e30.", unsigned),
        "no JWT": "x",
    }


def test_request_objects_are_refused_good_or_bad(target: Target) -> None:
    """OP-03: what is in them is never looked at."""
    for value in objects(target).values():
        target.redirected(target.ask(request=value), "request_not_supported")
        both = target.ask(request=value, request_uri="urn:x")
        assert both.location_parameters["error"] in {"request_not_supported", "request_uri_not_supported"}
        alone = target.send("GET", f"/authorize?{urlencode({'client_id': 'public', 'request': value})}")
        target.page(alone)


def proof(target: Target, url: str, method: str = "POST", **changes: Any) -> str:
    head = {"typ": "dpop+jwt", "alg": "ES384", "jwk": PROVER.as_dict(private=False), **changes.pop("head", {})}
    claims = {"jti": secrets.token_hex(8), "htm": method, "htu": url, "iat": target.clock.seconds(), **changes}
    sign = changes.pop("sign", es384(PROVER))
    return compact(
        {k: v for k, v in head.items() if v is not None},
        {k: v for k, v in claims.items() if v is not None and k != "sign"},
        sign,
    )


def proofs(target: Target, url: str, method: str = "POST") -> list[str]:
    wrong: list[dict[str, Any]] = [
        *({name: None} for name in ("jti", "htm", "htu", "iat")),
        *({"head": {name: None}} for name in ("typ", "alg", "jwk")),
        {"head": {"typ": "JWT"}},
        {"head": {"alg": "none"}},
        {"head": {"alg": "HS256"}},
        {"head": {"jwk": PROVER.as_dict(private=True)}},
        {"htm": "PUT"},
        {"htu": "https://evil.example/token"},
        {"iat": target.clock.seconds() - 3600},
        {"iat": target.clock.seconds() + 3600},
        {"ath": b64(sha256(b"x").digest())},
    ]
    return ["x", "", "a.b.c", *(proof(target, url, method, **changes) for changes in wrong)]


def test_a_proof_changes_nothing_at_the_token_endpoint(target: Target) -> None:
    """OP-05, OP-06: an app that sends one gets an ordinary bearer token, which says so, or an error."""
    url = f"{target.issuer}/token"
    for dpop in [proof(target, url), *proofs(target, url)]:
        code = target.pub.code(str(target.launch()["launch"]), LAUNCHED)
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": target.pub.redirect_uri,
            "code_verifier": target.pub.verifier,
        }
        reply = target.pub.post("/token", form, {"DPoP": dpop})
        if reply.status == 200:
            assert reply.json()["token_type"] == "Bearer"
            assert "cnf" not in target.rs.introspect(reply.json()["access_token"])
        else:
            assert reply.status == 400


def test_a_bearer_token_is_none_that_is_bound(target: Target) -> None:
    """OP-05: the scheme DPoP is refused, with every proof."""
    token, url = target.bought()["access_token"], f"{target.issuer}/userinfo"
    for dpop in [proof(target, url, "GET"), *proofs(target, url, "GET")]:
        assert target.send("GET", "/userinfo", {"Authorization": f"DPoP {token}", "DPoP": dpop}).status == 401
        assert target.send("GET", "/userinfo", {"Authorization": f"Bearer {token}", "DPoP": dpop}).status == 200


def test_a_large_proof_does_not_hurt(target: Target) -> None:
    """OP-07: a key of 4096 bits in its header."""
    head = {"typ": "dpop+jwt", "alg": "RS384", "jwk": PROVER_RSA.as_dict(private=False)}
    large = compact(head, {"jti": "x", "htm": "POST", "htu": f"{target.issuer}/token"}, rs384(PROVER_RSA))
    assert len(large) > 512
    form = {"grant_type": "refresh_token", "refresh_token": "x"}
    target.refused(target.pub.post("/token", form, {"DPoP": large}), 400, "invalid_grant")
    assert json.loads(target.send("GET", "/jwks", {"DPoP": large}).body)["keys"]


@pytest.mark.parametrize(
    "form",
    [
        {"grant_type": "urn:ietf:params:oauth:grant-type:token-exchange", "subject_token": "x"},
        {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": "a.b.c"},
        {"grant_type": "urn:ietf:params:oauth:grant-type:saml2-bearer", "assertion": "x"},
        {"grant_type": "urn:ietf:params:oauth:grant-type:device_code", "device_code": "x"},
        {"grant_type": "urn:openid:params:grant-type:ciba", "auth_req_id": "x"},
    ],
    ids=lambda form: form["grant_type"],
)
def test_other_grants_are_not_there(target: Target, form: dict[str, str]) -> None:
    """OP-01."""
    for app in (target.pub, target.sec, target.key):
        target.refused(app.post("/token", form), 400, "unsupported_grant_type")
