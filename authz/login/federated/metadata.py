"""What a provider publishes of itself: its discovery document and its keys (OpenID Connect Discovery §4).

Both are kept as long as ``Cache-Control`` allows, a minute at least and an hour at most, by each process for itself:
how often they are asked for is no choice of strangers. A key set without the right key is fetched once more, at most
once a minute. Those who come meanwhile wait for the one answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from authz import strict_json
from authz.clients.addresses import Address, Fetched, Places, Terms
from authz.clients.assertion import BadAssertion
from authz.clients.freshness import freshness
from authz.clients.key_sets import key_set
from authz.errors import Unavailable
from authz.login.federated.provider import is_safe
from authz.login.federated.why import UpstreamFailed, Why
from authz.outbound import FetchFailed, Limits
from authz.outbound.target import Target
from authz.strict_json import NotStrictJson

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import datetime

    from authz.outbound import Answer, Outbound

LIMITS = Limits(seconds=4.0)
PATIENCE = 2.0
TERMS = Terms(least=timedelta(minutes=1), waiting=6, patience=PATIENCE)  # of the eight threads of a process
LEAVING, TELLING = 3, 2  # of the six; there is always a place for who comes back
MAX_NODES = 2_000
HTTP_OK = 200
WELL_KNOWN = "/.well-known/openid-configuration"
DEMANDED = ("authorization_endpoint", "token_endpoint", "jwks_uri")
OPTIONAL = ("userinfo_endpoint", "end_session_endpoint")


@dataclass(frozen=True, slots=True)
class Metadata:
    """The members that are used; every address is https, or http that does not leave this machine."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None = None
    end_session_endpoint: str | None = None
    sends_iss: bool = False  # RFC 9207 §3

    def is_own(self, url: str) -> bool:
        """Whether it lies at the host of the issuer, which the administrator named; any other must be public."""
        return Target.parse(url).host == Target.parse(self.issuer).host


class Published:
    """Everything raises UpstreamFailed."""

    def __init__(self, outbound: Outbound, now: Callable[[], datetime]) -> None:
        self.outbound = outbound
        self.now = now
        self.documents: dict[str, Address] = {}
        self.key_sets: dict[str, Address] = {}
        self.leaving, self.telling = Places(LEAVING, PATIENCE), Places(TELLING)
        self.closed = Places(0)  # for who is answered by what is here, or not at all

    def metadata(self, issuer: str, *places: Places) -> Metadata:
        """``places`` are those of what it is asked for: what strangers can ask for has its own."""
        return read(self.document(issuer, *places), issuer)

    def document(self, issuer: str, *places: Places) -> dict[str, Any]:
        """The discovery document as it was published."""
        url = issuer.removesuffix("/") + WELL_KNOWN
        made = Address(lambda: self.fetch(url, json_object, own=True), self.now, TERMS)
        address = self.documents.setdefault(issuer, made)
        return next(patiently(address, places))

    def keys(self, metadata: Metadata, *places: Places) -> Iterator[dict[str, Any]]:
        """The key set, then a newer one for whoever did not find the right key."""
        url, own = metadata.jwks_uri, metadata.is_own(metadata.jwks_uri)
        address = self.key_sets.setdefault(url, Address(lambda: self.fetch(url, key_set, own=own), self.now, TERMS))
        return patiently(address, places)

    def fetch(self, url: str, understand: Callable[[Answer], dict[str, Any]], *, own: bool) -> Fetched:
        """Raises BadAssertion, which is what an Address takes for a failure."""
        asked_at = self.now()
        try:
            answer = self.outbound.get(url, headers={"Accept": "application/json"}, trusted=own, limits=LIMITS)
            return Fetched(understand(answer), asked_at, freshness(answer.headers))
        except (FetchFailed, ValueError) as failure:
            raise BadAssertion(f"{url}: {failure}") from failure


def patiently(address: Address, places: Iterable[Places]) -> Iterator[dict[str, Any]]:
    try:
        yield from address.sets(*places)
    except (BadAssertion, Unavailable) as failure:
        raise UpstreamFailed(Why.UNAVAILABLE, str(failure)) from failure


def json_object(answer: Answer) -> dict[str, Any]:
    """Raises ValueError without a quote."""
    if answer.status != HTTP_OK:
        raise ValueError(f"status {answer.status}")
    try:
        value = strict_json.parse(answer.body, max_nodes=MAX_NODES)
    except NotStrictJson as error:
        raise ValueError(f"it can't be read: {error}") from error
    if not isinstance(value, dict):
        raise ValueError("it is not a JSON object")  # noqa: TRY004  like every other thing it may be
    return value


def read(document: dict[str, Any], issuer: str) -> Metadata:
    """Its issuer must be the one asked for, character by character (Discovery §4.3): else another one speaks."""
    if document.get("issuer") != issuer:
        raise UpstreamFailed(Why.UNTRUSTED, "the discovery document is of another issuer")
    found = {name: address(document, name) for name in DEMANDED}
    found |= {name: address(document, name) for name in OPTIONAL if document.get(name) is not None}
    sends_iss = document.get("authorization_response_iss_parameter_supported") is True
    return Metadata(issuer=issuer, sends_iss=sends_iss, **found)


def address(document: dict[str, Any], name: str) -> str:
    """An address that is https, or http that does not leave this machine."""
    url = document.get(name)
    try:
        if isinstance(url, str) and is_safe(Target.parse(url)):
            return url
    except FetchFailed:
        pass
    raise UpstreamFailed(Why.UNTRUSTED, f"{name} of the discovery document is no https address")
