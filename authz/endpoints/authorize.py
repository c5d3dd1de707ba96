"""``GET`` and ``POST /authorize`` (RFC 6749 §3.1, SMART AUTHZ-01..04)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint

from authz.audit.event import EventName
from authz.endpoints.browser import browser, check_is_get, show
from authz.endpoints.current import http_request, services
from authz.endpoints.gate import form_pairs, pairs
from authz.endpoints.unreadable import readable

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

bp = Blueprint("authorize", __name__)


@bp.get("/authorize")
def begin() -> ResponseReturnValue:
    """A new request, or back from a form with ``interaction``."""
    check_is_get()
    sent = readable(http_request(), lambda request: pairs(request.query), EventName.AUTHORIZE_REFUSED)
    names = [name for name, _ in sent]
    if names == ["interaction"]:
        return show(services().authorization.resume(sent[0][1], browser()))
    services().limits.authorizing(http_request().peer)
    return show(services().authorization.begin(sent, browser()))


@bp.post("/authorize")
def begin_by_post() -> ResponseReturnValue:
    """The same request as a form; a query beside it is refused, so that it can't contradict."""
    sent = readable(http_request(), form_pairs, EventName.AUTHORIZE_REFUSED)
    services().limits.authorizing(http_request().peer)
    return show(services().authorization.begin(sent, browser()))
