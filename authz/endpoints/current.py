"""What belongs to the request at hand: the services of its app, and the request as a value."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, cast

from flask import current_app, request

from authz.endpoints.exchange import HttpAnswer, HttpRequest, from_environ, to_flask

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Response

    from authz.services import Services

READ = "authz.http_request"  # in the WSGI environment: a body can be read once
RAISED = "authz.raised"  # in the WSGI environment: what the function has raised when it was called before Flask


BEFORE_FLASK: ContextVar[Services | None] = ContextVar("before_flask", default=None)


def services() -> Services:
    return BEFORE_FLASK.get() or cast("Services", current_app.extensions["authz"])


def http_request() -> HttpRequest:
    """The request, read once. Raises PayloadTooLarge or InvalidRequest."""
    if READ not in request.environ:
        settings = services().settings
        request.environ[READ] = from_environ(request.environ, settings.public_path, settings.trusted_proxies)
    return cast("HttpRequest", request.environ[READ])


def answer(function: Callable[[HttpRequest], HttpAnswer]) -> Response:
    """What a view of a pure function returns; errors go to the app's error handlers."""
    if RAISED in request.environ:
        raise request.environ[RAISED]
    return to_flask(function(http_request()))
