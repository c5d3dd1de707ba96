"""What a back-channel endpoint refuses, as the audit trail has it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from authz.audit.event import Event
from authz.errors import InsufficientScope

if TYPE_CHECKING:
    from authz.audit.event import EventName, Peer
    from authz.errors import OAuthError


def refusal(name: EventName, error: OAuthError, peer: Peer) -> Event:
    """With whose token was shown, if it is alive and good for something else.

    It counts among the records of that person (decision 45); an app's own token is no person's: recorded each time.
    """
    if not isinstance(error, InsufficientScope):
        return Event(name, "refused", error.code, peer=peer)
    return Event(name, "refused", error.code, peer=peer, one_by_one=error.named.get("sub") is None, **error.named)
