"""Signing in to a page of this server: by the same pages and the same ways as for an app, and without a code.

To the front channel such a page is an app under a name that no app can have. Its request ends at the page as soon as
somebody is signed in; nothing is granted.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from authz.clients.client import NO_AUTHENTICATION, OWN_PREFIX, Client
from authz.scopes import ScopeSet
from authz.tokens.code import challenge_of
from authz.wording import mark

if TYPE_CHECKING:
    from collections.abc import Callable

    from authz.fhir_servers.registry import FhirServer

MY_APPS = f"{OWN_PREFIX}my-apps"


def own_pages(url: Callable[[str], str]) -> dict[str, Client]:
    """By the name that each has as an app; ``url`` is the public address of a path."""
    return {MY_APPS: own_page(MY_APPS, mark("My apps"), url("/my-apps"))}


def own_page(client_id: str, name: str, url: str) -> Client:
    return Client(
        client_id=client_id,
        client_name=name,
        token_endpoint_auth_method=NO_AUTHENTICATION,
        application_type="web",
        grant_types=frozenset({"authorization_code"}),
        redirect_uris=(url,),
        launch_uris=(),
        allowed_origins=frozenset(),
        scope=ScopeSet.parse("openid"),
        jwks=None,
        jwks_uri=None,
        about={},
        fhir_servers=(),
        skip_consent_in_ehr_launch=False,
        any_loopback_port=False,
        enabled=True,
    )


def sign_in_request(page: Client, server: FhirServer) -> list[tuple[str, str]]:
    """What the page asks for at the authorization endpoint: somebody whom this FHIR server's people sign in."""
    return [
        ("response_type", "code"),
        ("client_id", page.client_id),
        ("redirect_uri", page.redirect_uris[0]),
        ("aud", server.base_url),
        ("scope", "openid"),
        ("state", secrets.token_urlsafe(16)),
        ("code_challenge", challenge_of(secrets.token_urlsafe(32))),
        ("code_challenge_method", "S256"),
    ]
