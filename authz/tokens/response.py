"""The body of a successful token answer (RFC 6749 §5.1, SMART TOK-10..11, CTX-01)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datetime import datetime

    from authz.tokens.handles import Told


@dataclass(frozen=True, slots=True)
class TokenResponse:
    access_token: str
    expires_in: int  # seconds
    scope: str
    context: dict[str, Any]  # launch context, at top level beside the token
    refresh_token: str | None = None
    id_token: str | None = None
    messaging: Told | None = None

    def body(self) -> dict[str, Any]:
        optional = {"refresh_token": self.refresh_token, "id_token": self.id_token}
        return {
            **self.context,
            "access_token": self.access_token,
            "token_type": "Bearer",
            "expires_in": self.expires_in,
            "scope": self.scope,
            **{name: value for name, value in optional.items() if value is not None},
            **(self.messaging.members() if self.messaging is not None else {}),
        }


@dataclass(frozen=True, slots=True)
class HotCopy:
    """What the hot store may answer for a token until it expires."""

    digest: str  # of the access token
    answer: bytes  # the introspection answer
    fhir_server: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Issued:
    """What one transaction issued: the client's answer, and the copy that goes to the hot store after the commit."""

    response: TokenResponse
    copy: HotCopy
