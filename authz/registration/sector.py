"""``sector_identifier_uri``: an address whose owner lists the redirect URIs of an app (OpenID Connect Core §8.1)."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from threading import BoundedSemaphore
from typing import TYPE_CHECKING

from authz import strict_json
from authz.audit.event import Event, EventName
from authz.clients.metadata import InvalidClientMetadata
from authz.errors import Unavailable
from authz.outbound import FetchFailed, Limits

if TYPE_CHECKING:
    from authz.audit.event import Peer
    from authz.audit.trail import Trail
    from authz.clients.metadata import ClientMetadata
    from authz.outbound import Outbound

log = logging.getLogger(__name__)
HTTP_OK = 200
LIMITS = Limits(seconds=5.0, max_bytes=64 * 1024)
AT_ONCE = 2  # of the threads of a process that strangers' addresses may keep waiting
MEMBER = "sector_identifier_uri"


@dataclass(frozen=True, slots=True)
class Sectors:
    outbound: Outbound
    trail: Trail
    places: BoundedSemaphore = field(default_factory=lambda: BoundedSemaphore(AT_ONCE))

    def check(self, metadata: ClientMetadata, peer: Peer) -> None:
        """Ask the address, once, if there is one; never within a transaction.

        Raises InvalidClientMetadata (RG-13), and Unavailable while too many others are asked.
        """
        url = metadata.preferences.get(MEMBER)
        if url is None:
            return
        if not self.places.acquire(blocking=False):
            raise Unavailable(f"{AT_ONCE} addresses of apps are asked already")
        try:
            self.check_listed(url, metadata, peer)
        finally:
            self.places.release()

    def check_listed(self, url: str, metadata: ClientMetadata, peer: Peer) -> None:
        try:
            answer = self.outbound.get(url, headers={"Accept": "application/json"}, limits=LIMITS)
        except FetchFailed as failure:
            log.warning("a sector identifier can't be fetched: %s", failure)
            if failure.refused:
                self.trail.refused(Event(EventName.FETCH_REFUSED, "refused", MEMBER, peer=peer))
            raise InvalidClientMetadata(f"{MEMBER}: can't be fetched") from failure
        missing = set(metadata.redirect_uris) - listed(answer.body if answer.status == HTTP_OK else b"")
        if missing:
            raise InvalidClientMetadata(f"{MEMBER}: its document does not list {', '.join(sorted(missing))}")


def listed(body: bytes) -> set[str]:
    """The strings of a JSON array; none if it is anything else."""
    try:
        document = strict_json.parse(body)
    except strict_json.NotStrictJson:
        return set()
    return {item for item in document if isinstance(item, str)} if isinstance(document, list) else set()
