"""Which parameters of an authorization request mean something here; only they are kept while pages are answered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from authz.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from authz.authorize.draft import Draft

READ = frozenset(
    {
        "aud",
        "claims",
        "client_id",
        "code_challenge",
        "code_challenge_method",
        "id_token_hint",
        "launch",
        "login_hint",
        "max_age",
        "nonce",
        "prompt",
        "redirect_uri",
        "registration",
        "request",
        "request_uri",
        "resource",
        "response_mode",
        "response_type",
        "scope",
        "state",
        "ui_locales",
    }
)
MAX_READ = 24 * 1024  # bytes of all of them together


def read(parameters: Mapping[str, str]) -> dict[str, str]:
    """Without those that mean nothing (RFC 6749 §3.1: the server ignores unrecognized ones)."""
    return {name: value for name, value in parameters.items() if name in READ}


def check_length(draft: Draft) -> None:
    together = sum(len(name) + len(value.encode()) for name, value in read(draft.parameters).items())
    if together > MAX_READ:
        raise InvalidRequest(f"the parameters together must not be longer than {MAX_READ} bytes")
