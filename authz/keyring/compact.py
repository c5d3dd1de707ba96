"""The compact forms of JWS and JWE taken apart, strictly; nothing is proved by it (RFC 7515 §7.1, RFC 7516 §7.1)."""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

from authz import strict_json
from authz.strict_json import NotStrictJson

SEGMENT = re.compile(r"[A-Za-z0-9_-]+")


class NotCompact(ValueError):
    """Its text says what is wrong, and quotes nothing of the token."""


def read_jws(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims of a signed JWT. Raises NotCompact for anything but two JSON objects and a signature."""
    match token.split("."):
        case [header, claims, signature]:
            decoded(signature)
            return json_object(decoded(header)), json_object(decoded(claims))
        case _:
            raise NotCompact("not three segments")


def read_jwe_header(token: str) -> dict[str, Any]:
    """The header of something encrypted. Raises NotCompact; the key's segment is empty if it was agreed on directly."""
    match token.split("."):
        case [header, key, vector, content, tag]:
            for segment in (*([key] if key else []), vector, content, tag):
                decoded(segment)
            return json_object(decoded(header))
        case _:
            raise NotCompact("not five segments")


def decoded(segment: str) -> bytes:
    """The one spelling of each byte string (RFC 4648 §3.5): no padding, no stray bits."""
    if not SEGMENT.fullmatch(segment) or len(segment) % 4 == 1:
        raise NotCompact("not base64url")
    content = urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
    if urlsafe_b64encode(content).rstrip(b"=") != segment.encode():
        raise NotCompact("not base64url")
    return content


def json_object(content: bytes) -> dict[str, Any]:
    try:
        value = strict_json.parse(content)
    except NotStrictJson as error:
        raise NotCompact(str(error)) from error
    if not isinstance(value, dict):
        raise NotCompact("not a JSON object")
    return value
