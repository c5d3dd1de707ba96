"""The FHIR server's HTTP side: addresses, headers, CORS. Every rule about access lives in enforce.py and guard.py."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from flask import Flask, Response, g, redirect, request
from werkzeug.exceptions import HTTPException

from demo.authorization_server import Refused, Unreachable
from demo.fhir_server.errors import FhirError, unavailable
from demo.fhir_server.guard import Guard
from demo.fhir_server.incoming import parse_resource
from demo.fhir_server.interactions import Interactions
from demo.fhir_server.metadata import capability_statement
from demo.fhir_server.parameters import PARAMETERS
from demo.fhir_server.search import read_search
from demo.fhir_server.store import Store, etag
from demo.hospital import Journal, hospital_records

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from flask.typing import ResponseReturnValue

    from authz.enforcement.token import Token
    from demo.authorization_server import AuthorizationServer
    from demo.config import Credential, DemoConfig
    from demo.fhir_server.parameters import Resource

OPEN = ("/", "/fhir/metadata", "/fhir/.well-known/smart-configuration", "/fhir/.well-known/smart-configuration.json")
MAX_BODY = 200_000  # bytes
JSON_TYPES = ("application/fhir+json", "application/json")


def create_fhir_server(
    config: DemoConfig, server: AuthorizationServer, caller: Credential, now: Callable[[], datetime]
) -> Flask:
    """Build the server with the hospital's records as they are this morning."""
    app = Flask("demo.fhir_server", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY
    store = Store(hospital_records(now().date()), Journal(config.state_dir / "journal.jsonl"), now)
    guard = Guard(config.fhir, store, lambda token: server.introspect(token, caller), now)
    _add_gate(app, guard)
    _add_open_pages(app, config, server, now().isoformat(timespec="seconds"))
    _add_interactions(app, Interactions(store, config.fhir))
    _add_answers(app)
    return app


def _fhir(body: dict[str, Any], status: int = 200, headers: dict[str, str] | None = None) -> Response:
    answer = Response(json.dumps(body, ensure_ascii=False), status, headers, mimetype="application/fhir+json")
    answer.headers["Cache-Control"] = "no-store"
    return answer


def _grant() -> Token:
    grant: Token = g.grant
    return grant


def _add_gate(app: Flask, guard: Guard) -> None:
    """Nothing but the open pages and the browser's preflight passes without a token."""

    @app.before_request
    def admit() -> ResponseReturnValue | None:
        if request.method == "OPTIONS":
            return Response(status=204)
        if request.path not in OPEN:
            g.grant = guard.admit(request.headers.get("Authorization"))
        return None

    @app.after_request
    def allow_browsers(answer: Response) -> Response:
        """SMART 2.2 "CORS": discovery for anyone, the rest for the origin that asks (tokens travel in a header)."""
        if request.path in OPEN:
            answer.headers["Access-Control-Allow-Origin"] = "*"
        else:
            answer.vary.add("Origin")
            if origin := request.headers.get("Origin"):
                answer.headers["Access-Control-Allow-Origin"] = origin
        answer.headers["Access-Control-Allow-Methods"] = "GET, HEAD, POST, PUT, DELETE, OPTIONS"
        answer.headers["Access-Control-Allow-Headers"] = "Authorization, Content-Type, If-Match, Accept"
        answer.headers["Access-Control-Expose-Headers"] = "ETag, Location, WWW-Authenticate"
        answer.headers["Access-Control-Max-Age"] = "600"
        answer.headers["X-Content-Type-Options"] = "nosniff"
        return answer


def _add_open_pages(app: Flask, config: DemoConfig, server: AuthorizationServer, started: str) -> None:
    @app.get("/")
    def home() -> ResponseReturnValue:
        return redirect("/fhir/metadata")

    @app.get("/fhir/metadata")
    def metadata() -> ResponseReturnValue:
        return _fhir(capability_statement(config, server.oauth_uris(), started))

    @app.get("/fhir/.well-known/smart-configuration")
    @app.get("/fhir/.well-known/smart-configuration.json")
    def smart_configuration() -> ResponseReturnValue:
        answer = Response(server.smart_configuration(), mimetype="application/json")
        answer.headers["Cache-Control"] = "public, max-age=60"
        return answer


def _add_interactions(app: Flask, interactions: Interactions) -> None:
    @app.get("/fhir/<type_>")
    def search(type_: str) -> ResponseReturnValue:
        pairs = list(request.args.items(multi=True))
        return _fhir(interactions.search(_grant(), read_search(_known(type_), pairs, interactions.base)))

    @app.post("/fhir/<type_>/_search")
    def search_by_post(type_: str) -> ResponseReturnValue:
        pairs = [*request.args.items(multi=True), *request.form.items(multi=True)]
        return _fhir(interactions.search(_grant(), read_search(_known(type_), pairs, interactions.base)))

    @app.get("/fhir/<type_>/<key>")
    def read(type_: str, key: str) -> ResponseReturnValue:
        resource = interactions.read(_grant(), _known(type_), key)
        return _fhir(resource, headers=_version_headers(resource))

    @app.post("/fhir/<type_>")
    def create(type_: str) -> ResponseReturnValue:
        if "If-None-Exist" in request.headers:
            raise FhirError(400, "not-supported", "conditional create is not offered here")
        resource = interactions.create(_grant(), _body(_known(type_), interactions.base))
        location = f"{interactions.base}/{type_}/{resource['id']}"
        return _fhir(resource, 201, {**_version_headers(resource), "Location": location})

    @app.put("/fhir/<type_>/<key>")
    def update(type_: str, key: str) -> ResponseReturnValue:
        body = _body(_known(type_), interactions.base)
        resource, created = interactions.update(_grant(), key, body, request.headers.get("If-Match"))
        return _fhir(resource, 201 if created else 200, _version_headers(resource))

    @app.delete("/fhir/<type_>/<key>")
    def delete(type_: str, key: str) -> ResponseReturnValue:
        interactions.delete(_grant(), _known(type_), key, request.headers.get("If-Match"))
        return Response(status=204)


def _known(type_: str) -> str:
    if type_ not in PARAMETERS:
        raise FhirError(404, "not-supported", f"there are no resources of type {type_} here")
    return type_


def _body(type_: str, base: str) -> Resource:
    if request.mimetype not in JSON_TYPES:
        raise FhirError(415, "not-supported", "send the resource as application/fhir+json")
    return parse_resource(request.get_data(), type_, base)


def _version_headers(resource: Resource) -> dict[str, str]:
    return {"ETag": etag(resource)}


def _add_answers(app: Flask) -> None:
    @app.errorhandler(FhirError)
    def refused(error: FhirError) -> ResponseReturnValue:
        return _fhir(error.outcome(), error.status, error.headers)

    @app.errorhandler(Unreachable)
    @app.errorhandler(Refused)
    def no_authorization_server(error: Unreachable | Refused) -> ResponseReturnValue:
        app.logger.warning("the authorization server gave no document: %s", error)
        return refused(unavailable("the authorization server cannot be reached now"))

    @app.errorhandler(HTTPException)
    def not_offered(error: HTTPException) -> ResponseReturnValue:
        status = error.code or 500
        code = {404: "not-found", 405: "not-supported", 413: "too-long"}.get(status, "exception")
        allow = dict(error.get_headers()).get("Allow")
        return refused(FhirError(status, code, str(error.description), {"Allow": allow} if allow else None))
