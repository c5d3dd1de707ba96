"""The authorization request: every check in its order (SMART sections 7 and 25, RFC 6749 §4.1.2.1, oauth.md 23.1).

Until client and redirect URI are certain a refusal is a page; from then on it travels to the app.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from authz.authorize.audience import check_audience, check_flow
from authz.authorize.draft import Draft
from authz.authorize.openid import check_claims, check_hint, check_prompt
from authz.authorize.parameters import check_length
from authz.authorize.refusal import ErrorRedirect, PageRefusal
from authz.clients.legacy import Legacy, in_todays_words
from authz.clients.redirect_uri import RegisteredRedirectURI, match
from authz.errors import (
    InvalidRequest,
    InvalidScope,
    InvalidTarget,
    OAuthError,
    RegistrationNotSupported,
    RequestNotSupported,
    RequestUriNotSupported,
    UnauthorizedClient,
    UnsupportedResponseType,
)
from authz.scopes import ScopeSet
from authz.wording import mark

if TYPE_CHECKING:
    from collections.abc import Callable

    from authz.authorize.draft import Registries
    from authz.clients.registry import Client
    from authz.fhir_servers.registry import FhirServer

CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
NOT_OFFERED: dict[str, type[OAuthError]] = {
    "request": RequestNotSupported,
    "request_uri": RequestUriNotSupported,
    "registration": RegistrationNotSupported,
}


@dataclass(frozen=True, slots=True)
class AuthorizationRequest:
    """A request that may lead to a code."""

    client: Client
    redirect_uri: RegisteredRedirectURI
    state: str | None  # None: an older app that is allowed to send none
    fhir_server: FhirServer
    scope: ScopeSet
    code_challenge: str | None  # as with state; never both
    launch: str | None = field(repr=False, default=None)  # the handle
    nonce: str | None = None
    prompt: frozenset[str] = frozenset()
    max_age: int | None = None  # seconds
    login_hint: str | None = None
    wanted_sub: str | None = None  # of id_token_hint or claims: nobody else may get the code
    essential_acr: frozenset[str] | None = None
    legacy: frozenset[Legacy] = frozenset()  # what had to be forgiven in this request


def parse(pairs: list[tuple[str, str]], registries: Registries) -> AuthorizationRequest:
    """Check everything that the request alone decides.

    Raises PageRefusal before, and ErrorRedirect after the redirect URI is certain.
    """
    parameters = dict(pairs)
    duplicates = {name for name in parameters if [n for n, _ in pairs].count(name) > 1}
    client, redirect_uri = addressee(parameters, duplicates, registries)
    draft = Draft(parameters, duplicates, registries, client)
    state = None if "state" in duplicates else draft.get("state")
    try:
        for check in CHECKS:
            check(draft)
    except OAuthError as error:
        raise ErrorRedirect(error, redirect_uri, state) from error
    return AuthorizationRequest(
        client=client, redirect_uri=redirect_uri, legacy=frozenset(draft.forgiven), **draft.found
    )


def addressee(
    parameters: dict[str, str], duplicates: set[str], registries: Registries
) -> tuple[Client, RegisteredRedirectURI]:
    """Who asks, and where the answer goes; nothing else is looked at before this is certain."""
    for name in ("client_id", "redirect_uri"):
        if name in duplicates:
            raise PageRefusal(f"The app sent {name} twice.")
        if not parameters.get(name):
            raise PageRefusal(f"The app did not send its {name}.")
    client = registries.client(parameters["client_id"])
    if client is None or not client.enabled:
        raise PageRefusal(mark("This app is not registered here (client_id)."))
    redirect_uri = match(client, parameters["redirect_uri"])
    if redirect_uri is None:
        raise PageRefusal(mark("The address the app wants to return to (redirect_uri) is not registered for it."))
    return client, redirect_uri


def check_duplicates(draft: Draft) -> None:
    """RFC 6749 §3.1; only ``resource`` may come more than once (RFC 8707 §2), and then we don't know which is meant."""
    for name in sorted(draft.duplicates):
        raise InvalidTarget("send one resource") if name == "resource" else InvalidRequest("a parameter was sent twice")


def check_not_offered(draft: Draft) -> None:
    for name, error in NOT_OFFERED.items():
        if draft.get(name) is not None:
            raise error(f"the parameter {name} is not supported here")
    if draft.get("response_mode") not in {None, "query"}:
        raise InvalidRequest("response_mode must be query, or left out")


def check_response_type(draft: Draft) -> None:
    response_type = draft.get("response_type")
    if response_type is None:
        raise InvalidRequest("response_type is missing")
    if response_type != "code":
        raise UnsupportedResponseType("response_type must be code")
    if "authorization_code" not in draft.client.grant_types:
        raise UnauthorizedClient("this app is not registered for the authorization code grant")


def check_state(draft: Draft) -> None:
    state = draft.get("state")
    if state is None and not draft.is_forgiven(Legacy.MISSING_STATE):
        raise InvalidRequest("state is missing; SMART apps send an unguessable one")
    draft.found["state"] = state


def check_pkce(draft: Draft) -> None:
    """S256 for every client (PKCE-01..04); a missing method would mean ``plain``."""
    challenge = draft.get("code_challenge")
    if challenge is None and draft.get("code_challenge_method") is None and may_do_without_pkce(draft):
        draft.found["code_challenge"] = None
        return
    if challenge is None:
        raise InvalidRequest("code_challenge is missing; PKCE with S256 is required")
    if draft.get("code_challenge_method") != "S256":
        raise InvalidRequest("code_challenge_method must be S256")
    if not CHALLENGE.fullmatch(challenge):
        raise InvalidRequest("code_challenge must be the 43 characters of base64url(SHA-256(code_verifier))")
    draft.found["code_challenge"] = challenge


def may_do_without_pkce(draft: Draft) -> bool:
    """Only a confidential app that has been allowed to, and that sent a ``state`` (VER-04, requirements.md D3)."""
    has_other_ties = not draft.client.is_public and draft.found["state"] is not None
    return has_other_ties and draft.is_forgiven(Legacy.MISSING_PKCE)


def check_scope(draft: Draft) -> None:
    scope = ScopeSet.parse(draft.get("scope") or "")
    if not scope:
        raise InvalidScope("scope is missing")
    draft.found["scope"], used = in_todays_words(draft.client, scope)
    draft.forgiven |= used
    draft.found["launch"] = draft.get("launch")


CHECKS: tuple[Callable[[Draft], None], ...] = (
    check_duplicates,
    check_length,
    check_not_offered,
    check_response_type,
    check_state,
    check_pkce,
    check_audience,
    check_flow,
    check_scope,
    check_prompt,
    check_hint,
    check_claims,
)
