"""``/developers/sign-in`` and ``sign-out``: with the registration access token, in a form, never in an address."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint

from authz.developers.sessions import SECONDS
from authz.endpoints.browser import set_cookie
from authz.endpoints.cookies import DEVELOPER, DEVELOPER_FORM, cookie
from authz.endpoints.current import http_request, services
from authz.endpoints.developers.desk import open_servers, sent_form, show_form
from authz.endpoints.pages import see_other

if TYPE_CHECKING:
    from flask import Response
    from flask.typing import ResponseReturnValue

TAB = "/app"
WRONG = "There is no app with this client_id and this token."
bp = Blueprint("session", __name__)


@bp.get("/sign-in")
def ask() -> ResponseReturnValue:
    open_servers()
    return show_form("developers_sign_in.html", TAB, problem="", client_id="")


@bp.post("/sign-in")
def sign_in() -> ResponseReturnValue:
    """One answer for an unknown app and a wrong token (RFC 7592 §2, security.md RG-22)."""
    sent, peer = dict(sent_form(DEVELOPER_FORM)), http_request().peer
    client_id = sent.get("client_id", "").strip()
    services().registration.limits.signing_in(peer)
    handle = services().developers.sessions.begin(client_id, sent.get("registration_access_token", "").strip(), peer)
    if handle is None:
        return show_form("developers_sign_in.html", TAB, status=401, problem=WRONG, client_id=client_id)
    return remember(see_other(services().settings.url("/developers/app")), handle)


@bp.post("/sign-out")
def sign_out() -> ResponseReturnValue:
    sent_form()
    services().developers.sessions.end(cookie(DEVELOPER) or "")
    return forget(see_other(services().settings.url("/developers")))


def remember(response: Response, handle: str) -> Response:
    """Not even a link from elsewhere brings it along."""
    set_cookie(response, DEVELOPER, handle, SECONDS, "Strict")
    return response


def forget(response: Response) -> Response:
    set_cookie(response, DEVELOPER, "", 0, "Strict")
    return response
