"""Who is the user? SMART 2.2 "Steps for using an ID token", one after the other."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

if TYPE_CHECKING:
    from datetime import datetime

    from joserfc.jwk import KeySetSerialization

    from demo.authorization_server import AuthorizationServer

LEEWAY = 30  # seconds between two clocks


class NotTrusted(Exception):
    """The id_token proves nothing; the text says at which step it failed."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What this sign-in must show: the issuer asked, our own name, and the nonce sent along."""

    issuer: str
    client_id: str
    nonce: str


def verify_id_token(server: AuthorizationServer, token: str, expected: Expected, now: datetime) -> dict[str, Any]:
    """Returns the claims; raises NotTrusted, or what the server's calls raise."""
    claimed = _unverified_issuer(token)  # step 1: read the issuer out of the token
    if claimed != expected.issuer:
        raise NotTrusted("the id_token comes from another issuer than the one that was asked")
    document = server.get_json(f"{claimed}/.well-known/openid-configuration")  # step 2: its configuration
    if document.get("issuer") != claimed or not isinstance(document.get("jwks_uri"), str):
        raise NotTrusted("the issuer's own document does not carry its name and its keys' address")
    keys = server.get_json(document["jwks_uri"])  # step 3: its keys
    try:
        key_set = KeySet.import_key_set(cast("KeySetSerialization", keys))
        decoded = jwt.decode(token, key_set, algorithms=["RS256"])  # step 4: the signature, and only the expected kind
        registry = jwt.JWTClaimsRegistry(
            now=lambda: int(now.timestamp()),
            leeway=LEEWAY,
            iss={"essential": True, "value": expected.issuer},
            aud={"essential": True, "value": expected.client_id},
            exp={"essential": True},
            nonce={"essential": True, "value": expected.nonce},
        )
        registry.validate(decoded.claims)
    except (JoseError, ValueError) as error:
        raise NotTrusted(f"the id_token does not hold: {error}") from error
    return decoded.claims  # step 5, at the caller's: ``fhirUser`` is the address of the user's resource


def _unverified_issuer(token: str) -> Any:
    try:
        payload = json.loads(jws.extract_compact(token.encode()).payload)
    except (JoseError, ValueError) as error:
        raise NotTrusted("the id_token cannot be read") from error
    return payload.get("iss") if isinstance(payload, dict) else None
