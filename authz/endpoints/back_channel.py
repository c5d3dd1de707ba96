"""From an HTTP request to what the back channel works with."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from authz.endpoints.current import services
from authz.endpoints.gate import basic_credentials, bearer_token, form
from authz.endpoints.refusal import refusal
from authz.endpoints.unreadable import count_refusal
from authz.errors import OAuthError
from authz.grants.caller import BackChannelRequest

if TYPE_CHECKING:
    from collections.abc import Callable

    from authz.audit.event import EventName
    from authz.endpoints.exchange import HttpRequest

T = TypeVar("T")


def back_channel_request(request: HttpRequest) -> BackChannelRequest:
    """Raises InvalidRequest or PayloadTooLarge for what the gate refuses, InvalidClient for a broken Basic header."""
    return BackChannelRequest(
        form=form(request),
        peer=request.peer,
        basic=tuple(basic_credentials(request) or ()),
        bearer=bearer_token(request),
        path=request.path,
    )


def authenticated(
    request: HttpRequest, refused: EventName, authenticate: Callable[[BackChannelRequest], T]
) -> tuple[BackChannelRequest, T]:
    """What is asked, and by whom; a refusal is counted, and is on the trail under this name.

    Raises OAuthError, TooManyRequests among them.
    """
    try:
        asked = back_channel_request(request)
        return asked, authenticate(asked)
    except OAuthError as error:
        count_refusal(request, error)
        services().trail.refused(refusal(refused, error, request.peer))
        raise
