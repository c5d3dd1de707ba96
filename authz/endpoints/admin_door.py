"""What every page for administrators needs: who is there, a form of ours, the frame of the page."""

from __future__ import annotations

import secrets
from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec

from authz.endpoints.browser import set_cookie
from authz.endpoints.cookies import ADMIN, cookie
from authz.endpoints.current import http_request, services
from authz.endpoints.gate import form_pairs, single
from authz.endpoints.pages import page, see_other
from authz.errors import AccessDenied
from authz.login.admin_session import LONGEST

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Response

    from authz.login.admin_session import Administrator

P = ParamSpec("P")
MAX_BOXES = 300  # one for each of 200 scopes, and some
NOT_FOR_SEARCH_ENGINES = {"X-Robots-Tag": "noindex, nofollow"}


def for_administrators(view: Callable[Concatenate[Administrator, P], Response]) -> Callable[P, Response]:
    """Whoever is not signed in there is led to the sign-in, whatever they asked for."""

    @wraps(view)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> Response:
        who = services().administrators.sessions.current(cookie(ADMIN))
        if who is None:
            return see_other(services().settings.url("/admin/sign-in"))
        return view(who, *args, **kwargs)

    return guarded


def own_form() -> dict[str, str]:
    """What was sent by a form that we made for this cookie. Raises AccessDenied (security.md LC-11)."""
    sent = single(form_pairs(http_request(), at_most=MAX_BOXES))
    if not services().administrators.is_own_form(cookie(ADMIN), sent.get("form_token", "")):
        raise AccessDenied("this form is out of date, or it came from another page: open it again")
    return sent


def admin_page(template: str, status: int = 200, **context: Any) -> Response:
    """A page that nobody frames; its forms bring the token of the cookie, which a visitor gets if there is none."""
    held = cookie(ADMIN) or secrets.token_urlsafe(32)
    token = services().administrators.form_token(held)
    response = page(template, status=status, form_token=token, may_sign_out=False, **context)
    response.headers.update(NOT_FOR_SEARCH_ENGINES)
    if cookie(ADMIN) is None:
        keep(response, held)
    return response


def keep(response: Response, handle: str) -> None:
    """The cookie of these pages: not sent with anything that begins at another site."""
    set_cookie(response, ADMIN, handle, int(LONGEST.total_seconds()), same_site="Strict")
