"""OpenTelemetry traces: of the extra ``otel``, and imported only where the environment says where they go.

One span for each request, and one below it for each statement and each call of the short-lived store. Nothing that
came in a request or lies in a row is in them: the endpoint and not the path, the verb and not the key, the kind of
statement and not its text. (The instrumentations at hand for WSGI and SQLAlchemy tell of addresses and statements.)
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.propagate import extract
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, StatusCode
from sqlalchemy import event

from authz.endpoints.exchange import ENDPOINT, REQUEST_ID

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

    from opentelemetry.trace import Tracer
    from sqlalchemy import Connection, Engine
    from sqlalchemy.engine import ExceptionContext

    from authz.endpoints.door import OptExcInfo
    from authz.services import Services

NAME = "authz"
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
PARENT = "traceparent"  # and no tracestate, which holds whatever its sender likes
SPAN = "authz_span"
NANOSECONDS = 1_000_000_000


def exporting() -> Tracer:
    """To where ``OTEL_EXPORTER_OTLP_ENDPOINT`` and its like say, by HTTP, from a thread of each process."""
    provider = TracerProvider(resource=Resource.create({"service.name": os.environ.get("OTEL_SERVICE_NAME", NAME)}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider.get_tracer(NAME)


class Traced:
    """Wraps an app; a ``traceparent`` that comes with a request (W3C Trace Context) is gone on with."""

    def __init__(self, app: WSGIApplication, tracer: Tracer) -> None:
        self.app = app
        self.tracer = tracer

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        carrier = {PARENT: environ["HTTP_TRACEPARENT"]} if "HTTP_TRACEPARENT" in environ else {}
        method = environ["REQUEST_METHOD"] if environ["REQUEST_METHOD"] in METHODS else "other"
        statuses: list[int] = []

        def start(
            status: str, headers: list[tuple[str, str]], exc_info: OptExcInfo | None = None, /
        ) -> Callable[[bytes], object]:
            statuses.append(int(status[:3]))
            return start_response(status, headers, exc_info)

        with self.tracer.start_as_current_span(method, extract(carrier), SpanKind.SERVER) as span:
            try:
                return self.app(environ, start)
            finally:
                endpoint = environ.get(ENDPOINT, "none")
                span.update_name(f"{method} {endpoint}")
                span.set_attribute("http.request.method", method)
                span.set_attribute("http.route", endpoint)
                span.set_attribute("http.response.status_code", statuses[-1] if statuses else 500)
                span.set_attribute("authz.request_id", environ.get(REQUEST_ID, ""))


def watch(engine: Engine, tracer: Tracer) -> None:
    """A span for each statement: what kind it is, of which system; and whether it failed."""

    @event.listens_for(engine, "before_cursor_execute")
    def begin(connection: Connection, _cursor: object, statement: str, *_: object) -> None:
        verb = statement.split(None, 1)[0].upper()
        attributes = {"db.system.name": engine.dialect.name, "db.operation.name": verb}
        connection.info[SPAN] = tracer.start_span(f"{engine.dialect.name} {verb}", attributes=attributes)

    @event.listens_for(engine, "after_cursor_execute")
    def end(connection: Connection, *_: object) -> None:
        connection.info.pop(SPAN).end()

    @event.listens_for(engine, "handle_error")
    def failed(context: ExceptionContext) -> None:
        span = context.connection.info.pop(SPAN, None) if context.connection is not None else None
        if span is not None:
            span.set_status(StatusCode.ERROR)
            span.end()


def told_by(tracer: Tracer) -> Callable[[str, float | None], None]:
    """A hearer of the short-lived store (see ``TimedBackend``)."""

    def hear(verb: str, seconds: float | None) -> None:
        now = time.time_ns()
        span = tracer.start_span(f"store {verb}", start_time=now - round((seconds or 0) * NANOSECONDS))
        span.set_attribute("db.operation.name", verb)
        span.set_attribute("authz.answered", seconds is not None)
        span.end(now)

    return hear


def traced(app: WSGIApplication, own: Services, tracer: Tracer) -> WSGIApplication:
    """The app, and from now on what its database and its store do; needs the app context."""
    watch(own.db.engine, tracer)
    own.store_hearers.append(told_by(tracer))
    return Traced(app, tracer)
