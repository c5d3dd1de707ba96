"""A software statement: what somebody who is trusted has signed about an app (RFC 7591 §2.3).

Pure: reads and checks one JWT against the issuer's keys and a time. Whose statements are believed is registration's.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from joserfc import jws
from joserfc.errors import JoseError

from authz.keyring.compact import NotCompact, read_jws
from authz.keyring.public_keys import find_key

ALGORITHMS = ("RS256", "RS384", "ES256", "ES384", "PS256", "PS384")  # RFC 7591 recommends the first
MAX_BYTES = 16 * 1024
LEEWAY = 60  # seconds that two clocks may differ
HEADER = frozenset({"alg", "kid", "typ"})  # a key within the token, or where to get one, proves nothing
JWT_CLAIMS = frozenset({"iss", "sub", "aud", "exp", "nbf", "iat", "jti"})


class BadStatement(ValueError):
    """Its text is for the vendor: what is wrong with the statement, nothing of what is known here."""


@dataclass(frozen=True, slots=True)
class Statement:
    """As it was sent; nothing of it is proved."""

    token: str
    header: dict[str, Any]
    claims: dict[str, Any]

    @property
    def members(self) -> dict[str, Any]:
        """What it says of the app, by the names of RFC 7591 §2."""
        return {name: value for name, value in self.claims.items() if name not in JWT_CLAIMS}


def read(token: str) -> Statement:
    """Take it apart. Raises BadStatement for anything that is not a signed JWT of ours to look at."""
    if len(token) > MAX_BYTES:
        raise BadStatement("it is longer than 16 KB")
    try:
        header, claims = read_jws(token)
    except NotCompact as error:
        raise BadStatement(f"it is no signed JWT: {error}") from error
    if unknown := sorted(header.keys() - HEADER):
        raise BadStatement(f"its header has {', '.join(unknown)}: only alg, kid and typ are read")
    if header.get("alg") not in ALGORITHMS:
        raise BadStatement(f"its alg must be one of {', '.join(ALGORITHMS)}")
    if str(header.get("typ", "JWT")).upper() != "JWT" or not isinstance(header.get("kid"), str):
        raise BadStatement("its header must have kid, and typ JWT if any")
    if not isinstance(claims.get("iss"), str):
        raise BadStatement("it has no iss")
    return Statement(token, header, claims)


def check(statement: Statement, issuer: str, now: datetime, *, is_kept: bool = False) -> None:
    """Whether it is for us and for now; ``issuer`` is ours. Raises BadStatement.

    ``is_kept``: it was taken when it was good, so its time may be over.
    """
    claims, current = statement.claims, now.timestamp()
    audience = claims.get("aud", issuer)
    if issuer not in (audience if isinstance(audience, list) else [audience]):
        raise BadStatement("its aud is another server than this")
    if type(claims.get("exp")) is not int or claims["exp"] <= 0:
        raise BadStatement("its exp must be an integer, in the future")
    if is_over(statement, now) and not is_kept:
        raise BadStatement(f"it was good until {until(statement)}: get a new one from {claims['iss']}")
    if type(claims.get("iat")) is not int or claims["iat"] > current + LEEWAY:
        raise BadStatement("its iat must be an integer, not in the future")
    since = claims.get("nbf", 0)
    if type(since) is not int or since > current + LEEWAY:
        raise BadStatement("its nbf lies ahead")


def is_over(statement: Statement, now: datetime) -> bool:
    """Whether its time has passed; it was checked."""
    return bool(statement.claims["exp"] <= now.timestamp() - LEEWAY)


def until(statement: Statement) -> str:
    return datetime.fromtimestamp(statement.claims["exp"], UTC).isoformat()


def is_signed_by(statement: Statement, jwks: dict[str, Any]) -> bool:
    """Whether the one key of the set that the header names made the signature."""
    algorithm = str(statement.header["alg"])
    key = find_key(jwks, statement.header["kid"], algorithm)
    if key is None:
        return False
    try:
        jws.deserialize_compact(statement.token, key, algorithms=[algorithm])
    except (JoseError, ValueError, TypeError):
        return False
    return True
