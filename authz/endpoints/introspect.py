"""``POST /introspect`` (RFC 7662)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint

from authz.audit.event import EventName
from authz.endpoints.back_channel import authenticated
from authz.endpoints.current import answer, services
from authz.endpoints.exchange import NO_STORE, HttpAnswer, HttpRequest
from authz.errors import InvalidRequest

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

bp = Blueprint("introspect", __name__)


def introspect(request: HttpRequest) -> HttpAnswer:
    """Tell a resource server whether a token is active, and what it carries (RFC 7662 §2, SMART INT-01..11).

    An unknown, expired, revoked or foreign token is ``{"active":false}``, never an error.
    """
    asked, caller = authenticated(request, EventName.INTROSPECTION_REFUSED, services().callers.authenticate)
    if not asked.form.get("token"):
        raise InvalidRequest("token is missing")
    body = services().introspection.answer(asked.form["token"], caller, asked.form.get("token_type_hint"))
    return HttpAnswer(200, {"Content-Type": "application/json", **NO_STORE}, body)


@bp.post("/introspect")
def view() -> ResponseReturnValue:
    return answer(introspect)
