"""SMART section 15: what a client assertion must be, and every way in which it is not."""

from __future__ import annotations

import hmac
import json
from base64 import urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from joserfc import jws
from joserfc.jwk import ECKey, OctKey, RSAKey

from authz.clients import assertion
from authz.clients.assertion import BadAssertion, Proved

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SECOND = int(NOW.timestamp())
TOKEN_URL, ISSUER = "https://as.example/token", "https://as.example"
JWKS_URI = "https://app.example/jwks"
RSA, EC, OTHER = RSAKey.generate_key(2048), ECKey.generate_key("P-384"), ECKey.generate_key("P-384")
KEYS: dict[str, Any] = {
    "keys": [RSA.as_dict(private=False) | {"kid": "r"}, EC.as_dict(private=False) | {"kid": "e", "use": "sig"}]
}
HEADER = {"alg": "ES384", "kid": "e", "typ": "JWT"}
CLAIMS = {"iss": "bulk", "sub": "bulk", "aud": TOKEN_URL, "exp": SECOND + 300, "jti": "once"}
SIGNERS = ["RS256", "RS384", "PS256", "ES384", "HS256", "HS384"]


def encode(content: bytes) -> str:
    return urlsafe_b64encode(content).rstrip(b"=").decode()


def signed(
    header: dict[str, Any] | None = None,
    claims: dict[str, Any] | None = None,
    key: RSAKey | ECKey | OctKey = EC,
    text: str | None = None,
) -> str:
    """A good assertion with members of its header and claims changed; None leaves one out."""
    head = {name: value for name, value in {**HEADER, **(header or {})}.items() if value is not None}
    body = {name: value for name, value in {**CLAIMS, **(claims or {})}.items() if value is not None}
    registry = jws.JWSRegistry(algorithms=SIGNERS, strict_check_header=False)
    return jws.serialize_compact(head, text or json.dumps(body), key, registry=registry)


def prove(token: str, jwks: dict[str, Any] | None = None) -> Proved:
    read = assertion.read(token)
    assert read.client_id == "bulk"
    proved = assertion.claimed(read, JWKS_URI, {TOKEN_URL, ISSUER}, NOW)
    assertion.verify(read, jwks or KEYS)
    return proved


def refused(token: str, jwks: dict[str, Any] | None = None) -> None:
    with pytest.raises(BadAssertion):
        prove(token, jwks)


@pytest.mark.parametrize(
    ("header", "key"), [({}, EC), ({"alg": "RS384", "kid": "r"}, RSA), ({"typ": "jwt"}, EC), ({"cty": "x"}, EC)]
)
def test_both_algorithms_that_every_client_supports_are_accepted(header: dict[str, Any], key: RSAKey | ECKey) -> None:
    """ASY-02, ASY-04, ASY-12, ST-06, FIELD assertion.alg: RS384 and ES384; typ in any case."""
    assert prove(signed(header, key=key)).forget_at == NOW + timedelta(seconds=361)


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": ISSUER},
        {"aud": [TOKEN_URL]},
        {"exp": SECOND + 360},
        {"exp": SECOND - 59},
        {"iat": SECOND, "nbf": SECOND},
        {"iat": SECOND + 59.5},
        {"jti": "x" * 255},
    ],
)
def test_what_the_specification_permits_is_accepted(claims: dict[str, Any]) -> None:
    """CA-30, ASY-08, ASY-09 with 60 s for clocks that differ, ASY-11, Q-24, Q-27, AMB-16, RFC 7523 §3, decision 12."""
    prove(signed(claims=claims))


@pytest.mark.parametrize(
    "header",
    [
        {"kid": None},
        {"kid": "unknown"},
        {"kid": "../../dev/null"},
        {"kid": "' OR 1=1--"},
        {"kid": "x" * 10_000},
        {"kid": "r"},
        {"typ": None},
        {"typ": "at+jwt"},
        {"typ": "logout+jwt"},
    ],
)
def test_a_header_that_names_no_single_key_or_another_kind_is_refused(header: dict[str, Any]) -> None:
    """ASY-03, ASY-04, CA-17, CA-22; FIELD assertion.alg, FIELD assertion.kid, FIELD assertion.typ."""
    refused(signed(header))


def test_jku_is_the_registered_address_or_absent() -> None:
    """ASY-05, FIELD assertion.jku: to the letter; for keys that were given at registration it can't be right."""
    prove(signed({"jku": JWKS_URI}))
    for other in ("https://app.example/JWKS", JWKS_URI + "/", JWKS_URI + "?", "https://evil.example/jwks"):
        refused(signed({"jku": other}))
    with pytest.raises(BadAssertion):
        assertion.claimed(assertion.read(signed({"jku": JWKS_URI})), None, {TOKEN_URL}, NOW)


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "none"},
        {"alg": "None"},
        {"alg": "nOnE"},
        {"alg": ""},
        {"alg": None},
        {"alg": 7},
        {"jku": 7},
        {"jku": ""},
        {"jku": [JWKS_URI]},
        {"alg": ["ES384"]},
        {"kid": 1},
        {"kid": {"a": 1}},
        {"crit": ["bork"], "bork": 1},
        {"crit": []},
        {"b64": False},
        {"zip": "DEF"},
    ],
)
def test_a_header_that_no_client_means_is_refused(header: dict[str, Any]) -> None:
    """CA-10, CA-17, CA-21: without a signature, with a name of no algorithm, with extensions."""
    _, claims, signature = signed().split(".")
    refused(f"{encode(json.dumps({**HEADER, **header}).encode())}.{claims}.{signature}")
    refused(f"{encode(json.dumps({**HEADER, **header}).encode())}.{claims}.")


@pytest.mark.parametrize("secret", [EC.as_pem(private=False), EC.as_der(private=False), b"n" * 64])
@pytest.mark.parametrize("alg", ["HS256", "HS384"])
def test_a_public_key_is_no_shared_secret(secret: bytes, alg: str) -> None:
    """CA-11: HMAC with what everybody knows."""
    head, body = encode(json.dumps({**HEADER, "alg": alg}).encode()), encode(json.dumps(CLAIMS).encode())
    hash_name = {"HS256": "sha256", "HS384": "sha384"}[alg]
    mac = hmac.new(secret, f"{head}.{body}".encode(), hash_name).digest()
    refused(f"{head}.{body}.{encode(mac)}")


@pytest.mark.parametrize("alg", ["RS256", "PS256"])
def test_algorithms_that_are_not_offered_are_refused(alg: str) -> None:
    """CA-14: two are advertised, no other is accepted."""
    refused(signed({"alg": alg, "kid": "r"}, key=RSA))


def test_a_signature_of_another_key_is_refused() -> None:
    """ASY-12, CA-15, CA-19: another's key; a key in the header is none; changed, empty, zero signatures."""
    refused(signed(key=OTHER))
    refused(signed({"jwk": OTHER.as_dict(private=False)}, key=OTHER))
    refused(signed({"alg": "RS384", "kid": "e"}, key=RSA))
    head, body, signature = signed().split(".")
    changed = ("A" if signature[0] != "A" else "B") + signature[1:]
    for other in (changed, "", encode(bytes(96)), encode(bytes(10)), signature + "=", signature + "AAAA"):
        refused(f"{head}.{body}.{other}")


def test_two_keys_of_one_name_prove_nothing_unless_their_types_differ() -> None:
    """CA-18, ASY-25: exactly one key by kid and kty."""
    e, r = KEYS["keys"][1], KEYS["keys"][0]
    refused(signed(), {"keys": [e, OTHER.as_dict(private=False) | {"kid": "e"}]})
    prove(signed(), {"keys": [r | {"kid": "e"}, e]})


@pytest.mark.parametrize(
    "change", [{"use": "enc"}, {"key_ops": ["sign"]}, {"alg": "ES256"}, {"key_ops": "verify-nothing"}]
)
def test_a_key_for_something_else_is_not_used(change: dict[str, Any]) -> None:
    """ASY-25: use, key_ops and alg of the registered key are respected; other members are ignored."""
    refused(signed(), {"keys": [KEYS["keys"][1] | change]})
    prove(signed(), {"keys": [KEYS["keys"][1] | {"ext": True, "x5c": ["x"], "alg": "ES384", "key_ops": ["verify"]}]})


def test_es384_needs_its_own_curve() -> None:
    """RFC 7518 §3.4: P-384 and no other."""
    key = ECKey.generate_key("P-256")
    refused(signed(), {"keys": [key.as_dict(private=False) | {"kid": "e"}]})


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": None},
        {"aud": "https://other.example/token"},
        {"aud": TOKEN_URL + "/"},
        {"aud": [TOKEN_URL, "https://evil.example/token"]},
        {"aud": [TOKEN_URL, ISSUER]},
        {"aud": []},
        {"aud": {}},
        {"aud": [[TOKEN_URL]]},
        {"exp": None},
        {"exp": SECOND + 3600},
        {"exp": SECOND + 361},
        {"exp": SECOND - 60},
        {"exp": str(SECOND + 60)},
        {"exp": True},
        {"exp": SECOND + 60.5},
        {"exp": -1},
        {"nbf": SECOND + 61},
        {"iat": SECOND + 3600},
        {"iat": "now"},
        {"nbf": True},
        {"jti": None},
        {"jti": ""},
        {"jti": "x" * 256},
        {"jti": 7},
        {"jti": ["once"]},
    ],
)
def test_a_claim_that_does_not_hold_is_refused(claims: dict[str, Any]) -> None:
    """CA-29, CA-31, CA-33, ASY-08..11: one audience and this one; five minutes at most; a jti to remember.

    FIELD assertion.aud, FIELD assertion.exp, FIELD assertion.jti, FIELD assertion.nbf, FIELD assertion.iat
    """
    refused(signed(claims=claims))


@pytest.mark.parametrize(
    "text",
    [
        '{"iss":"bulk","sub":"bulk","aud":"x","exp":NaN,"jti":"1"}',
        '{"iss":"bulk","sub":"bulk","aud":"x","exp":1e400,"jti":"1"}',
        '{"iss":"bulk","sub":"bulk","aud":"x","exp":9223372036854775808,"jti":"1"}',
        '{"iss":"bulk","sub":"bulk","sub":"other"}',
        '{"sub":' + "[" * 5_000 + "]" * 5_000 + "}",
        '{"iss":"\\ud800","sub":"\\ud800"}',
        '{"iss":"a\\u0000b","sub":"a\\u0000b"}',
        "[]",
        "null",
        "no json",
    ],
)
def test_claims_that_are_not_plain_json_are_refused_before_anybody_is_looked_up(text: str) -> None:
    """CA-25, CA-26, CA-31: depth, duplicates, numbers that JSON or JavaScript does not have, NUL, lone surrogates."""
    with pytest.raises(BadAssertion):
        _ = assertion.read(signed(text=text)).client_id


@pytest.mark.parametrize(
    "claims", [{"iss": "other"}, {"sub": "other"}, {"sub": None}, {"iss": 7, "sub": 7}, {"sub": []}]
)
def test_issuer_and_subject_are_both_the_client(claims: dict[str, Any]) -> None:
    """ASY-06, CA-26, CA-27, FIELD assertion.iss, FIELD assertion.sub."""
    with pytest.raises(BadAssertion):
        _ = assertion.read(signed(claims=claims)).client_id


@pytest.mark.parametrize("token", ["", ".", "..", "a.b", "a.b.c", "a.b.c.d.e", "é.é.é", "x" * 16_385])
def test_what_is_no_signed_jwt_is_refused(token: str) -> None:
    """CA-23: five segments are an encrypted token, which is not opened at all."""
    with pytest.raises(BadAssertion):
        assertion.read(token)


def test_the_same_jti_of_two_clients_is_two_assertions() -> None:
    """CA-37, ASY-10: what is remembered is issuer and jti together."""
    other = assertion.read(signed(claims={"iss": "other", "sub": "other"}))
    assert assertion.claimed(other, None, {TOKEN_URL}, NOW).digest != prove(signed()).digest
    assert prove(signed(claims={"exp": SECOND + 1})).digest == prove(signed()).digest
