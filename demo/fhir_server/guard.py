"""From the ``Authorization`` header to a Token: the authorization server is asked at every single request."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from authz.enforcement.token import Token
from authz.errors import InvalidScope
from authz.scopes import ScopeSet
from demo.authorization_server import Refused, Unreachable
from demo.fhir_server.errors import invalid_token, no_token, unavailable
from demo.fhir_server.parameters import relative

if TYPE_CHECKING:
    from datetime import datetime

    from demo.fhir_server.store import Store

log = logging.getLogger(__name__)

BEARER = re.compile(r"[Bb]earer +([A-Za-z0-9\-._~+/]+=*) *")  # RFC 6750 §2.1
Introspect = Callable[[str], Mapping[str, Any]]


@dataclass(frozen=True)
class Guard:
    """Turns a header into a Token, or raises the FhirError that says why not."""

    base: str
    store: Store
    introspect: Introspect
    now: Callable[[], datetime]

    def admit(self, authorization: str | None) -> Token:
        """Check the token (SMART 2.2 RS-01, RS-02): active, not expired, made for this server."""
        if not authorization or not authorization.lower().startswith("bearer"):
            raise no_token()
        match = BEARER.fullmatch(authorization)
        if match is None:
            raise invalid_token("the Authorization header is not a bearer token")
        return self._grant(self._ask(match[1]))

    def _ask(self, token: str) -> Mapping[str, Any]:
        try:
            return self.introspect(token)
        except (Unreachable, Refused) as error:  # refused: our own credential is wrong, which is not the app's fault
            log.warning("introspection failed: %s", error)
            raise unavailable("the authorization server cannot be asked about this token now") from error

    def _grant(self, answer: Mapping[str, Any]) -> Token:
        if answer.get("active") is not True:
            raise invalid_token("the access token is expired, revoked or unknown")
        expires = answer.get("exp")
        if not isinstance(expires, int | float) or expires <= self.now().timestamp():
            raise invalid_token("the access token is expired")
        audience = answer.get("aud")
        audiences = audience if isinstance(audience, list) else [audience]
        if not any(isinstance(item, str) and item.rstrip("/") == self.base for item in audiences):
            raise invalid_token("the access token was made for another server")
        try:
            scopes = ScopeSet.parse(_text(answer, "scope") or "")
        except InvalidScope as error:
            raise invalid_token("the scope of the access token cannot be read") from error
        user = _text(answer, "fhirUser")
        fhir_user = relative(user, self.base) if user else None
        return Token(scopes, _text(answer, "patient"), fhir_user, self.store.reach_of(fhir_user))


def _text(answer: Mapping[str, Any], name: str) -> str | None:
    value = answer.get(name)
    return value if isinstance(value, str) and value else None
