"""How a refusal looks: OAuth's JSON where programs call, a page where people look; never a stack trace."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from flask import Response, request
from werkzeug.exceptions import HTTPException
from werkzeug.exceptions import MethodNotAllowed as WrongMethod

from authz.endpoints.current import services
from authz.endpoints.exchange import REQUEST_ID, json_answer, local_path, to_flask
from authz.endpoints.pages import page
from authz.endpoints.told import tell
from authz.errors import (
    InvalidRequest,
    MethodNotAllowed,
    NotFound,
    OAuthError,
    PayloadTooLarge,
    ServerError,
    TemporarilyUnavailable,
    Unavailable,
)
from authz.wording import ENGLISH, gettext, language, mark

if TYPE_CHECKING:
    from flask import Flask

LOG = logging.getLogger(__name__)
FOR_PROGRAMS = frozenset(  # first segment of the path
    {
        ".well-known",
        "back-channel-logout",
        "clients",
        "ehr-session",
        "fhir-servers",
        "forward-auth",
        "healthz",
        "introspect",
        "jwks",
        "launch",
        "metrics",
        "readyz",
        "register",
        "revoke",
        "self-test",
        "token",
        "user-access-brands",
        "userinfo",
        "web-messaging",
    }
)
BY_STATUS = {
    404: NotFound(mark("there is nothing at this address")),
    413: PayloadTooLarge(mark("the body is too large")),
    503: TemporarilyUnavailable(mark("not possible at the moment, try again")),
}
TITLES = {
    403: mark("This is not allowed"),
    404: mark("There is no such page"),
    405: mark("There is no such page"),
    429: mark("Too many attempts"),
    500: mark("Something went wrong here"),
    503: mark("Not possible at the moment"),
}
ADVICE = {
    429: mark("Wait a little, then try again."),
    500: mark("Try again. If it happens again, tell the support desk the code below."),
    503: mark("Try again in a few seconds."),
}
TITLE = mark("This request can not be answered")
START_AGAIN = mark("Go back to the app and start again. If it happens again, tell the support desk the code below.")


def init_app(app: Flask) -> None:
    app.register_error_handler(OAuthError, refused)
    app.register_error_handler(Unavailable, unavailable)
    app.register_error_handler(HTTPException, http_error)  # also what nobody foresaw, as 500


def refused(error: OAuthError) -> Response:
    tell(error)
    if is_for_programs():
        return to_flask(json_answer(error.body() | more(error), error.status, error.headers()))
    description = gettext(error.description) if error.description else ""  # the empty text heads a catalogue
    response = page(
        "error.html",
        status=error.status,
        title=gettext(TITLES.get(error.status, TITLE)),
        description=description,
        is_quoted=description == error.description and language() != ENGLISH,
        advice=gettext(ADVICE.get(error.status, START_AGAIN)),
        support_code=error.support_code,
        request_id=request.environ.get(REQUEST_ID, ""),
    )
    response.headers.update({name: value for name, value in error.headers().items() if name != "WWW-Authenticate"})
    return response


def more(error: OAuthError) -> dict[str, str]:
    """Where a person finds what a program was refused for (RFC 6749 §5.2)."""
    if error.support_code is None:
        return {}
    return {"error_uri": services().settings.url(f"/support/{error.support_code}")}


def unavailable(error: Unavailable) -> Response:
    cause = type(error.__cause__).__name__  # its text may hold an address with a password
    LOG.warning("answered 503: %s (%s)", error, cause)
    return refused(TemporarilyUnavailable(mark("a part of this server does not answer, try again")))


def http_error(error: HTTPException) -> Response:
    """What Flask itself refuses; its own texts may quote the request, ours don't."""
    if isinstance(error, WrongMethod):
        allow = ", ".join(sorted(error.valid_methods or []))
        return refused(MethodNotAllowed("this method is not allowed here", allow))
    status = error.code or ServerError.status
    if status >= ServerError.status:
        return refused(BY_STATUS.get(status, ServerError(mark("something unexpected happened"))))
    return refused(BY_STATUS.get(status, InvalidRequest(mark("this request can't be understood"))))


def is_for_programs() -> bool:
    """By the path alone: what ``Accept`` says is not asked (security.md HC-10)."""
    path = local_path(request.environ, services().settings.public_path)
    return path.removeprefix("/").partition("/")[0] in FOR_PROGRAMS
