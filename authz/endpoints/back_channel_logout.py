"""``POST /back-channel-logout/{provider}``: a provider says that a session there has ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint

from authz.endpoints.current import answer, services
from authz.endpoints.exchange import NO_STORE, HttpAnswer, HttpRequest
from authz.endpoints.gate import form
from authz.errors import InvalidRequest

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

bp = Blueprint("back_channel_logout", __name__)


def receive(name: str, request: HttpRequest) -> HttpAnswer:
    """OpenID Connect Back-Channel Logout 1.0 §2.8: 200, also if nothing had to end; 400 for a token that is none."""
    token = form(request).get("logout_token")
    if token is None:
        raise InvalidRequest("logout_token is missing")
    services().at_provider.told_to_end.receive(name, token, request.peer)
    return HttpAnswer(200, dict(NO_STORE))


@bp.post("/back-channel-logout/<name>")
def view(name: str) -> ResponseReturnValue:
    return answer(lambda request: receive(name, request))
