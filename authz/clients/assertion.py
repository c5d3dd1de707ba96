"""A client's proof of who it is by a key of its own: ``private_key_jwt`` (SMART ASY-01..12, RFC 7523 §3).

Pure: reads and checks one JWT against registered keys and a time. Whether its ``jti`` was seen before is a row.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from joserfc import jws
from joserfc.errors import JoseError

from authz.keyring.compact import NotCompact, read_jws
from authz.keyring.public_keys import ALGORITHMS, find_key

if TYPE_CHECKING:
    from collections.abc import Collection

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
MAX_BYTES = 16 * 1024
MAX_JTI = 255
MAX_AHEAD = 300  # seconds from now to exp (ASY-09)
LEEWAY = 60  # seconds that two clocks may differ
REFUSED_HEADERS = frozenset({"crit", "b64", "zip", "jwk", "x5u"})


class BadAssertion(ValueError):
    """Its text is for the log and quotes nothing of the assertion; the client is told ``invalid_client`` (ASY-29)."""


class KeyNotFound(BadAssertion):
    """No key of this set made the signature; the client's next set may hold the one (ASY-23)."""


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
    try:
        header, claims = read_jws(token)
    except NotCompact as error:
        raise BadAssertion(str(error)) from error
    return Assertion(token, header, claims)


def claimed(assertion: Assertion, jwks_uri: str | None, audiences: Collection[str], now: datetime) -> Proved:
    """Check everything but the signature; what is wrong already costs no look at a key. Raises BadAssertion.

    ``jwks_uri`` is where the client publishes its keys, if it does: ``jku`` may say nothing else (ASY-05).
    """
    check_header(assertion.header, jwks_uri)
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


def verify(assertion: Assertion, jwks: dict[str, Any]) -> None:
    """Check the signature with the one key of the set that the header names (ASY-12).

    Raises KeyNotFound if there is none or it is another one, and if there are several.
    """
    key = find_key(jwks, assertion.header["kid"], str(assertion.header["alg"]))
    if key is None:
        raise KeyNotFound("not exactly one usable key has this kid and the type of this alg")
    try:
        jws.deserialize_compact(assertion.token, key, algorithms=list(ALGORITHMS))
    except (JoseError, ValueError, TypeError) as error:
        raise KeyNotFound("the signature does not verify") from error


def is_verified(assertion: Assertion, jwks: dict[str, Any]) -> bool:
    try:
        verify(assertion, jwks)
    except KeyNotFound:
        return False
    return True


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


def check_header(header: dict[str, Any], jwks_uri: str | None) -> None:
    """ASY-02..05. Raises BadAssertion."""
    kid, kind = header.get("kid"), header.get("typ")
    if header.get("alg") not in ALGORITHMS:
        raise BadAssertion("alg must be RS384 or ES384")
    if not isinstance(kind, str) or kind.upper() != "JWT":
        raise BadAssertion("typ must be JWT")
    if refused := sorted(REFUSED_HEADERS & header.keys()):
        raise BadAssertion(f"the header has {', '.join(refused)}")
    if not isinstance(kid, str) or not kid:
        raise BadAssertion("kid is missing")
    if "jku" in header and (jwks_uri is None or header["jku"] != jwks_uri):
        raise BadAssertion("jku is not the address where this client is registered to publish its keys")
