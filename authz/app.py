"""The application: settings in, a Flask app out; and what must be right before it may serve."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, cast

from flask import Flask, Response, request

from authz import logs
from authz.clock import utc_now
from authz.endpoints import (
    admin,
    admin_registrations,
    authorize,
    back_channel_logout,
    brands,
    break_glass,
    client_logo,
    consent,
    developers,
    discovery,
    ehr_session,
    errors,
    forward_auth,
    health,
    introspect,
    jwks,
    languages,
    launch,
    login,
    logout,
    metrics,
    my_apps,
    pages,
    pick,
    register,
    revoke,
    self_test,
    sign_in,
    style,
    support,
    token,
    userinfo,
    web_messaging,
)
from authz.endpoints.cors import Cors
from authz.endpoints.current import http_request, services
from authz.endpoints.door import Door
from authz.endpoints.exchange import BODY_LIMIT, ENDPOINT, HttpRequest, from_environ, to_flask
from authz.endpoints.fast_lane import FastLane
from authz.endpoints.headers import harden
from authz.errors import OAuthError
from authz.services import Services, wire
from authz.settings import ConfigurationError, Settings
from authz.storage.database import Database

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from wsgiref.types import WSGIApplication

    from authz.outbound import Outbound

PARTS = (
    admin,
    admin_registrations,
    authorize,
    back_channel_logout,
    brands,
    break_glass,
    client_logo,
    consent,
    developers,
    discovery,
    ehr_session,
    forward_auth,
    introspect,
    jwks,
    launch,
    login,
    logout,
    my_apps,
    pick,
    register,
    revoke,
    self_test,
    sign_in,
    style,
    support,
    token,
    userinfo,
    web_messaging,
)
LANES = {  # what programs ask all day
    ("POST", "/introspect"): introspect.introspect,
    ("POST", "/token"): token.token,
    ("POST", "/web-messaging/introspect"): web_messaging.introspect,
    ("GET", "/jwks"): jwks.jwks,
    ("GET", "/.well-known/openid-configuration"): discovery.openid_configuration,
    ("GET", "/.well-known/oauth-authorization-server"): discovery.oauth_metadata,
}
TRACES_GO_TO = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
STATIC_SECONDS = 365 * 86400  # its address changes with its content


def create_app(
    settings: Settings | None = None, *, now: Callable[[], datetime] = utc_now, outbound: Outbound | None = None
) -> Flask:
    """Build the app; it opens no connection, and says nothing about whether it may serve (see ``check``).

    Raises ConfigurationError for settings or a secrets file that no server may run with.
    """
    settings = settings or Settings.load()
    logs.quieten()
    app = Flask("authz", static_url_path=f"{settings.public_path}/static")
    app.config["MAX_CONTENT_LENGTH"] = BODY_LIMIT
    app.config["SEND_FILE_MAX_AGE_DEFAULT"] = STATIC_SECONDS
    app.url_map.merge_slashes = False  # the redirect would be built from the Host header
    db = Database()
    db.init_app(app, settings.database_url)
    app.extensions["authz"] = wire(settings, db, now, outbound)
    for part in PARTS:
        app.register_blueprint(part.bp, url_prefix=settings.public_path or None)
    app.register_blueprint(discovery.at_root(settings.public_path))
    app.register_blueprint(health.bp)
    if settings.metrics_networks:
        with app.app_context():
            metrics.init_app(app, services_of(app))
    pages.init_app(app, settings)
    languages.init_app(app, settings)
    errors.init_app(app)
    cors = Cors(services_of(app).clients)
    frame(app, cors)
    app.wsgi_app = traced(  # type: ignore[method-assign,assignment]  # how Flask documents middleware
        app, Door(FastLane(app, settings, cors, LANES), metrics.count if settings.metrics_networks else None)
    )
    return app


def traced(app: Flask, whole: WSGIApplication) -> WSGIApplication:
    """As the environment asks, by the names of the OpenTelemetry specification.

    Raises ConfigurationError if it asks for traces, and the extra is not installed.
    """
    if not any(os.environ.get(name) for name in TRACES_GO_TO):
        return whole
    try:
        from authz.endpoints import tracing  # noqa: PLC0415  of an extra, which few install
    except ImportError as error:
        raise ConfigurationError([f"{TRACES_GO_TO[0]} is set, and the extra otel is not installed"]) from error
    with app.app_context():
        return tracing.traced(whole, services_of(app), tracing.exporting())


def frame(app: Flask, cors: Cors) -> None:
    """What happens before and after every view: preflights, CORS, security headers."""

    @app.before_request
    def preflight() -> Response | None:
        return to_flask(cors.preflight(bodiless())) if request.method == "OPTIONS" else None

    @app.after_request
    def finish(response: Response) -> Response:
        if request.method != "OPTIONS":
            response.headers.update(cors.headers(legible()))
        request.environ[ENDPOINT] = (request.endpoint or "none").partition(".")[0]
        return harden(response, is_https=services().settings.is_https)


def legible() -> HttpRequest:
    """The request as far as it can be read: without its body if that is the trouble."""
    try:
        return http_request()
    except OAuthError:
        return bodiless()


def bodiless() -> HttpRequest:
    settings = services().settings
    environ = {**request.environ, "CONTENT_LENGTH": "", "wsgi.input_terminated": False}
    return from_environ(environ, settings.public_path, settings.trusted_proxies)


def services_of(app: Flask) -> Services:
    return cast("Services", app.extensions["authz"])


def check(app: Flask) -> None:
    """Refuse to serve with a database of another version or without a signing key; note the start in the trail.

    Leaves no connection open, so that the server may fork. Raises ConfigurationError.
    """
    own = services_of(app)
    with app.app_context():
        problems = health.database_problems(own) or health.key_problems(own)
        if problems:
            raise ConfigurationError(problems)
        with own.db.write() as session:
            own.lifecycle.started(session)
        own.db.engine.dispose()


def note_stop(app: Flask) -> None:
    """Put the stop on the trail, in the process that stopped the others; a database that is away is not waited for."""
    own = services_of(app)
    with app.app_context():
        own.lifecycle.stopped()
        own.db.engine.dispose()
