"""What others sign who are not apps, such as a sign-in provider (OpenID Connect Core §3.1.3.7, RFC 8725 §3.1)."""

from __future__ import annotations

from typing import Any

from joserfc import jws
from joserfc.errors import JoseError

from authz.keyring.compact import NotCompact, read_jws
from authz.keyring.public_keys import CHECKS, PRIVATE_MEMBERS, imported

MAX_BYTES = 32 * 1024
KINDS = {  # algorithm -> type of its key, and its curve; whoever may verify with a secret could sign as well
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), ("RSA", None)),
    "ES256": ("EC", "P-256"),
    "ES384": ("EC", "P-384"),
    "ES512": ("EC", "P-521"),
}
REFUSED_HEADERS = frozenset({"crit", "b64", "zip", "jku", "jwk", "x5u"})  # OpenID Connect Core §2


class Unproved(ValueError):
    """Not signed by who should have; the text is for the log and quotes nothing."""


class KeyNotHere(Unproved):
    """No key of this set made the signature; a newer set may hold the one."""


class NotByItsKey(KeyNotHere):
    """The key that the header names did not make the signature; one that replaced it under its name may have."""


def read(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims of a signed JWT; nothing is proved. Raises Unproved."""
    if len(token) > MAX_BYTES:
        raise Unproved(f"longer than {MAX_BYTES} bytes")
    try:
        header, claims = read_jws(token)
    except NotCompact as error:
        raise Unproved(str(error)) from error
    algorithm = header.get("alg")
    if not isinstance(algorithm, str) or algorithm not in KINDS:
        raise Unproved(f"alg must be one of {', '.join(KINDS)}")
    if refused := sorted(REFUSED_HEADERS & header.keys()):
        raise Unproved(f"the header has {', '.join(refused)}")
    return header, claims


def verify(token: str, header: dict[str, Any], jwks: dict[str, Any]) -> None:
    """Check the signature with the one key that the header names; keys within the header are never used.

    Raises KeyNotHere if there is none or it is another one (NotByItsKey), or if there are several.
    """
    algorithm, kid = header["alg"], header.get("kid")
    found = [key for key in jwks["keys"] if suits(key, algorithm) and (kid is None or key.get("kid") == kid)]
    if len(found) != 1:
        raise KeyNotHere("not exactly one usable key fits kid and alg")
    try:
        jws.deserialize_compact(token, imported(found[0]), algorithms=[algorithm])
    except (JoseError, ValueError, TypeError) as error:
        raise (KeyNotHere if kid is None else NotByItsKey)("the signature does not verify") from error


def suits(key: object, algorithm: str) -> bool:
    """Whether this is a public signature key for the algorithm."""
    kty, curve = KINDS[algorithm]
    if not isinstance(key, dict) or key.get("kty") != kty or PRIVATE_MEMBERS & key.keys():
        return False
    operations = key.get("key_ops", ["verify"])
    meant = key.get("use", "sig") == "sig" and key.get("alg", algorithm) == algorithm
    right_curve = curve is None or key.get("crv") == curve
    return (
        meant and right_curve and isinstance(operations, list) and "verify" in operations and CHECKS[kty](key) is None
    )
