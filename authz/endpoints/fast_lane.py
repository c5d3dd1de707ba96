"""What programs ask all day is answered before Flask: by the same functions that hang in its views.

Flask's part of a short answer costs more than the answer (see ``benchmarks``). An error goes on to Flask, where the
view raises it again: how a refusal looks is decided in one place.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from authz.endpoints.current import BEFORE_FLASK, RAISED, READ
from authz.endpoints.exchange import ENDPOINT, from_environ
from authz.endpoints.headers import hardened

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

    from flask import Flask

    from authz.endpoints.cors import Cors
    from authz.endpoints.exchange import HttpAnswer, HttpRequest
    from authz.services import Services
    from authz.settings import Settings

STATUS_LINES = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}


class FastLane:
    """Wraps an app's WSGI callable; ``lanes`` are by method and path below the issuer's own.

    A request in another spelling (a path with two slashes, HEAD) is Flask's, with the same outcome.
    """

    def __init__(
        self, app: Flask, settings: Settings, cors: Cors, lanes: Mapping[tuple[str, str], Callable[..., HttpAnswer]]
    ) -> None:
        self.services: Services = app.extensions["authz"]
        self.flask: WSGIApplication = app.wsgi_app
        self.settings = settings
        self.cors = cors
        self.lanes = {(method, settings.public_path + path): function for (method, path), function in lanes.items()}

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        function = self.lanes.get((environ["REQUEST_METHOD"], environ.get("PATH_INFO", "")))
        if function is None:
            return self.flask(environ, start_response)
        try:
            request = from_environ(environ, self.settings.public_path, self.settings.trusted_proxies)
            environ[READ] = request
            answer = self.answered(function, request)
            headers = self.headers(request, answer)
        except Exception as error:  # noqa: BLE001  Flask's error handlers tell of it, whatever it is
            environ[RAISED] = error
            return self.flask(environ, start_response)
        environ[ENDPOINT] = function.__module__.rpartition(".")[2]
        start_response(STATUS_LINES[answer.status], headers)
        return [answer.body]

    def answered(self, function: Callable[..., HttpAnswer], request: HttpRequest) -> HttpAnswer:
        token = BEFORE_FLASK.set(self.services)
        try:
            return function(request)
        finally:
            BEFORE_FLASK.reset(token)

    def headers(self, request: HttpRequest, answer: HttpAnswer) -> list[tuple[str, str]]:
        mine = {**answer.headers, **self.cors.headers(request)}
        if answer.status != HTTPStatus.NOT_MODIFIED:
            mine["Content-Length"] = str(len(answer.body))
        return list(hardened(mine, is_https=self.settings.is_https).items())
