"""The discovery documents (SMART section 2, RFC 8414 §3, OpenID Connect Discovery §4)."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from flask import Blueprint, abort

from authz.endpoints.current import answer, services
from authz.endpoints.exchange import HttpAnswer, HttpRequest

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

bp = Blueprint("discovery", __name__)


def document(content: dict[str, Any], request: HttpRequest) -> HttpAnswer:
    """A document as JSON whatever ``Accept`` says (SMART DISC-03), with a strong ``ETag``."""
    body = json.dumps(content, indent=1).encode()
    etag = f'"{sha256(body).hexdigest()[:32]}"'
    headers = {
        "Content-Type": "application/json",
        "Cache-Control": f"public, max-age={services().settings.discovery_max_age_seconds}",
        "ETag": etag,
    }
    if etag in request.headers.get("if-none-match", ""):
        return HttpAnswer(304, headers, b"")
    return HttpAnswer(200, headers, body)


@bp.get("/.well-known/openid-configuration")
def openid_configuration() -> ResponseReturnValue:
    return answer(lambda request: document(services().discovery.openid_configuration(), request))


def oauth_authorization_server() -> ResponseReturnValue:
    return answer(lambda request: document(services().discovery.oauth_metadata(), request))


@bp.get("/fhir-servers/<name>/.well-known/smart-configuration")
@bp.get("/fhir-servers/<name>/.well-known/smart-configuration.json")
def smart_configuration(name: str) -> ResponseReturnValue:
    """Ready to be served at the FHIR server's base URL (AMB-32)."""
    known_fhir_server(name)
    return answer(lambda request: document(services().discovery.smart_configuration(), request))


@bp.get("/fhir-servers/<name>/oauth-uris")
def oauth_uris(name: str) -> ResponseReturnValue:
    """Ready to be put into the CapabilityStatement as ``rest[0].security``."""
    known_fhir_server(name)
    return answer(lambda request: document(services().discovery.oauth_uris(), request))


def known_fhir_server(name: str) -> None:
    server = services().fhir_servers.get(name)
    if server is None or not server.enabled:
        abort(404)


def at_root(path: str) -> Blueprint:
    """RFC 8414 §3.1 puts the well-known segment before the issuer's ``path``; the OpenID document is there as well."""
    root = Blueprint("discovery_at_root", __name__)
    root.add_url_rule(f"/.well-known/oauth-authorization-server{path}", view_func=oauth_authorization_server)
    if path:
        root.add_url_rule(f"/.well-known/openid-configuration{path}", view_func=openid_configuration)
    return root
