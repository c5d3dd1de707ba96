"""JWTs made by hand: any header, any payload, signed or not, as no library would make them."""

from __future__ import annotations

import hmac
import json
import secrets
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, SHA384
from joserfc.jwk import ECKey, RSAKey

if TYPE_CHECKING:
    from collections.abc import Callable

COORDINATE_BYTES = 48  # of P-384


def b64(content: bytes) -> str:
    return urlsafe_b64encode(content).rstrip(b"=").decode()


def segment(content: object) -> str:
    """A header or payload: bytes as they are, anything else as JSON."""
    return b64(content if isinstance(content, bytes) else json.dumps(content).encode())


def compact(header: object, payload: object, sign: Callable[[bytes], bytes]) -> str:
    signed = f"{segment(header)}.{segment(payload)}"
    return f"{signed}.{b64(sign(signed.encode()))}"


def es384(key: ECKey) -> Callable[[bytes], bytes]:
    def sign(content: bytes) -> bytes:
        r, s = decode_dss_signature(es384_der(key)(content))
        return r.to_bytes(COORDINATE_BYTES) + s.to_bytes(COORDINATE_BYTES)

    return sign


def es384_der(key: ECKey) -> Callable[[bytes], bytes]:
    """The other way to write a signature, which JWS does not allow (RFC 7518 §3.4)."""
    return lambda content: key.get_op_key("sign").sign(content, ec.ECDSA(SHA384()))


def rs384(key: RSAKey) -> Callable[[bytes], bytes]:
    return lambda content: key.get_op_key("sign").sign(content, padding.PKCS1v15(), SHA384())


def rs256(key: RSAKey) -> Callable[[bytes], bytes]:
    return lambda content: key.get_op_key("sign").sign(content, padding.PKCS1v15(), SHA256())


def hs(secret: bytes, algorithm: str = "sha384") -> Callable[[bytes], bytes]:
    return lambda content: hmac.digest(secret, content, algorithm)


def unsigned(_content: bytes) -> bytes:
    return b""


@dataclass
class Keys:
    """A client's keys: one of each kind that SMART names, and what it publishes of them."""

    ec: ECKey = field(default_factory=lambda: ECKey.generate_key("P-384"))
    rsa: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048))

    def public(self) -> list[dict[str, Any]]:
        return [
            {**self.ec.as_dict(private=False), "kid": "ES384", "alg": "ES384"},
            {**self.rsa.as_dict(private=False), "kid": "RS384", "alg": "RS384"},
        ]

    def sign(self, alg: str) -> Callable[[bytes], bytes]:
        return es384(self.ec) if alg == "ES384" else rs384(self.rsa)


def claims(client_id: str, now: int, **changes: Any) -> dict[str, Any]:
    """Of a good client assertion; ``name=None`` leaves one out."""
    found = {
        "iss": client_id,
        "sub": client_id,
        "iat": now,
        "exp": now + 240,
        "jti": secrets.token_hex(16),
        **changes,
    }
    return {name: value for name, value in found.items() if value is not None}
