"""From an HTTP request to what the back channel works with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from authz.endpoints.gate import basic_credentials, bearer_token, form
from authz.grants.caller import BackChannelRequest

if TYPE_CHECKING:
    from authz.endpoints.exchange import HttpRequest


def back_channel_request(request: HttpRequest) -> BackChannelRequest:
    """Raises InvalidRequest or PayloadTooLarge for what the gate refuses, InvalidClient for a broken Basic header."""
    return BackChannelRequest(
        form=form(request),
        peer=request.peer,
        basic=tuple(basic_credentials(request) or ()),
        bearer=bearer_token(request),
        path=request.path,
    )
