"""How much Python a request runs: calls are counted, not timed, so the number does not depend on the machine."""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING

import pytest

from tests.backend import register

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

    from tests.world import World

SCOPE = "launch openid fhirUser patient/*.rs offline_access"
WARM = 3  # of each before one is counted: callers, keys and documents are remembered


class Calls:
    """Python functions that the server entered for a request; what a test does to ask, and C, is not counted."""

    def __init__(self, application: WSGIApplication) -> None:
        self.application = application
        self.entered = 0

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        self.entered = 0
        sys.setprofile(self.note)
        try:
            return self.application(environ, start_response)
        finally:
            sys.setprofile(None)

    def note(self, _frame: object, event: str, _argument: object) -> None:
        self.entered += event == "call"


def code(world: World) -> str:
    launch = str(world.ehr.launch("confidential", "Practitioner/dr", patient="A")["launch"])
    return world.confidential.code(launch, SCOPE)


def introspecting(world: World) -> Callable[[], None]:
    token = world.confidential.redeem(code(world)).json()["access_token"]

    def ask() -> None:
        assert world.fhir_server.introspect(token)["active"] is True

    return ask


def guessing(world: World) -> Callable[[], None]:
    def ask() -> None:
        assert world.fhir_server.introspect("a" * 43) == {"active": False}

    return ask


def refreshing(world: World) -> Callable[[], None]:
    tokens = [world.confidential.redeem(code(world)).json()["refresh_token"]]

    def ask() -> None:
        tokens.append(world.confidential.refresh(tokens[-1]).json()["refresh_token"])

    return ask


def redeeming(world: World) -> Callable[[], None]:
    codes = [code(world) for _ in range(WARM + 1)]

    def ask() -> None:
        assert "id_token" in world.confidential.redeem(codes.pop()).json()

    return ask


def proving(world: World) -> Callable[[], None]:
    backend = register(world, "bulk", ("main",))

    def ask() -> None:
        assert backend.token("system/*.rs")

    return ask


def reading(path: str, world: World) -> Callable[[], None]:
    def ask() -> None:
        assert world.transport.send("GET", world.issuer + path, {}, b"").status == 200

    return ask


@pytest.mark.parametrize(
    ("prepared", "ceiling"),
    [
        pytest.param(introspecting, 250, id="introspection"),
        pytest.param(guessing, 640, id="introspection of an unknown token"),
        pytest.param(refreshing, 3330, id="refresh"),
        pytest.param(redeeming, 3030, id="code exchange"),
        pytest.param(proving, 3020, id="client_credentials, ES384"),
        pytest.param(partial(reading, "/jwks"), 155, id="jwks"),
        pytest.param(partial(reading, "/.well-known/openid-configuration"), 160, id="discovery"),
        pytest.param(
            partial(reading, "/fhir-servers/main/.well-known/smart-configuration"), 560, id="SMART configuration"
        ),
    ],
)
def test_a_request_runs_no_more_python_than_it_did(
    world: World, monkeypatch: pytest.MonkeyPatch, prepared: Callable[[World], Callable[[], None]], ceiling: int
) -> None:
    """performance.md section 8: CI gates on counts. A ceiling is a sixth above what was counted; a gain lowers it."""
    for registry in (world.services.fhir_servers, world.services.brands):
        monkeypatch.setattr(registry.recent, "monotonic", lambda: 0.0)  # what is remembered for a second stays so
    calls = Calls(world.app.wsgi_app)
    monkeypatch.setattr(world.app, "wsgi_app", calls)
    ask = prepared(world)
    for _ in range(WARM):
        ask()
    ask()
    assert ceiling * 0.6 < calls.entered <= ceiling, f"{calls.entered} calls"
