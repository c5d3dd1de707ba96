"""Whether a provider signed what is said to be from it (OpenID Connect Core §3.1.3.7, RFC 8725 §3.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from authz.keyring.foreign import KeyNotHere, NotByItsKey, Unproved, read, verify
from authz.login.federated.id_token import untrusted
from authz.login.federated.why import UpstreamFailed

if TYPE_CHECKING:
    from collections.abc import Iterator


def unproved(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims, as anybody may have written them."""
    try:
        return read(token)
    except Unproved as problem:
        raise untrusted(str(problem)) from problem


def prove(token: str, header: dict[str, Any], sets: Iterator[dict[str, Any]]) -> None:
    """By one of the keys that are published.

    A key that is in none of the sets may be in a newer one: if that can't be had nobody knows, which is no refusal.
    """
    problem: KeyNotHere | None = None
    try:
        for jwks in sets:
            try:
                verify(token, header, jwks)
            except KeyNotHere as missing:
                problem = missing
                continue
            return
    except UpstreamFailed:
        if not isinstance(problem, NotByItsKey):
            raise
    raise untrusted("no key that it publishes made the signature") from problem
