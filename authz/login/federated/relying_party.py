"""This server as a client of a provider: code flow with PKCE, ``state`` and ``nonce`` (OpenID Connect Core §3.1)."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from authlib.oauth2.auth import ClientAuth
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge

from authz.login.federated import id_token
from authz.login.federated.id_token import Proof, untrusted
from authz.login.federated.metadata import LIMITS, json_object
from authz.login.federated.provider import OWN_KEY
from authz.login.federated.signature import prove, unproved
from authz.login.federated.why import UpstreamFailed, Why
from authz.outbound import FetchFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from authz.keyring.signing import Keyring
    from authz.login.federated.metadata import Metadata, Published
    from authz.login.federated.provider import Provider
    from authz.login.federated.registry import Providers
    from authz.login.federated.trip import Trip, Wanted
    from authz.outbound import Answer

FORM = "application/x-www-form-urlencoded"
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ASSERTION_SECONDS = 60
OF_ITS_OWN = frozenset({"server_error", "temporarily_unavailable"})  # RFC 6749 §4.1.2.1
SERVER_ERROR = 500
MAX_CLAIM = 2_048


@dataclass(frozen=True, slots=True)
class RelyingParty:
    """Everything raises UpstreamFailed."""

    providers: Providers
    published: Published
    keyring: Keyring
    url: Callable[[str], str]  # of a path of this server
    now: Callable[[], datetime]

    def redirect_uri(self, provider: Provider) -> str:
        """One for each provider, so that no answer is taken for another's (RFC 9700 §4.4.2)."""
        return self.url(f"/sign-in/{provider.name}/callback")

    def way_there(self, provider: Provider, trip: Trip, state: str, wanted: Wanted) -> str:
        """The address of the provider that the browser is sent to."""
        more = {
            "nonce": trip.nonce,
            "code_challenge": create_s256_code_challenge(trip.verifier),
            "code_challenge_method": "S256",
            "prompt": wanted.prompt,
            "max_age": None if wanted.max_age is None else str(wanted.max_age),
            "login_hint": wanted.login_hint,
            "ui_locales": wanted.ui_locales,
            "acr_values": " ".join(wanted.acr_values) or None,
        }
        return str(
            prepare_grant_uri(
                self.published.metadata(provider.issuer, self.published.leaving).authorization_endpoint,
                provider.client_id,
                "code",
                redirect_uri=self.redirect_uri(provider),
                scope=" ".join(provider.scopes),
                state=state,
                **more,
            )
        )

    def proof(self, provider: Provider, trip: Trip, answer: Mapping[str, str], claims: tuple[str, ...]) -> Proof:
        """What the browser brought back, made certain; ``claims`` are those that are looked up about the person."""
        metadata = self.published.metadata(provider.issuer)
        if (metadata.sends_iss or "iss" in answer) and answer.get("iss") != provider.issuer:
            raise untrusted("the parameter iss is not the issuer it was sent to (RFC 9207 §2.4)")
        if "error" in answer:
            why = Why.FAILED if answer["error"] in OF_ITS_OWN else Why.DECLINED
            raise UpstreamFailed(why, f"it answered {answer['error'][:64]}")
        if "code" not in answer:
            raise untrusted("neither a code nor an error came")
        tokens = self.redeem(provider, metadata, trip, answer["code"])
        token = tokens.get("id_token")
        if not isinstance(token, str):
            raise untrusted("no id_token came")
        header, said = self.signed(metadata, token)
        id_token.check(header, said, provider, trip, self.now())
        id_token.check_access_token(header, said, tokens.get("access_token"))
        sid = said.get("sid")
        known = {**self.more(metadata, said, tokens.get("access_token"), claims), **said}
        return Proof(
            issuer=provider.issuer,
            subject=said["sub"],
            auth_time=id_token.auth_time(said, trip, self.now()),
            began_at=trip.began_at.timestamp(),
            amr=id_token.amr(said),
            acr=id_token.acr(said, trip),
            sid=sid if isinstance(sid, str) and 0 < len(sid) <= id_token.MAX_TEXT else None,
            claims={name: text for name in claims if (text := plain(known.get(name)))},
            id_token=token,
        )

    def signed(self, metadata: Metadata, token: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """Header and claims of what one of the provider's published keys signed."""
        header, claims = unproved(token)
        prove(token, header, self.published.keys(metadata))
        return header, claims

    def redeem(self, provider: Provider, metadata: Metadata, trip: Trip, code: str) -> dict[str, Any]:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.redirect_uri(provider),
            "code_verifier": trip.verifier,
        }
        url, headers = metadata.token_endpoint, {"Content-Type": FORM, "Accept": "application/json"}
        if provider.auth_method == OWN_KEY:
            body = urlencode(form | self.assertion(provider))
        else:
            secret = self.providers.secret(provider)
            if secret is None:
                raise UpstreamFailed(Why.UNAVAILABLE, "our secret there can't be read; give it anew")
            auth = ClientAuth(provider.client_id, secret, provider.auth_method)
            url, headers, body = auth.prepare("POST", url, headers, urlencode(form))
        try:
            answer = self.published.outbound.post(
                url, body.encode(), headers=headers, trusted=metadata.is_own(url), limits=LIMITS
            )
        except FetchFailed as failure:
            raise UpstreamFailed(Why.UNAVAILABLE, f"token endpoint: {failure}") from failure
        return understood(answer, "token endpoint")

    def assertion(self, provider: Provider) -> dict[str, str]:
        """Proof by our own key; its ``aud`` is the provider's issuer and nothing that its document may say."""
        issued_at = int(self.now().timestamp())
        claims = {
            "iss": provider.client_id,
            "sub": provider.client_id,
            "aud": provider.issuer,
            "jti": secrets.token_hex(16),
            "iat": issued_at,
            "exp": issued_at + ASSERTION_SECONDS,
        }
        return {
            "client_id": provider.client_id,
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": self.keyring.sign(claims),
        }

    def more(
        self, metadata: Metadata, said: dict[str, Any], access_token: object, claims: tuple[str, ...]
    ) -> dict[str, Any]:
        """What UserInfo says besides, asked only if a claim is missing; it must speak of the same person (§5.3.2)."""
        url = metadata.userinfo_endpoint
        if url is None or not isinstance(access_token, str) or all(name in said for name in claims):
            return {}
        headers = {"Authorization": f"Bearer {access_token}", "Accept": "application/json"}
        try:
            answer = self.published.outbound.get(url, headers=headers, trusted=metadata.is_own(url), limits=LIMITS)
        except FetchFailed as failure:
            raise UpstreamFailed(Why.UNAVAILABLE, f"UserInfo: {failure}") from failure
        found = understood(answer, "UserInfo")
        if found.get("sub") != said["sub"]:
            raise untrusted("UserInfo speaks of somebody else")
        return found


def plain(value: object) -> str:
    """A claim's value as a text; empty for whatever is none, or is too long to be one."""
    text = str(value) if type(value) is int else value
    return text if isinstance(text, str) and len(text) <= MAX_CLAIM and "\0" not in text else ""


def understood(answer: Answer, where: str) -> dict[str, Any]:
    """Raises UpstreamFailed: its own trouble, or something that can't be right."""
    try:
        return json_object(answer)
    except ValueError as problem:
        why = Why.FAILED if answer.status >= SERVER_ERROR else Why.UNTRUSTED
        raise UpstreamFailed(why, f"{where}: {problem}") from problem
