"""Whatever is refused is on the trail (security.md G-11): here what no endpoint has told it of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import request

from authz.audit.event import Event, EventName
from authz.audit.trail import HAS_TOLD
from authz.endpoints.current import services
from authz.endpoints.exchange import peer_of
from authz.errors import TooManyRequests

if TYPE_CHECKING:
    from authz.errors import OAuthError

NOTHING_ASKED = frozenset({404, 405, 429})  # no such address, no such method; a limit is told of when it is reached


def tell(error: OAuthError) -> None:
    """So many from one address in a minute, then no more: they would only fill the disk."""
    if error.status >= 500 or error.status in NOTHING_ASKED:  # noqa: PLR2004  a server's own trouble is in its log
        return
    if HAS_TOLD.get():
        return
    peer = peer_of(request.environ, services().settings.trusted_proxies)
    try:
        services().limits.refused(error, peer)
    except TooManyRequests:
        return
    about = {"endpoint": request.endpoint or "", "method": request.method}
    services().trail.refused(Event(EventName.REQUEST_REFUSED, "refused", error.code, peer=peer, detail=about))
