"""Public keys of a client, as they may be registered (SMART REG-05..09, security.md RG-10)."""

from __future__ import annotations

from typing import Any

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

MAX_KEYS = 100
MIN_RSA_BITS = 2048
PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
CURVES = frozenset({"P-256", "P-384", "P-521"})


def jwks_problems(jwks: object) -> list[str]:
    """Every reason why this is not a set of public signature keys; unknown members are ignored (RFC 7517 §4)."""
    keys = jwks.get("keys") if isinstance(jwks, dict) else None
    if not isinstance(keys, list) or not 0 < len(keys) <= MAX_KEYS:
        return [f'must be an object with a member "keys", an array of 1 to {MAX_KEYS} keys']
    found = [f"key {number}: {problem}" for number, key in enumerate(keys, 1) if (problem := key_problem(key))]
    names = [(key.get("kid"), key.get("kty")) for key in keys if isinstance(key, dict)]
    if len(names) != len(set(map(str, names))):
        found.append("two keys have the same kid and kty")
    return found


def key_problem(key: object) -> str | None:
    if not isinstance(key, dict):
        return "must be an object"
    if PRIVATE_MEMBERS & key.keys():
        return "is private or symmetric: register public keys only, and make a new one, this one is known now"
    if not isinstance(key.get("kid"), str) or not key["kid"]:
        return "kid is missing"
    if key.get("use", "sig") != "sig":
        return 'use must be "sig"'
    check = CHECKS.get(str(key.get("kty")))
    return "kty must be RSA or EC" if check is None else check(key)


def rsa_problem(key: dict[str, Any]) -> str | None:
    try:
        bits = RSAKey.import_key({name: str(key.get(name)) for name in ("kty", "n", "e")}).raw_value.key_size
    except (JoseError, ValueError, TypeError):
        return "is not an RSA key"
    return f"RSA needs at least {MIN_RSA_BITS} bits" if bits < MIN_RSA_BITS else None


def ec_problem(key: dict[str, Any]) -> str | None:
    if key.get("crv") not in CURVES:
        return f"crv must be one of {', '.join(sorted(CURVES))}"
    try:
        ECKey.import_key({name: str(key.get(name)) for name in ("kty", "crv", "x", "y")})
    except (JoseError, ValueError, TypeError):
        return "is not a key on this curve"
    return None


CHECKS = {"RSA": rsa_problem, "EC": ec_problem}
