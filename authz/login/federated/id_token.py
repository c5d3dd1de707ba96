"""The id_token of a provider, every claim of it judged (OpenID Connect Core §3.1.3.7)."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import new as new_hash
from hmac import compare_digest
from typing import TYPE_CHECKING, Any

from authz.login.federated.why import UpstreamFailed, Why

if TYPE_CHECKING:
    from authz.login.federated.provider import Provider
    from authz.login.federated.trip import Trip

LEEWAY = 60  # seconds that two clocks may differ
MAX_SUBJECT = 255  # Core §2
MAX_TEXT = 255
MAX_METHODS = 10
LAST = 2**37  # seconds since 1970; a year of four digits
TYPES = frozenset({"", "JWT"})  # RFC 8725 §3.11: no access token and no logout token is taken for one


@dataclass(frozen=True, slots=True)
class Origin:
    """The session at a provider that somebody comes from, and when they were sent there."""

    issuer: str
    subject: str
    sid: str | None
    began_at: float  # of the trip, by our clock; seconds since 1970


@dataclass(frozen=True, slots=True)
class Proof:
    """Who somebody is, by the word of a provider."""

    issuer: str
    subject: str
    auth_time: datetime
    began_at: float = 0.0  # see Origin
    amr: tuple[str, ...] = ()
    acr: str | None = None
    sid: str | None = None
    claims: dict[str, str] = field(default_factory=dict, repr=False)
    id_token: str = field(default="", repr=False)

    @property
    def origin(self) -> Origin:
        return Origin(self.issuer, self.subject, self.sid, self.began_at)


def check(header: dict[str, Any], claims: dict[str, Any], provider: Provider, trip: Trip, now: datetime) -> None:
    """That it is from this provider, for us, for this very request, and of now. Raises UpstreamFailed."""
    kind = header.get("typ", "")
    if not isinstance(kind, str) or kind.upper() not in TYPES or "events" in claims:
        raise untrusted("it is not an id_token")
    if claims.get("iss") != provider.issuer:
        raise untrusted("iss is another issuer")
    if claims.get("aud") not in (provider.client_id, [provider.client_id]):
        raise untrusted("aud is not this server, and nobody else")
    if claims.get("azp", provider.client_id) != provider.client_id:
        raise untrusted("azp is not this server")
    check_times(claims, trip, now)
    nonce = claims.get("nonce")
    if not isinstance(nonce, str) or not compare_digest(nonce.encode(), trip.nonce.encode()):
        raise untrusted("nonce is not that of this request")
    text_of(claims, "sub", MAX_SUBJECT)


def check_times(claims: dict[str, Any], trip: Trip, now: datetime) -> None:
    current, began = now.timestamp(), trip.began_at.timestamp()
    if time_of(claims, "exp") <= current - LEEWAY:
        raise untrusted("exp has passed")
    if not began - LEEWAY <= time_of(claims, "iat") <= current + LEEWAY:
        raise untrusted("iat is not within this request")
    if "nbf" in claims and time_of(claims, "nbf") > current + LEEWAY:
        raise untrusted("nbf lies ahead")


def check_access_token(header: dict[str, Any], claims: dict[str, Any], access_token: object) -> None:
    """``at_hash``, where it is said (Core §3.1.3.8)."""
    if "at_hash" not in claims:
        return
    if not isinstance(access_token, str) or claims["at_hash"] != half_hash(access_token, str(header["alg"])):
        raise untrusted("at_hash is not of this access token")


def half_hash(text: str, algorithm: str) -> str:
    full = new_hash(f"sha{algorithm[-3:]}", text.encode()).digest()
    return urlsafe_b64encode(full[: len(full) // 2]).rstrip(b"=").decode()


def auth_time(claims: dict[str, Any], trip: Trip, now: datetime) -> datetime:
    """When they proved who they are; where it is demanded to be lately, the provider must say so (Core §3.1.2.1).

    Without its word it is the time of this sign-in.
    """
    if claims.get("auth_time") is None:
        if trip.max_age is not None:
            raise UpstreamFailed(Why.NOT_FRESH, "auth_time is missing, though max_age was sent")
        return now
    said = time_of(claims, "auth_time")
    if said > now.timestamp() + LEEWAY:
        raise untrusted("auth_time lies ahead")
    earliest = None if trip.max_age is None else trip.began_at.timestamp() - trip.max_age - LEEWAY
    if earliest is not None and said < earliest:
        raise UpstreamFailed(Why.NOT_FRESH, "auth_time is older than max_age")
    return min(datetime.fromtimestamp(said, UTC), now)


def acr(claims: dict[str, Any], trip: Trip) -> str | None:
    found = claims.get("acr")
    if trip.acr_values and found not in trip.acr_values:
        raise UpstreamFailed(Why.TOO_WEAK, "acr is none of those demanded")
    return found if isinstance(found, str) and len(found) <= MAX_TEXT else None


def amr(claims: dict[str, Any]) -> tuple[str, ...]:
    found = claims.get("amr")
    if not isinstance(found, list):
        return ()
    return tuple(one for one in found[:MAX_METHODS] if isinstance(one, str) and 0 < len(one) <= MAX_TEXT)


def text_of(claims: dict[str, Any], name: str, at_most: int = MAX_TEXT) -> str:
    found = claims.get(name)
    if not isinstance(found, str) or not 0 < len(found) <= at_most or "\0" in found:
        raise untrusted(f"{name} is not a text of 1 to {at_most} characters")
    return found


def time_of(claims: dict[str, Any], name: str) -> float:
    found = claims.get(name)
    if not isinstance(found, int | float) or isinstance(found, bool) or not 0 < found < LAST:
        raise untrusted(f"{name} is no time")
    return float(found)


def untrusted(text: str) -> UpstreamFailed:
    return UpstreamFailed(Why.UNTRUSTED, text)
