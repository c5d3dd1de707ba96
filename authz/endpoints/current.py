"""What belongs to the request at hand: the services of its app, and the request as a value."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from flask import current_app, g, request

from authz.endpoints.exchange import HttpAnswer, HttpRequest, from_environ, to_flask

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Response

    from authz.services import Services


def services() -> Services:
    return cast("Services", current_app.extensions["authz"])


def http_request() -> HttpRequest:
    """The request, read once. Raises PayloadTooLarge or InvalidRequest."""
    if "http_request" not in g:
        settings = services().settings
        g.http_request = from_environ(request.environ, settings.public_path, settings.trusted_proxies)
    return cast("HttpRequest", g.http_request)


def answer(function: Callable[[HttpRequest], HttpAnswer]) -> Response:
    """What a view of a pure function returns; errors go to the app's error handlers."""
    return to_flask(function(http_request()))
