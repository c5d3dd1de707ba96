"""Referral Desk's SMART part: a confidential app, all of it on the server (SMART 2.2 "App Launch", steps 2 to 5)."""

from __future__ import annotations

import hashlib
import secrets
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from demo.app.id_token import Expected, verify_id_token

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from demo.authorization_server import AuthorizationServer
    from demo.config import Credential, DemoConfig

SCOPE = "launch openid fhirUser patient/*.read"


class Stopped(Exception):
    """The sign-in did not come to an end; the text is for the person in front of it."""


@dataclass(frozen=True, slots=True)
class Pending:
    """A sign-in that is on its way through the browser; kept here, found again by ``state``."""

    issuer: str
    token_endpoint: str
    verifier: str
    nonce: str


@dataclass(frozen=True, slots=True)
class SignedIn:
    """The token response, and the claims of an id_token that held."""

    response: Mapping[str, Any]
    claims: Mapping[str, Any]

    @property
    def token(self) -> str:
        return str(self.response["access_token"])


@dataclass(frozen=True)
class ReferralFlow:
    """Begin at the launch address, finish at the redirect address."""

    config: DemoConfig
    server: AuthorizationServer
    credential: Credential
    now: Callable[[], datetime]

    @property
    def redirect_uri(self) -> str:
        return f"{self.config.app}/referral"

    def begin(self, iss: str, launch: str) -> tuple[str, Pending, str]:
        """Returns ``state``, what to remember under it, and where the browser goes. Raises Stopped."""
        if iss != self.config.fhir:
            raise Stopped("Referral Desk works with the demo's FHIR server only, and was opened for another one.")
        if not launch:
            raise Stopped("The launch handle is missing from the address.")
        found = self.server.get_json(f"{iss}/.well-known/smart-configuration")
        pending = Pending(
            str(found["issuer"]), str(found["token_endpoint"]), secrets.token_urlsafe(48), secrets.token_urlsafe(24)
        )
        state = secrets.token_urlsafe(24)
        challenge = urlsafe_b64encode(hashlib.sha256(pending.verifier.encode()).digest()).rstrip(b"=").decode()
        query = {
            "response_type": "code",
            "client_id": self.credential.name,
            "redirect_uri": self.redirect_uri,
            "scope": SCOPE,
            "launch": launch,
            "aud": iss,
            "state": state,
            "nonce": pending.nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        return state, pending, f"{found['authorization_endpoint']}?{urlencode(query)}"

    def finish(self, pending: Pending, answer: Mapping[str, str]) -> SignedIn:
        """Exchange the code; the client secret goes from server to server. Raises Stopped, or what the calls raise."""
        if answer.get("iss", pending.issuer) != pending.issuer:  # RFC 9207: whose answer is this?
            raise Stopped("The answer came from another authorization server than the one that was asked.")
        if "error" in answer:
            raise Stopped(f"Access was not granted: {answer.get('error_description') or answer['error']}.")
        exchange = {
            "grant_type": "authorization_code",
            "code": answer.get("code", ""),
            "redirect_uri": self.redirect_uri,
            "code_verifier": pending.verifier,
        }
        response = self.server.post_form(pending.token_endpoint, exchange, self.credential)
        expected = Expected(pending.issuer, self.credential.name, pending.nonce)
        claims = verify_id_token(self.server, str(response.get("id_token", "")), expected, self.now())
        return SignedIn(response, claims)
