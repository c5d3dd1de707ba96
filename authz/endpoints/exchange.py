"""HTTP as values: what came in, what goes out; the functions in between know no framework."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING, Any

from flask import Response
from gunicorn.http.errors import ParseException

from authz.audit.event import Peer
from authz.errors import InvalidRequest, PayloadTooLarge

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from wsgiref.types import WSGIEnvironment

    from authz.settings import Network

NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}
REQUEST_ID = "authz.request_id"  # in the WSGI environment, put there by the outermost middleware
ENDPOINT = "authz.endpoint"  # in the WSGI environment: what has answered, for who counts
BODY_LIMIT = 64 * 1024  # security.md 3.5
LARGE_BODY_LIMIT = 256 * 1024
LARGE_BODIES = re.compile(r"/launch|/fhir-servers/[^/]+/register|/register(?:/[^/]+)?")
PROXIED = "/forward-auth/"  # what a proxy asks about comes with its own body, whatever the method
WITH_BODY = frozenset({"POST", "PUT", "PATCH", "DELETE"})
MAX_USER_AGENT = 256


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A request; ``path`` is below the issuer's path, ``query`` is as it was on the wire (one character a byte)."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]  # lower-case names; a header sent twice is joined with a comma
    body: bytes
    peer: Peer
    remote: str = ""  # whose connection it is, be it a proxy's
    raw_uri: str = ""  # the address as it was on the wire, nothing decoded; empty if the server does not tell


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


def json_answer(payload: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> HttpAnswer:
    """JSON that no cache keeps (RFC 6749 §5.1)."""
    body = json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()
    return HttpAnswer(status, {"Content-Type": "application/json", **NO_STORE, **(headers or {})}, body)


def from_environ(environ: WSGIEnvironment, public_path: str, trusted: Iterable[Network]) -> HttpRequest:
    """The request of a WSGI environment. Raises PayloadTooLarge, or InvalidRequest for a body that breaks off."""
    method, path = environ["REQUEST_METHOD"], local_path(environ, public_path)
    return HttpRequest(
        method=method,
        path=path,
        query=environ.get("QUERY_STRING", ""),
        headers=headers_of(environ),
        body=read_body(environ, body_limit(path)) if method in WITH_BODY or path.startswith(PROXIED) else b"",
        peer=peer_of(environ, trusted),
        remote=environ.get("REMOTE_ADDR", ""),
        raw_uri=environ.get("RAW_URI", ""),
    )


def body_limit(path: str) -> int:
    return LARGE_BODY_LIMIT if LARGE_BODIES.fullmatch(path) or path.startswith(PROXIED) else BODY_LIMIT


def to_flask(answer: HttpAnswer) -> Response:
    return Response(answer.body, answer.status, answer.headers)


def local_path(environ: WSGIEnvironment, public_path: str) -> str:
    """The path below the issuer's own path; the whole path for what is not below it."""
    path = f"/{environ.get('PATH_INFO', '').lstrip('/')}"  # the router does not tell //token from /token either
    return path.removeprefix(public_path) if path.startswith(f"{public_path}/") else path


def headers_of(environ: WSGIEnvironment) -> dict[str, str]:
    found = {
        name[len("HTTP_") :].replace("_", "-").lower(): value
        for name, value in environ.items()
        if name.startswith("HTTP_")
    }
    for name in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        if environ.get(name):
            found[name.replace("_", "-").lower()] = environ[name]
    return found


def read_body(environ: WSGIEnvironment, limit: int) -> bytes:
    """The body, of which never more than ``limit`` bytes are kept, whether its length was announced or not."""
    announced = environ.get("CONTENT_LENGTH") or ""
    if announced and not (announced.isascii() and announced.isdigit()):
        raise InvalidRequest("Content-Length is not a number")
    if announced and (len(announced) > len(str(limit)) or int(announced) > limit):
        raise PayloadTooLarge(f"the body must not be larger than {limit} bytes")
    if not announced and not environ.get("wsgi.input_terminated"):
        return b""
    wanted = int(announced) if announced else limit + 1
    body = bytearray()
    try:
        while len(body) < wanted and (part := environ["wsgi.input"].read(wanted - len(body))):
            body += part
    except (ParseException, OSError) as error:
        raise InvalidRequest("the body could not be read") from error
    if len(body) > limit:
        raise PayloadTooLarge(f"the body must not be larger than {limit} bytes")
    if announced and len(body) < wanted:
        raise InvalidRequest("the body is shorter than announced")
    return bytes(body)


def peer_of(environ: WSGIEnvironment, trusted: Iterable[Network]) -> Peer:
    agent = environ.get("HTTP_USER_AGENT")
    return Peer(
        address=client_address(environ.get("REMOTE_ADDR", ""), environ.get("HTTP_X_FORWARDED_FOR", ""), trusted),
        user_agent=agent[:MAX_USER_AGENT] if agent else None,
        request_id=environ.get(REQUEST_ID),
    )


def client_address(remote: str, forwarded: str, trusted: Iterable[Network]) -> str | None:
    """The rightmost address that is not a trusted proxy's; ``X-Forwarded-For`` of anybody else is not believed."""
    networks = tuple(trusted)
    address = as_address(remote)
    for told in reversed(forwarded.split(",") if forwarded else []):
        if address is None or not any(address in network for network in networks):
            break
        before = as_address(told.strip())
        if before is None:
            break
        address = before
    return str(address) if address else None


@lru_cache(maxsize=1_000)
def as_address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
