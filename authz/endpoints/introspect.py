"""``POST /introspect`` (RFC 7662)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint

from authz.audit.event import Event, EventName
from authz.endpoints.back_channel import back_channel_request
from authz.endpoints.current import answer, services
from authz.endpoints.exchange import NO_STORE, HttpAnswer, HttpRequest
from authz.errors import InvalidRequest, OAuthError

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

bp = Blueprint("introspect", __name__)


def introspect(request: HttpRequest) -> HttpAnswer:
    """Tell a resource server whether a token is active, and what it carries (RFC 7662 §2, SMART INT-01..11).

    An unknown, expired, revoked or foreign token is ``{"active":false}``, never an error.
    """
    try:
        asked = back_channel_request(request)
        caller = services().callers.authenticate(asked)
    except OAuthError as error:
        services().trail.refused(
            Event(EventName.INTROSPECTION_REFUSED, outcome="refused", reason=error.code, peer=request.peer)
        )
        raise
    if not asked.form.get("token"):
        raise InvalidRequest("token is missing")
    body = services().introspection.answer(asked.form["token"], caller, asked.form.get("token_type_hint"))
    return HttpAnswer(200, {"Content-Type": "application/json", **NO_STORE}, body)


@bp.post("/introspect")
def view() -> ResponseReturnValue:
    return answer(introspect)
