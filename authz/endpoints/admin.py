"""``/admin``: signing in to the administrators' pages, and out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint

from authz.endpoints.admin_door import admin_page, for_administrators, keep, own_form
from authz.endpoints.browser import DEVICE_SECONDS, set_cookie
from authz.endpoints.cookies import ADMIN, DEVICE, cookie
from authz.endpoints.current import http_request, services
from authz.endpoints.pages import see_other
from authz.errors import TooManyRequests
from authz.login.administrators import Refused
from authz.login.by_password import Attempt

if TYPE_CHECKING:
    from flask import Response

    from authz.login.admin_session import Administrator

bp = Blueprint("admin", __name__)
PROBLEMS = {
    Refused.WRONG: (401, "The user name, the password or the code is not right, or the code was used before."),
    Refused.NO_SECOND_FACTOR: (403, "Administrators need a second factor. Ask the operator of this server for one."),
    Refused.NOT_ADMINISTRATOR: (403, "This account is not an administrator's."),
}
TOO_MANY = "Too many attempts to sign in. Wait a few minutes, then try again."


@bp.get("/admin")
@for_administrators
def home(_who: Administrator) -> Response:
    return see_other(services().settings.url("/admin/registrations"))


@bp.get("/admin/sign-in")
def sign_in_page() -> Response:
    return admin_page("admin_sign_in.html", username="", problem=None)


@bp.post("/admin/sign-in")
def sign_in() -> Response:
    """Name, password and code at once, so that nobody learns which of them was wrong."""
    sent = own_form()
    name = sent.get("username", "")
    attempt = Attempt(name, sent.get("password", ""), http_request().peer, cookie(DEVICE))
    try:
        entered = services().administrators.enter(attempt, sent.get("code", ""), cookie(ADMIN))
    except TooManyRequests as error:
        response = admin_page("admin_sign_in.html", error.status, username=name, problem=TOO_MANY)
        response.headers.update(error.headers())
        return response
    if isinstance(entered, Refused):
        status, problem = PROBLEMS[entered]
        return admin_page("admin_sign_in.html", status, username=name, problem=problem)
    response = see_other(services().settings.url("/admin/registrations"))
    keep(response, entered.handle)
    if entered.new_device is not None:
        set_cookie(response, DEVICE, entered.new_device, DEVICE_SECONDS)
    return response


@bp.post("/admin/sign-out")
def sign_out() -> Response:
    own_form()
    services().administrators.leave(cookie(ADMIN) or "", http_request().peer)
    response = see_other(services().settings.url("/admin/sign-in"))
    set_cookie(response, ADMIN, "", 0, same_site="Strict")
    return response
