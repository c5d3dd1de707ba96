"""What the log says of a client assertion that is refused; the client itself is told ``invalid_client`` (ASY-29)."""

from __future__ import annotations

from typing import Any

import pytest

from authz.clients import assertion
from authz.clients.assertion import BadAssertion, KeyNotFound
from tests.clients.test_assertion import CLAIMS, EC, JWKS_URI, KEYS, NOW, OTHER, RSA, SECOND, TOKEN_URL, prove, signed

EXP = "exp must be an integer, in the future, at most five minutes ahead"
JKU = "jku is not the address where this client is registered to publish its keys"
JTI = "jti must be a string of 1 to 255 characters"
AUD = "aud is not this server, and nobody else"
NO_KEY = "not exactly one usable key has this kid and the type of this alg"


@pytest.mark.parametrize(
    ("header", "sentence"),
    [
        ({"alg": "none"}, "alg must be RS384 or ES384"),
        ({"typ": None}, "typ must be JWT"),
        ({"typ": "at+jwt"}, "typ must be JWT"),
        ({"jwk": {}, "crit": ["x"], "b64": True}, "the header has b64, crit, jwk"),
        ({"x5u": "https://evil.example/"}, "the header has x5u"),
        ({"zip": "DEF"}, "the header has zip"),
        ({"kid": None}, "kid is missing"),
        ({"kid": ""}, "kid is missing"),
        ({"kid": 7}, "kid is missing"),
        ({"jku": "https://evil.example/jwks"}, JKU),
    ],
)
def test_the_log_says_what_is_wrong_with_a_header(header: dict[str, Any], sentence: str) -> None:
    """ASY-02..05, RFC 8725 §3.10: and quotes nothing of it."""
    read = assertion.Assertion("", {"alg": "ES384", "kid": "e", "typ": "JWT"} | header, CLAIMS)
    with pytest.raises(BadAssertion) as refused:
        assertion.claimed(read, JWKS_URI, {TOKEN_URL}, NOW)
    assert str(refused.value) == sentence


@pytest.mark.parametrize(
    ("claims", "sentence"),
    [
        ({"aud": "https://other.example/token"}, AUD),
        ({"aud": [TOKEN_URL, "https://other.example/token"]}, AUD),
        ({"exp": SECOND - 60}, EXP),
        ({"exp": None}, EXP),
        ({"nbf": SECOND + 61}, "nbf is not a time, or lies ahead"),
        ({"iat": "now"}, "iat is not a time, or lies ahead"),
        ({"jti": None}, JTI),
        ({"jti": "x" * 256}, JTI),
        ({"iss": "other"}, "iss and sub must both be the client_id"),
    ],
)
def test_the_log_says_what_is_wrong_with_a_claim(claims: dict[str, Any], sentence: str) -> None:
    """ASY-06..11: and quotes nothing of it."""
    with pytest.raises(BadAssertion) as refused:
        assertion.claimed(assertion.read(signed(claims=claims)), JWKS_URI, {TOKEN_URL}, NOW)
    assert str(refused.value) == sentence


def test_a_time_may_lie_ahead_by_as_much_as_clocks_differ() -> None:
    """ASY-11, Q-24: sixty seconds, and not one more."""
    prove(signed(claims={"iat": SECOND + 60, "nbf": SECOND + 60}))
    prove(signed(claims={"jti": "x"}))


def test_an_assertion_that_is_too_long_is_not_read() -> None:
    """CA-23: 16 KB is as much as is looked at, and that much is looked at."""
    with pytest.raises(BadAssertion) as refused:
        assertion.read("x" * 16_385)
    assert str(refused.value) == "longer than 16 KB"
    with pytest.raises(BadAssertion) as refused:
        assertion.read("x" * 16_384)
    assert str(refused.value) != "longer than 16 KB"
    assert str(refused.value) == str(refused.value.__cause__)


def test_another_set_of_keys_may_hold_the_one_that_is_not_found() -> None:
    """ASY-23: a key that is not there, and one that did not sign, are told apart in the log only."""
    with pytest.raises(KeyNotFound) as refused:
        assertion.verify(assertion.read(signed({"kid": "unknown"})), KEYS)
    assert str(refused.value) == NO_KEY
    with pytest.raises(KeyNotFound) as refused:
        assertion.verify(assertion.read(signed({"alg": "RS384"}, key=RSA)), KEYS)
    assert str(refused.value) == NO_KEY
    with pytest.raises(KeyNotFound) as refused:
        assertion.verify(assertion.read(signed(key=OTHER)), KEYS)
    assert str(refused.value) == "the signature does not verify"
    assertion.verify(assertion.read(signed(key=EC)), KEYS)


def test_what_is_remembered_is_no_secret_and_the_same_everywhere() -> None:
    """ASY-10: SHA-256 over issuer, NUL and jti; two workers, and two versions of this server, must agree on it."""
    digest = "ab521a6b4399b375de4926cd7fa2ebfecb15ac802be6418d853450f6100b64fe"
    assert prove(signed()).digest == digest
