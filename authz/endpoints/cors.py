"""Which pages of other origins may read an answer: a table, path by path (SMART section 4, security.md HC-05..07)."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from authz.endpoints.exchange import HttpAnswer
from authz.endpoints.gate import basic_credentials, pairs
from authz.errors import OAuthError, Unavailable

if TYPE_CHECKING:
    from authz.clients.registry import Clients
    from authz.endpoints.exchange import HttpRequest

PREFLIGHT_SECONDS = 600
REMEMBER_AT_MOST = 1_000


class Readers(Enum):
    """Whose pages may read the answers of a path."""

    ANYBODY = "any origin"
    CLIENTS = "origins of registered clients"
    NOBODY = "no other origin"


METHODS = {"/token": "POST, OPTIONS", "/revoke": "POST, OPTIONS", "/userinfo": "GET, POST, OPTIONS"}


def readers(path: str) -> Readers:
    if path.endswith("/register"):
        return Readers.NOBODY
    if path in METHODS:
        return Readers.CLIENTS
    if path in {"/jwks", "/user-access-brands"} or path.startswith(("/.well-known/", "/fhir-servers/")):
        return Readers.ANYBODY
    return Readers.NOBODY


class Cors:
    def __init__(self, clients: Clients) -> None:
        self.clients = clients
        self.allowed: set[tuple[str | None, str]] = set()  # what was allowed lately, for while the database is away

    def preflight(self, request: HttpRequest) -> HttpAnswer:
        """The client is not known yet: any registered client's origin will do (CORS-03)."""
        origin = request.headers.get("origin", "")
        headers = {"Vary": "Origin"}
        if readers(request.path) is Readers.ANYBODY:
            headers = {"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Methods": "GET, HEAD, OPTIONS"}
        elif readers(request.path) is Readers.CLIENTS and self.may_read(None, origin):
            headers["Access-Control-Allow-Origin"] = origin
            headers["Access-Control-Allow-Methods"] = METHODS[request.path]
        if "Access-Control-Allow-Origin" in headers:
            headers["Access-Control-Allow-Headers"] = "authorization, content-type"
            headers["Access-Control-Max-Age"] = str(PREFLIGHT_SECONDS)
        return HttpAnswer(204, headers)

    def headers(self, request: HttpRequest) -> dict[str, str]:
        """The headers of an answer, an error's as well: without them the app sees a network error (CORS-04)."""
        match readers(request.path):
            case Readers.ANYBODY:
                return {"Access-Control-Allow-Origin": "*"}
            case Readers.CLIENTS:
                origin = request.headers.get("origin")
                if origin is None or not self.may_read(claimed_client_id(request), origin):
                    return {"Vary": "Origin"}
                return {
                    "Vary": "Origin",
                    "Access-Control-Allow-Origin": origin,
                    "Access-Control-Expose-Headers": "WWW-Authenticate, Retry-After",
                }
        return {}

    def may_read(self, client_id: str | None, origin: str) -> bool:
        """Whether the origin is the named client's; if no known client is named, whether it is any client's."""
        try:
            client = self.clients.recent(client_id) if client_id else None
            found = origin in client.allowed_origins if client else self.clients.has_origin(origin)
        except Unavailable:
            return (client_id, origin) in self.allowed
        if found:
            if len(self.allowed) >= REMEMBER_AT_MOST:
                self.allowed.clear()
            self.allowed.add((client_id, origin))
        return found


def claimed_client_id(request: HttpRequest) -> str | None:
    """The client that the request says it comes from, proven or not; None if it says nothing legible."""
    try:
        readings = basic_credentials(request)
        if readings:
            return readings[-1][0]
        return dict(pairs(request.body.decode("latin-1"))).get("client_id")
    except OAuthError:
        return None
