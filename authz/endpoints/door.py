"""The outermost WSGI middleware: a request's id, its line in the log, and HTTP that no server should let through."""

from __future__ import annotations

import logging
import re
import secrets
import time
from contextvars import ContextVar
from typing import TYPE_CHECKING

from authz.audit.trail import HAS_TOLD
from authz.endpoints.exchange import PROXIED, REQUEST_ID
from authz.endpoints.headers import ALWAYS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import TracebackType
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

    OptExcInfo = tuple[type[BaseException], BaseException, TracebackType] | tuple[None, None, None]

CURRENT_REQUEST: ContextVar[str] = ContextVar("request_id", default="")
LOG = logging.getLogger("authz.request")
GIVEN_ID = re.compile(r"[A-Za-z0-9-]{8,64}")
PARAMETER_NAME = re.compile(r"[A-Za-z_.-]{1,32}")
MAX_NAMES = 30
MAX_PATH = 200
LONG_PART = re.compile(r"[A-Za-z0-9_~+=.-]{40,}")  # a token or launch that somebody put where an id belongs
ASKED_ABOUT = re.compile(rf"(?<={PROXIED})([^/]*)/.*", re.DOTALL)  # Envoy puts the record behind the name: 4.2
PROTOCOLS = frozenset({"HTTP/1.0", "HTTP/1.1", "HTTP/2", "HTTP/2.0"})


class Door:
    """Wraps an app. The log has the path and the names of the parameters, never a value (security.md 4.2).

    ``count`` is told each request, its status and how many seconds it took.
    """

    def __init__(
        self, app: WSGIApplication, count: Callable[[WSGIEnvironment, int, float], None] | None = None
    ) -> None:
        self.app = app
        self.count = count

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        given = environ.get("HTTP_X_REQUEST_ID", "")
        request_id = given if GIVEN_ID.fullmatch(given) else secrets.token_hex(16)
        environ[REQUEST_ID] = request_id
        token, has_told = CURRENT_REQUEST.set(request_id), HAS_TOLD.set(False)
        begun = time.perf_counter()
        answered: list[str] = []

        def start(
            status: str, headers: list[tuple[str, str]], exc_info: OptExcInfo | None = None, /
        ) -> Callable[[bytes], object]:
            answered.append(status)
            return start_response(status, [*headers, ("X-Request-Id", request_id)], exc_info)

        try:
            return refusal(environ, start) or self.app(environ, start)
        finally:
            seconds = time.perf_counter() - begun
            status = int(answered[-1][:3]) if answered else 500
            LOG.info("request", extra={"fields": fields(environ, status, seconds)})
            if self.count:
                self.count(environ, status, seconds)
            CURRENT_REQUEST.reset(token)
            HAS_TOLD.reset(has_told)


def refusal(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes] | None:
    """The answer to a message that another server on the way may have read differently (security.md HP-03, HP-07)."""
    coding = environ.get("HTTP_TRANSFER_ENCODING", "chunked").strip().lower()
    if environ.get("SERVER_PROTOCOL", "HTTP/1.1") not in PROTOCOLS:
        status = "505 HTTP Version Not Supported"
    elif coding != "chunked" or ("HTTP_TRANSFER_ENCODING" in environ and environ.get("CONTENT_LENGTH")):
        status = "400 Bad Request"
    else:
        return None
    headers = {**ALWAYS, "Content-Type": "application/json"}
    body = b'{"error":"invalid_request","error_description":"this is not a message of HTTP/1.1"}'
    start_response(status, [*headers.items(), ("Content-Length", str(len(body)))])
    return [body]


def fields(environ: WSGIEnvironment, status: int, seconds: float) -> dict[str, object]:
    names = [part.partition("=")[0] for part in environ.get("QUERY_STRING", "").split("&", MAX_NAMES)[:MAX_NAMES]]
    return {
        "method": environ["REQUEST_METHOD"],
        "path": LONG_PART.sub("[redacted]", ASKED_ABOUT.sub(r"\1/[redacted]", environ.get("PATH_INFO", "")))[:MAX_PATH],
        "parameters": [name for name in names if PARAMETER_NAME.fullmatch(name)],
        "status": status,
        "milliseconds": round(seconds * 1000, 1),
    }
