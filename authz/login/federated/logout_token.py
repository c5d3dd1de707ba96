"""What a provider sends when somebody's session there has ended (OpenID Connect Back-Channel Logout 1.0 §2.4, §2.6)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from authz.login.federated.id_token import LEEWAY, MAX_SUBJECT, MAX_TEXT, text_of, time_of, untrusted

if TYPE_CHECKING:
    from authz.login.federated.provider import Provider

EVENT = "http://schemas.openid.net/event/backchannel-logout"
TYPES = frozenset({"", "JWT", "LOGOUT+JWT"})
MAX_AGE = 600  # seconds since it was issued; a provider repeats one that did not arrive


@dataclass(frozen=True, slots=True)
class Ended:
    """Whose session: by ``sid``, by ``subject``, or by both together."""

    issuer: str
    subject: str | None
    sid: str | None
    digest: str  # of issuer and jti
    forget_at: datetime  # from here on it would be refused as too old


def check(header: dict[str, Any], claims: dict[str, Any], provider: Provider, now: datetime) -> Ended:
    """That it is a logout token of this provider, for us, and of now. Raises UpstreamFailed."""
    kind = header.get("typ", "")
    if not isinstance(kind, str) or kind.upper() not in TYPES:
        raise untrusted("typ is not logout+jwt")
    if claims.get("iss") != provider.issuer:
        raise untrusted("iss is another issuer")
    if claims.get("aud") not in (provider.client_id, [provider.client_id]):
        raise untrusted("aud is not this server, and nobody else")
    if "nonce" in claims:
        raise untrusted("it has a nonce, so it is an id_token")
    events = claims.get("events")
    if not isinstance(events, dict) or not isinstance(events.get(EVENT), dict):
        raise untrusted("events has no back-channel logout")
    issued, current = time_of(claims, "iat"), now.timestamp()
    if not current - MAX_AGE - LEEWAY <= issued <= current + LEEWAY:
        raise untrusted("iat is not within the last ten minutes")
    if time_of(claims, "exp") <= current - LEEWAY:
        raise untrusted("exp has passed")
    jti = text_of(claims, "jti")
    subject = text_of(claims, "sub", MAX_SUBJECT) if "sub" in claims else None
    sid = text_of(claims, "sid", MAX_TEXT) if "sid" in claims else None
    if subject is None and sid is None:
        raise untrusted("it has neither sub nor sid")
    forget_at = datetime.fromtimestamp(issued, UTC) + timedelta(seconds=MAX_AGE + 2 * LEEWAY)
    return Ended(provider.issuer, subject, sid, sha256(f"{provider.issuer}\0{jti}".encode()).hexdigest(), forget_at)
