"""An EHR that signs and encrypts its launches by itself; knows the issuer, our launch key and its own keys."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, field
from typing import Any

from joserfc import jwe, jws
from joserfc.jwk import ECKey, RSAKey

JWE = {"alg": "ECDH-ES", "enc": "A256GCM", "cty": "JWT"}
JWE_ALGORITHMS = ["ECDH-ES", "A256GCM", "A128GCM", "ECDH-ES+A256KW", "RSA-OAEP-256", "DEF"]
JWS_ALGORITHMS = ["RS256", "RS384", "ES256", "ES384", "HS256", "none"]


def ec_key(curve: str = "P-384", kid: str = "ehr-es") -> ECKey:
    return ECKey.generate_key(curve, {"kid": kid}, private=True)


def rsa_key(kid: str = "ehr-rs") -> RSAKey:
    return RSAKey.generate_key(2048, {"kid": kid}, private=True)


def public(*keys: ECKey | RSAKey) -> dict[str, Any]:
    return {"keys": [key.as_dict(private=False) for key in keys]}


@dataclass
class SigningEhr:
    """Makes a good launch unless told otherwise: ``name=None`` leaves a claim or a header member out."""

    client_id: str
    issuer: str
    encrypt_to: dict[str, Any]  # public JWK
    now: int
    key: ECKey | RSAKey = field(default_factory=ec_key)

    def claims(self, record: dict[str, Any], **changes: Any) -> dict[str, Any]:
        jwt = {"iss": self.client_id, "aud": self.issuer, "exp": self.now + 120, "jti": secrets.token_urlsafe(16)}
        return given({**record, **jwt, **changes})

    def signed(self, claims: dict[str, Any], key: Any = None, **header: Any) -> str:
        key = key or self.key
        algorithm = "ES384" if key.key_type == "EC" else "RS384"
        protected = given({"alg": algorithm, "kid": key.kid, "typ": "launch+jwt", **header})
        return jws.serialize_compact(protected, json.dumps(claims), key, algorithms=JWS_ALGORITHMS)

    def encrypted(self, content: str, key: Any = None, **header: Any) -> str:
        protected = given({**JWE, "kid": self.encrypt_to["kid"], **header})
        key = key or ECKey.import_key({name: self.encrypt_to[name] for name in ("kty", "crv", "x", "y")})
        return jwe.encrypt_compact(protected, content, key, algorithms=JWE_ALGORITHMS)

    def launch(self, record: dict[str, Any], **changes: Any) -> str:
        return self.encrypted(self.signed(self.claims(record, **changes)))


def given(members: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}
