"""``/forward-auth/{FHIR server}``: a proxy asks about each request before it passes it on (nginx, Traefik, Envoy).

The FHIR server is the one of the route, never of ``Host``. Only proxies in ``trusted_proxies`` are answered: they say
what the original request was. Which proxy's headers count can't be chosen by the client: more than one kind of them is
refused.
"""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from flask import Blueprint

from authz.endpoints.current import answer, services
from authz.endpoints.exchange import NO_STORE, PROXIED, HttpAnswer, HttpRequest, json_answer
from authz.endpoints.gate import bearer_token
from authz.endpoints.told import tell
from authz.enforcement.fhir_request import FhirRequest
from authz.errors import (
    AccessDenied,
    InvalidToken,
    NotFound,
    OAuthError,
    ServerError,
    TemporarilyUnavailable,
    Unavailable,
    printable,
)
from authz.header_names import UNDERSCORED

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

bp = Blueprint("forward_auth", __name__)

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]
NGINX = ("x-original-method", "x-original-uri")
TRAEFIK = ("x-forwarded-method", "x-forwarded-uri")
SHOWS_ALL = ("x-authz-proxy", "envoy")  # Envoy hides most headers; who adds this one has been told which to show
CONTEXT = {  # header of the 204 -> member of the introspection answer
    "X-Authz-Patient": "patient",
    "X-Authz-Encounter": "encounter",
    "X-Authz-User": "fhirUser",
    "X-Authz-Subject": "sub",
    "X-Authz-Client": "client_id",
    "X-Authz-Scope": "scope",
    "X-Authz-Token-Id": "jti",
}
HEADER_VALUE = re.compile(r"[ -~]{0,8000}")
ISSUES = {401: "login", 403: "forbidden", 404: "not-found", 429: "throttled", 503: "transient"}


@bp.route("/forward-auth/<name>", methods=METHODS)
@bp.route("/forward-auth/<name>/<path:original>", methods=METHODS)
def view(name: str, original: str = "") -> ResponseReturnValue:
    return answer(lambda request: forward_auth(request, name, from_address=bool(original)))


def forward_auth(request: HttpRequest, name: str, *, from_address: bool) -> HttpAnswer:
    """204 (Envoy knows only 200) with the token's context; or an OperationOutcome: 401, 403 (RFC 6750 §3), 429, 503."""
    try:
        check_trusted(request.remote)
        server = services().gateway.fhir_server(name)
        if server is None:
            raise NotFound("there is no FHIR server of this name")
        check_names(request)
        asked = original_request(request, f"{services().settings.public_path}{PROXIED}{name}" if from_address else "")
        members = services().gateway.rule(server, asked, token_of(request), request.peer)
    except OAuthError as error:
        tell(error)
        return outcome(error)
    except Unavailable:
        return outcome(TemporarilyUnavailable("whether this is allowed can't be found out now, try again"))
    return HttpAnswer(200 if from_address else 204, {**NO_STORE, **context(members)})


def check_trusted(remote: str) -> None:
    """Raises AccessDenied unless the connection is that of a proxy the operator named."""
    try:
        address = ip_address(remote)
    except ValueError:
        address = None
    mapped = getattr(address, "ipv4_mapped", None) or address
    if mapped is None or not any(mapped in network for network in services().settings.trusted_proxies):
        raise AccessDenied("only a proxy whose address is in trusted_proxies may ask")


def check_names(request: HttpRequest) -> None:
    """Raises AccessDenied for headers that the FHIR server may read under another name than here."""
    if UNDERSCORED.lower() in request.headers:
        raise AccessDenied("no name of a header may have an underscore: servers take it for a hyphen")


def token_of(request: HttpRequest) -> str | None:
    """Raises InvalidToken for another scheme than Bearer: the FHIR server behind must not see it either."""
    token = bearer_token(request)
    if token is None and request.headers.get("authorization", "").strip():
        raise InvalidToken("the Authorization header must be: Bearer, a space, the access token")
    return token


def original_request(request: HttpRequest, prefix: str) -> FhirRequest:
    """What the proxy was asked. Raises AccessDenied if that is not told by exactly one kind of proxy."""
    told = [kind for kind in (NGINX, TRAEFIK) if any(name in request.headers for name in kind)]
    if prefix:
        path = request.raw_uri.partition("?")[0]
        target = path.removeprefix(prefix)
        if told or target == path or not target.startswith("/"):
            raise AccessDenied("the original request is told both in the address and in headers, or not at all")
        if request.headers.get(SHOWS_ALL[0]) != SHOWS_ALL[1]:
            raise AccessDenied("the proxy must add X-Authz-Proxy: envoy, and show the headers that the how-to lists")
        target += f"?{request.query}" if request.query else ""
        return FhirRequest(request.method, target, request.headers, request.body)
    if len(told) != 1 or not all(name in request.headers for name in told[0]):
        raise AccessDenied("the original request must be told by X-Original-Method and -URI, or by X-Forwarded-...")
    method, target = (request.headers[name] for name in told[0])
    return FhirRequest(method, target, request.headers, request.body)


def context(members: dict[str, Any]) -> dict[str, str]:
    """Headers for the FHIR server, all of them, so that a proxy replaces whatever the client sent under their names."""
    found = {header: members.get(member, "") for header, member in CONTEXT.items()}
    if not all(isinstance(value, str) and HEADER_VALUE.fullmatch(value) for value in found.values()):
        raise ServerError("the token's context does not fit into headers")
    return found


def outcome(error: OAuthError) -> HttpAnswer:
    """An OperationOutcome; nginx throws bodies away, so the sentence is in a header as well."""
    text = printable(error.description)
    issue = {"severity": "error", "code": ISSUES.get(error.status, "exception"), "diagnostics": text}
    headers = {**error.headers(), "Content-Type": "application/fhir+json", "X-Authz-Reason": text}
    return json_answer({"resourceType": "OperationOutcome", "issue": [issue]}, error.status, headers)
