"""What is answered before Flask is answered as Flask would: the same status, headers and body."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from authz.app import LANES
from tests.actors import FORM, basic

if TYPE_CHECKING:
    from werkzeug.test import TestResponse

    from authz.endpoints.exchange import HttpRequest
    from tests.world import World

JSON = {"Content-Type": "application/json"}
FHIR_SERVER = basic("rs-main", "rs-main-secret")
SUPPORT_CODE = re.compile(r"(?<=/support/)[A-Z0-9-]+")  # each refusal has its own
ORIGIN = {"Origin": "https://app.example"}


def both(world: World, method: str, path: str, headers: dict[str, str], body: str) -> list[TestResponse]:
    """A request by the fast lane, and the same with two slashes, which is Flask's."""
    given = {"Content-Type": FORM, "X-Request-Id": "the-same-id", **headers}
    answers = []
    for prefix in ("", "/"):
        environ = {"PATH_INFO": prefix + path}  # the test client would take the second slash away
        client = world.app.test_client()
        answers.append(client.open("/", method=method, headers=given, data=body, environ_overrides=environ))
    return answers


@pytest.mark.parametrize(
    ("method", "path", "headers", "body", "status"),
    [
        ("POST", "/introspect", FHIR_SERVER, "token=unknown", 200),
        ("POST", "/introspect", FHIR_SERVER, "", 400),
        ("POST", "/introspect", {}, "token=x", 401),
        ("POST", "/introspect", {**FHIR_SERVER, **JSON}, "{}", 400),
        ("POST", "/introspect", FHIR_SERVER, "token=" + "x" * 70_000, 413),
        ("POST", "/introspect", {**FHIR_SERVER, **ORIGIN}, "token=unknown", 200),
        ("POST", "/web-messaging/introspect", {}, "handle=x", 401),
        ("POST", "/token", ORIGIN, "grant_type=password&client_id=public", 400),
        ("POST", "/token", {}, "grant_type=client_credentials&client_id=nobody", 401),
        ("GET", "/jwks", {}, "", 200),
        ("GET", "/jwks", {"If-None-Match": "*"}, "", 304),
        ("GET", "/.well-known/openid-configuration", ORIGIN, "", 200),
        ("GET", "/.well-known/oauth-authorization-server", {"If-None-Match": "*"}, "", 304),
    ],
)
def test_both_ways_lead_to_the_same_answer(
    world: World, method: str, path: str, headers: dict[str, str], body: str, status: int
) -> None:
    fast, flask = both(world, method, path, headers, body)
    assert fast.status_code == flask.status_code == status
    told = [SUPPORT_CODE.sub("", one.text) for one in (fast, flask)]
    assert told[0] == told[1]
    assert dict(fast.headers) == dict(flask.headers)


def test_a_preflight_and_a_wrong_method_are_flasks(world: World) -> None:
    client = world.app.test_client()
    assert client.open("/introspect", method="GET").status_code == 405
    assert client.open("/token", method="OPTIONS").status_code == 204
    assert client.open("/jwks", method="HEAD").data == b""


def test_what_nobody_foresaw_is_told_as_everywhere(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A 500 of OAuth's form, once; the function is not called a second time."""
    calls: list[str] = []

    def broken(request: HttpRequest) -> None:
        calls.append(request.path)
        raise RuntimeError("ZZ9DETAIL")

    lane = world.app.wsgi_app.app  # type: ignore[attr-defined]  # what the door wraps
    monkeypatch.setitem(lane.lanes, ("POST", "/introspect"), broken)
    monkeypatch.setitem(world.app.config, "PROPAGATE_EXCEPTIONS", False)
    answer = world.app.test_client().post("/introspect", data={"token": "x"}, headers=FHIR_SERVER)
    assert (answer.status_code, answer.json) == (
        500,
        {"error": "server_error", "error_description": "something unexpected happened"},
    )
    assert calls == ["/introspect"]


def test_every_lane_is_an_address_of_the_app(world: World) -> None:
    routed = {(method, rule.rule) for rule in world.app.url_map.iter_rules() for method in rule.methods or ()}
    assert set(LANES) <= routed
