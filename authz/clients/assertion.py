"""A client's proof of who it is by a key of its own: ``private_key_jwt`` (SMART ASY-01..12, RFC 7523 §3).

Pure: reads and checks one JWT against registered keys and a time. Whether its ``jti`` was seen before is a row.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

from authz import strict_json
from authz.strict_json import NotStrictJson

if TYPE_CHECKING:
    from collections.abc import Collection

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ALGORITHMS = ("RS384", "ES384")
MAX_BYTES = 16 * 1024
MAX_JTI = 255
MAX_AHEAD = 300  # seconds from now to exp (ASY-09)
LEEWAY = 60  # seconds that two clocks may differ
SEGMENT = re.compile(r"[A-Za-z0-9_-]+")
REFUSED_HEADERS = frozenset({"jku", "crit", "b64", "zip"})  # jku: keys are registered inline (ASY-05)
MATERIAL = {"RSA": ("kty", "n", "e"), "EC": ("kty", "crv", "x", "y")}


class BadAssertion(ValueError):
    """Its text is for the log and quotes nothing of the assertion; the client is told ``invalid_client`` (ASY-29)."""


@dataclass(frozen=True, slots=True)
class Assertion:
    """A JWT as it was sent; nothing of it is proved."""

    token: str
    header: dict[str, Any]
    claims: dict[str, Any]

    @property
    def client_id(self) -> str:
        """Whose it claims to be. Raises BadAssertion."""
        subject = self.claims.get("sub")
        if not isinstance(subject, str) or self.claims.get("iss") != subject:
            raise BadAssertion("iss and sub must both be the client_id")
        return subject


@dataclass(frozen=True, slots=True)
class Proved:
    """An assertion that holds, unless this digest was seen before (ASY-10)."""

    digest: str  # SHA-256 over issuer and jti, hex
    forget_at: datetime  # from here on it would be refused as expired


def read(token: str) -> Assertion:
    """Take the JWT apart. Raises BadAssertion for anything that is not a compact JWS of two JSON objects."""
    if len(token) > MAX_BYTES:
        raise BadAssertion("longer than 16 KB")
    match token.split("."):
        case [header, claims, signature]:
            decoded(signature)
            return Assertion(token, json_object(decoded(header)), json_object(decoded(claims)))
        case _:
            raise BadAssertion("not three segments")


def decoded(segment: str) -> bytes:
    """The one spelling of each byte string (RFC 4648 §3.5): no padding, no stray bits."""
    if not SEGMENT.fullmatch(segment) or len(segment) % 4 == 1:
        raise BadAssertion("not base64url")
    content = urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
    if urlsafe_b64encode(content).rstrip(b"=") != segment.encode():
        raise BadAssertion("not base64url")
    return content


def json_object(content: bytes) -> dict[str, Any]:
    try:
        value = strict_json.parse(content)
    except NotStrictJson as error:
        raise BadAssertion(str(error)) from error
    if not isinstance(value, dict):
        raise BadAssertion("not a JSON object")
    return value


def prove(assertion: Assertion, jwks: dict[str, Any], audiences: Collection[str], now: datetime) -> Proved:
    """Check header, signature and claims, in this order. Raises BadAssertion."""
    key = key_of(assertion.header, jwks)
    try:
        jws.deserialize_compact(assertion.token, key, algorithms=list(ALGORITHMS))
    except (JoseError, ValueError, TypeError) as error:
        raise BadAssertion("the signature does not verify") from error
    claims = assertion.claims
    audience = claims.get("aud")
    if isinstance(audience, list) and len(audience) == 1:
        audience = audience[0]
    if not isinstance(audience, str) or audience not in audiences:
        raise BadAssertion("aud is not this server, and nobody else")
    expires_at = checked_times(claims, now)
    jti = claims.get("jti")
    if not isinstance(jti, str) or not 0 < len(jti) <= MAX_JTI:
        raise BadAssertion("jti must be a string of 1 to 255 characters")
    digest = sha256(f"{assertion.client_id}\0{jti}".encode()).hexdigest()
    return Proved(digest, expires_at + timedelta(seconds=LEEWAY + 1))


def checked_times(claims: dict[str, Any], now: datetime) -> datetime:
    """``exp``, at most five minutes ahead; ``nbf`` and ``iat`` where they are given (ASY-09, ASY-11)."""
    current = now.timestamp()
    expires = claims.get("exp")
    if type(expires) is not int or not current - LEEWAY < expires <= current + MAX_AHEAD + LEEWAY:
        raise BadAssertion("exp must be an integer, in the future, at most five minutes ahead")
    for name in ("nbf", "iat"):
        value = claims.get(name, 0)
        if type(value) not in (int, float) or value > current + LEEWAY:
            raise BadAssertion(f"{name} is not a time, or lies ahead")
    return datetime.fromtimestamp(expires, UTC)


def key_of(header: dict[str, Any], jwks: dict[str, Any]) -> RSAKey | ECKey:
    """The one registered key that the header names (ASY-02..05, ASY-25). Raises BadAssertion."""
    algorithm, kid, kind = header.get("alg"), header.get("kid"), header.get("typ")
    if algorithm not in ALGORITHMS:
        raise BadAssertion("alg must be RS384 or ES384")
    if not isinstance(kind, str) or kind.upper() != "JWT":
        raise BadAssertion("typ must be JWT")
    if refused := sorted(REFUSED_HEADERS & header.keys()):
        raise BadAssertion(f"the header has {', '.join(refused)}")
    if not isinstance(kid, str) or not kid:
        raise BadAssertion("kid is missing")
    kty = "RSA" if algorithm == "RS384" else "EC"
    found = [key for key in jwks["keys"] if (key.get("kid"), key.get("kty")) == (kid, kty)]
    if len(found) != 1:
        raise BadAssertion("not exactly one registered key has this kid and the type of this alg")
    return imported(found[0], str(algorithm))


def imported(key: dict[str, Any], algorithm: str) -> RSAKey | ECKey:
    operations = key.get("key_ops", ["verify"])
    allowed = key.get("use", "sig") == "sig" and key.get("alg", algorithm) == algorithm
    if not allowed or not isinstance(operations, list) or "verify" not in operations:
        raise BadAssertion("the key is registered for something else")
    if key["kty"] == "EC" and key.get("crv") != "P-384":
        raise BadAssertion("ES384 needs a key on P-384")
    material = {name: key[name] for name in MATERIAL[key["kty"]]}
    return RSAKey.import_key(material) if key["kty"] == "RSA" else ECKey.import_key(material)
