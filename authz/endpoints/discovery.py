"""The discovery documents (SMART section 2, RFC 8414 §3, OpenID Connect Discovery §4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint, abort

from authz.endpoints.current import answer, services
from authz.endpoints.document import JSON, cacheable, document, tagged

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

    from authz.endpoints.exchange import HttpAnswer, HttpRequest
    from authz.fhir_servers.registry import FhirServer

bp = Blueprint("discovery", __name__)
LOGO_SECONDS = 365 * 86400


def openid_configuration(request: HttpRequest) -> HttpAnswer:
    return ready(services().documents.openid_configuration(), request)


def oauth_metadata(request: HttpRequest) -> HttpAnswer:
    return ready(services().documents.oauth_metadata(), request)


def ready(body: bytes, request: HttpRequest) -> HttpAnswer:
    return cacheable(body, request, services().settings.discovery_max_age_seconds, JSON)


@bp.get("/.well-known/openid-configuration")
def openid_configuration_view() -> ResponseReturnValue:
    return answer(openid_configuration)


def oauth_metadata_view() -> ResponseReturnValue:
    return answer(oauth_metadata)


@bp.get("/fhir-servers/<name>/.well-known/smart-configuration")
@bp.get("/fhir-servers/<name>//.well-known/smart-configuration")  # of a base URL that ends with a slash (DISC-07)
@bp.get("/fhir-servers/<name>/.well-known/smart-configuration.json")
def smart_configuration(name: str) -> ResponseReturnValue:
    """Ready to be served at the FHIR server's base URL (AMB-32)."""
    server = known_fhir_server(name)
    return answer(lambda request: ready(services().documents.smart_configuration(server), request))


@bp.get("/fhir-servers/<name>/oauth-uris")
def oauth_uris(name: str) -> ResponseReturnValue:
    """Ready to be put into the CapabilityStatement as ``rest[0].security``."""
    content = services().discovery.oauth_uris(known_fhir_server(name))
    return answer(lambda request: document(content, request, services().settings.discovery_max_age_seconds))


@bp.get("/fhir-servers/<name>/logo.png")
def logo(name: str) -> ResponseReturnValue:
    """The logo of this FHIR server's pages; its address changes with it."""
    known_fhir_server(name)
    png = services().fhir_servers.logo(name)
    if png is None:
        abort(404)
    return answer(lambda request: cacheable(png, request, LOGO_SECONDS, "image/png"))


@bp.get("/fhir-servers/<name>/metadata")
def metadata(name: str) -> ResponseReturnValue:
    """The FHIR server's own CapabilityStatement, with what apps of SMART 1.0 look for (CS-01..05)."""
    server = known_fhir_server(name)
    statement = services().gateway.upstream.capability_statement_for_anybody(server)
    described = services().documents.capability_statement(server, statement)
    seconds = services().settings.discovery_max_age_seconds
    return answer(lambda request: tagged(described, request, seconds, "application/fhir+json"))


def known_fhir_server(name: str) -> FhirServer:
    server = services().fhir_servers.get(name)
    if server is None or not server.enabled:
        abort(404)
    return server


def at_root(path: str) -> Blueprint:
    """RFC 8414 §3.1 puts the well-known segment before the issuer's ``path``; the OpenID document is there as well."""
    root = Blueprint("discovery_at_root", __name__)
    root.add_url_rule(f"/.well-known/oauth-authorization-server{path}", view_func=oauth_metadata_view)
    if path:
        root.add_url_rule(f"/.well-known/openid-configuration{path}", view_func=openid_configuration_view)
    return root
