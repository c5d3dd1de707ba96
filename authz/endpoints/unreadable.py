"""What the input gate refuses is on the trail as well, with a support code, though nobody knows whom it is about."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from authz.audit.event import Event, EventName
from authz.audit.support_code import new_support_code
from authz.endpoints.cors import claimed_client_id
from authz.endpoints.current import services
from authz.errors import OAuthError

if TYPE_CHECKING:
    from collections.abc import Callable

    from authz.endpoints.exchange import HttpRequest

T = TypeVar("T")


def readable(request: HttpRequest, read: Callable[[HttpRequest], T], refused: EventName) -> T:
    """What ``read`` makes of the request; its OAuthError goes on, with a support code (security.md G-11).

    Raises TooManyRequests in its place if there were too many.
    """
    try:
        return read(request)
    except OAuthError as error:
        count_refusal(request, error)
        error.support_code = new_support_code()
        services().trail.refused(
            Event(
                refused,
                outcome="refused",
                reason=error.code,
                support_code=error.support_code,
                peer=request.peer,
                detail={"description": error.description},
            )
        )
        raise


def count_refusal(request: HttpRequest, error: OAuthError) -> None:
    """Before it goes on the trail. Raises TooManyRequests (security.md RL-01, RL-02)."""
    services().limits.refused(error, request.peer, claimed_client_id(request))
