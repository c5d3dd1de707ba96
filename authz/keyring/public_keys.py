"""Public keys of others, by which they sign: as they may be registered, and the one that a header names.

SMART REG-05..09, ASY-12, security.md RG-10.
"""

from __future__ import annotations

from typing import Any

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

ALGORITHMS = ("RS384", "ES384")  # by which apps and EHRs sign (SMART ASY-02)
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


def keeps_keys(before: dict[str, Any] | None, after: dict[str, Any] | None) -> bool:
    """Whether each key that there was is still there, so that a new one stands beside it."""
    kept = (after or {"keys": []})["keys"]
    return all(key in kept for key in (before or {"keys": []})["keys"])


CHECKS = {"RSA": rsa_problem, "EC": ec_problem}
KEY_TYPES = {"RS256": "RSA", "RS384": "RSA", "PS256": "RSA", "PS384": "RSA", "ES256": "EC", "ES384": "EC"}
CURVE_OF = {"ES256": "P-256", "ES384": "P-384"}
MATERIAL = {"RSA": ("kty", "n", "e"), "EC": ("kty", "crv", "x", "y")}


def find_key(jwks: dict[str, Any], kid: str, algorithm: str) -> RSAKey | ECKey | None:
    """The one usable key of this name for this algorithm; None if there is none, or several."""
    found = [key for key in jwks["keys"] if suits(key, kid, KEY_TYPES[algorithm], algorithm)]
    return imported(found[0]) if len(found) == 1 else None


def suits(key: object, kid: str, kty: str, algorithm: str) -> bool:
    """Whether this is a usable key of that name and type; one for something else is as good as absent (ASY-25)."""
    if not isinstance(key, dict) or (key.get("kid"), key.get("kty")) != (kid, kty):
        return False
    operations = key.get("key_ops", ["verify"])
    meant = key.get("use", "sig") == "sig" and key.get("alg", algorithm) == algorithm
    return (
        meant
        and isinstance(operations, list)
        and "verify" in operations
        and (kty != "EC" or key.get("crv") == CURVE_OF[algorithm])
        and key_problem(key) is None
    )


def thumbprints(jwks: dict[str, Any]) -> frozenset[str]:
    """Of each key, by which it is known whatever it is called (RFC 7638)."""
    return frozenset(imported(key).thumbprint() for key in jwks["keys"])


def imported(key: dict[str, Any]) -> RSAKey | ECKey:
    material = {name: key[name] for name in MATERIAL[key["kty"]]}
    return RSAKey.import_key(material) if key["kty"] == "RSA" else ECKey.import_key(material)
