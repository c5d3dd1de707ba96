"""``POST /break-glass``: the reason for which staff see protected records."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint

from authz.endpoints.browser import browser, show
from authz.endpoints.current import http_request, services
from authz.endpoints.gate import form

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

bp = Blueprint("break_glass", __name__)


@bp.post("/break-glass")
def give_reason() -> ResponseReturnValue:
    sent = form(http_request())
    handle = sent.get("interaction", "")
    if sent.get("action") == "cancel":
        return show(services().authorization.cancel(handle, browser()))
    return show(services().breaking_glass.give(handle, sent, browser()))
