"""OpenTelemetry: what happens is seen in time, and nobody is seen in it (issue 8.4; security.md 4.2)."""

from __future__ import annotations

import builtins
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

from authz.app import create_app
from authz.endpoints import tracing
from authz.settings import ConfigurationError
from tests.world import build, settings_in

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from opentelemetry.sdk.trace import ReadableSpan

    from tests.world import World

ADDRESS = "http://127.0.0.1:9/v1/traces"
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
MEMBERS = {"http.request.method", "http.route", "http.response.status_code", "authz.request_id"}


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    found, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(found))
    monkeypatch.setattr(tracing, "exporting", lambda: provider.get_tracer("test"))
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", ADDRESS)
    return found


@pytest.fixture
def traced(told: InMemorySpanExporter, tmp_path: Path) -> Iterator[World]:
    made = build(settings_in(tmp_path))
    told.clear()
    with made.app.app_context():
        yield made
        made.services.db.engine.dispose()
    made.services.backend.close()


def spans(told: InMemorySpanExporter, name: str) -> list[ReadableSpan]:
    return [span for span in told.get_finished_spans() if span.name == name]


def test_a_request_and_what_it_asks_of_the_stores_are_one_trace(told: InMemorySpanExporter, traced: World) -> None:
    headers = {"Traceparent": PARENT, "Tracestate": "a=Jane-Doe-MRN-123", "X-Request-Id": "of-this-request"}
    assert traced.transport.send("GET", f"{traced.issuer}/readyz", headers).status == 200
    (request,) = spans(told, "GET health")
    assert dict(request.attributes or {}) == {
        "http.request.method": "GET",
        "http.route": "health",
        "http.response.status_code": 200,
        "authz.request_id": "of-this-request",
    }
    assert request.parent is not None
    assert (request.context.trace_id, request.parent.span_id) == (int(PARENT[3:35], 16), int(PARENT[36:52], 16))
    assert [span.context.trace_state for span in told.get_finished_spans() if span.context.trace_state] == []
    statements = spans(told, "sqlite SELECT")
    assert statements
    assert {span.parent.span_id for span in statements if span.parent} == {request.context.span_id}
    assert {tuple((span.attributes or {}).items()) for span in statements} == {
        (("db.system.name", "sqlite"), ("db.operation.name", "SELECT"))
    }


def test_nothing_of_a_launch_is_in_a_trace(told: InMemorySpanExporter, traced: World) -> None:
    """No token, code, secret, person or patient; nor their digests: each attribute is one of a known few."""
    handle = str(traced.ehr.launch("public", "Practitioner/dr", patient="A")["launch"])
    tokens = traced.public.tokens(handle, "launch openid patient/*.rs offline_access")
    traced.fhir_server.introspect(tokens["access_token"])
    traced.public.refresh(tokens["refresh_token"])
    found = told.get_finished_spans()
    assert {"POST token", "POST introspect", "store put", "store get"} <= {span.name for span in found}
    values = {
        name: {dict(span.attributes or {}).get(name) for span in found} - {None}
        for name in {name for span in found for name in span.attributes or {}}
    }
    assert values.keys() == MEMBERS | {"db.system.name", "db.operation.name", "authz.answered"}
    assert values["http.request.method"] <= {"GET", "POST"}
    assert values["http.route"] <= {"authorize", "token", "introspect", "launch", "jwks"}
    assert values["http.response.status_code"] <= {200, 201, 302, 303}
    assert values["db.system.name"] == {"sqlite"}
    assert values["db.operation.name"] <= {"SELECT", "INSERT", "UPDATE", "DELETE", "BEGIN", "COMMIT", *VERBS}
    assert all(len(str(one)) == 32 for one in values["authz.request_id"])
    assert not [span for span in found if span.events]


VERBS = {"get", "put", "take", "claim", "count", "expires_in", "delete"}


def test_a_failed_statement_is_told_as_one() -> None:
    """Without the words of the error, which may quote a row."""
    found, provider, engine = InMemorySpanExporter(), TracerProvider(), create_engine("sqlite://")
    provider.add_span_processor(SimpleSpanProcessor(found))
    tracing.watch(engine, provider.get_tracer("test"))
    with engine.connect() as connection, pytest.raises(OperationalError):
        connection.execute(text("SELECT 1 FROM nowhere"))
    with engine.connect() as connection:
        connection.execute(text("SELECT 1"))
    engine.dispose()
    spans = found.get_finished_spans()
    told = [(span.name, span.status.status_code, span.status.description, span.events) for span in spans]
    assert told == [
        ("sqlite SELECT", StatusCode.ERROR, None, ()),
        ("sqlite SELECT", StatusCode.UNSET, None, ()),
    ]


def test_without_an_address_nothing_is_traced(world: World) -> None:
    assert type(world.app.wsgi_app).__name__ == "Door"


def test_an_address_without_the_extra_is_said(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that was asked to tell, and can not, does not start silently."""
    plain = builtins.__import__

    def missing(name: str, *more: Any) -> Any:
        if name == "authz.endpoints" and more[2] == ("tracing",):
            raise ImportError(name)
        return plain(name, *more)

    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", ADDRESS)
    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(ConfigurationError, match="the extra otel is not installed"):
        create_app(world.services.settings)
