"""``POST /revoke`` (RFC 7009)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint

from authz.audit.event import EventName
from authz.endpoints.back_channel import back_channel_request
from authz.endpoints.current import answer, services
from authz.endpoints.exchange import NO_STORE, HttpAnswer, HttpRequest
from authz.endpoints.unreadable import readable
from authz.errors import InvalidRequest

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

    from authz.clients.registry import Client
    from authz.grants.caller import BackChannelRequest

bp = Blueprint("revoke", __name__)


def revoke(request: HttpRequest) -> HttpAnswer:
    """Take a token back; 200 also for an unknown one or another client's (RFC 7009 §2.2), a hint is ignored."""
    asked, client = readable(request, authenticated, EventName.CALLER_REFUSED)
    if not asked.form.get("token"):
        raise InvalidRequest("token is missing")
    services().revocation.revoke_token(client.client_id, asked.form["token"], asked.peer)
    return HttpAnswer(200, dict(NO_STORE), b"")


def authenticated(request: HttpRequest) -> tuple[BackChannelRequest, Client]:
    asked = back_channel_request(request)
    return asked, services().token_server.authenticate(asked)


@bp.post("/revoke")
def view() -> ResponseReturnValue:
    return answer(revoke)
