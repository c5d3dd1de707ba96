"""``POST /login``: name and password of the sign-in page, and the code where one is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint

from authz.endpoints.browser import browser, show
from authz.endpoints.current import http_request, services
from authz.endpoints.gate import form

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

bp = Blueprint("login", __name__)


@bp.post("/login")
def sign_in() -> ResponseReturnValue:
    """Sign in, in one step or two, go back to the sign-in after "not you?", or cancel."""
    sent = form(http_request())
    signing_in, handle = services().signing_in, sent.get("interaction", "")
    match sent.get("action"):
        case "cancel":
            return show(services().authorization.cancel(handle, browser()))
        case "again":
            return show(signing_in.again(handle, browser()))
        case "code":
            return show(signing_in.finish(handle, sent.get("code", ""), browser()))
        case _:
            return show(signing_in.sign_in(handle, sent.get("username", ""), sent.get("password", ""), browser()))
