"""The parameters of OpenID Connect Core §3.1.2.1 that change something; the others are ignored (oauth.md 23.1)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from authz.errors import InvalidRequest, LoginRequired
from authz.keyring.signing import BadSignature
from authz.strict_json import NotStrictJson
from authz.strict_json import parse as parse_json

if TYPE_CHECKING:
    from authz.authorize.draft import Draft

PROMPTS = frozenset({"none", "login", "consent", "select_account"})
MAX_AGE = re.compile(r"[0-9]{1,9}")


def check_prompt(draft: Draft) -> None:
    prompt = frozenset((draft.get("prompt") or "").split())
    if not prompt <= PROMPTS:
        raise InvalidRequest("prompt has a value that is not known here")
    if "none" in prompt and len(prompt) > 1:
        raise InvalidRequest("prompt none can't be combined with another")
    max_age = draft.get("max_age")
    if max_age is not None and not MAX_AGE.fullmatch(max_age):
        raise InvalidRequest("max_age must be a number of seconds")
    draft.found |= {
        "prompt": prompt,
        "max_age": draft.client.default_max_age if max_age is None else int(max_age),
        "nonce": draft.get("nonce"),
        "login_hint": draft.get("login_hint"),
    }


def check_hint(draft: Draft) -> None:
    """``id_token_hint``: an id_token of ours, expired or not, for this app (OIDC Core §3.1.2.1)."""
    hint = draft.get("id_token_hint")
    if hint is None:
        return
    try:
        claims = draft.registries.keyring.verify(hint)
    except BadSignature as error:
        raise InvalidRequest("id_token_hint is not an id_token of this server") from error
    if claims.get("iss") != draft.registries.issuer or claims.get("aud") != draft.client.client_id:
        raise InvalidRequest("id_token_hint is not for this app")
    draft.found["wanted_sub"] = claims.get("sub")


def check_claims(draft: Draft) -> None:
    """The ``claims`` parameter (OIDC Core §5.5): who the user must be, and how they must have signed in."""
    text = draft.get("claims")
    if text is None:
        return
    try:
        claims = parse_json(text)
    except NotStrictJson as error:
        raise InvalidRequest(f"claims can't be read: {error}") from error
    asked = claims.get("id_token") if isinstance(claims, dict) else None
    if not isinstance(claims, dict) or not isinstance(asked, dict | None):
        raise InvalidRequest("claims must be a JSON object of objects")
    for name, request in (asked or {}).items():
        if request is not None and not isinstance(request, dict):
            raise InvalidRequest("in claims every request is null or an object")
        if name == "sub" and request and "value" in request:
            same = draft.found.setdefault("wanted_sub", request["value"]) == request["value"]
            if not same or not isinstance(request["value"], str):
                raise LoginRequired("claims and id_token_hint name different users")
        if name == "acr" and request and request.get("essential") is True:
            draft.found["essential_acr"] = wanted_values(request)


def wanted_values(request: dict[str, Any]) -> frozenset[str] | None:
    """The values one of which a claim must have; None if any will do, and none at all for what can't be one."""
    if "value" in request:
        return frozenset(value for value in [request["value"]] if isinstance(value, str))
    values = request.get("values")
    if values is None:
        return None
    return frozenset(value for value in values if isinstance(value, str)) if isinstance(values, list) else frozenset()
