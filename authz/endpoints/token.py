"""``POST /token`` (RFC 6749 §3.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint

from authz.audit.event import EventName
from authz.endpoints.back_channel import back_channel_request
from authz.endpoints.current import answer, services
from authz.endpoints.exchange import HttpAnswer, HttpRequest, json_answer
from authz.endpoints.unreadable import readable

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

bp = Blueprint("token", __name__)


def token(request: HttpRequest) -> HttpAnswer:
    """Redeem a code or a refresh token; errors are those of RFC 6749 §5.2."""
    sent = readable(request, back_channel_request, EventName.TOKEN_REFUSED)
    return json_answer(services().token_server.respond(sent))


@bp.post("/token")
def view() -> ResponseReturnValue:
    return answer(token)
