"""Which pages may read which answers (SMART section 4; security.md HC-05..07, DJ-05, DJ-07)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlencode

import pytest

from authz.audit.event import Peer
from authz.endpoints.cors import Cors
from authz.endpoints.exchange import HttpAnswer, HttpRequest
from authz.errors import Unavailable
from tests.actors import FORM, basic
from tests.world import APP

if TYPE_CHECKING:
    from authz.clients.registry import Client, Clients
    from tests.world import World

APPS_HEADERS = {
    "Vary": "Origin",
    "Access-Control-Allow-Origin": APP,
    "Access-Control-Expose-Headers": "WWW-Authenticate, Retry-After",
}
EVIL = [
    "null",
    "https://app.example.evil",
    "https://appXexample",
    "http://app.example",
    "https://app.example:8443",
    "https://APP.example",
    "https://conf.example, https://app.example",
    "",
]


def cors_headers(headers: Any) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.startswith("Access-Control") or name == "Vary"}


def call(shared: World, method: str, path: str, origin: str, form: dict[str, str] | None = None) -> Any:
    headers = {"Origin": origin, "Content-Type": FORM}
    return shared.app.test_client().open(path, method=method, headers=headers, data=urlencode(form or {}))


@pytest.mark.parametrize("origin", ["https://anybody.example", "null", "https://evil.example"])
@pytest.mark.parametrize("path", ["/jwks", "/.well-known/openid-configuration", "/fhir-servers/main/oauth-uris"])
def test_any_origin_may_read_the_discovery_documents(shared: World, path: str, origin: str) -> None:
    """CORS-01, CORS-05, DJ-07: ``*``, never with credentials; REQ-94, VER-14."""
    answer = call(shared, "GET", path, origin)
    assert (answer.status_code, cors_headers(answer.headers)) == (200, {"Access-Control-Allow-Origin": "*"})


@pytest.mark.parametrize("path", ["/token", "/revoke", "/userinfo"])
def test_a_registered_origin_passes_the_preflight(shared: World, path: str) -> None:
    """CORS-02, CORS-04: the client is not known at the preflight; REQ-94, VER-14."""
    answer = call(shared, "OPTIONS", path, APP)
    methods = "GET, POST, OPTIONS" if path == "/userinfo" else "POST, OPTIONS"
    assert (answer.status_code, answer.data, cors_headers(answer.headers)) == (
        204,
        b"",
        {
            "Vary": "Origin",
            "Access-Control-Allow-Origin": APP,
            "Access-Control-Allow-Methods": methods,
            "Access-Control-Allow-Headers": "authorization, content-type",
            "Access-Control-Max-Age": "600",
        },
    )


@pytest.mark.parametrize("origin", EVIL)
@pytest.mark.parametrize("path", ["/token", "/revoke", "/userinfo", "/introspect", "/launch"])
def test_another_origin_gets_no_permission(shared: World, path: str, origin: str) -> None:
    """HC-05."""
    for method in ("OPTIONS", "POST", "GET"):
        answer = call(shared, method, path, origin, {"client_id": "public"})
        assert "Access-Control-Allow-Origin" not in answer.headers, method


@pytest.mark.parametrize("path", ["/authorize", "/login", "/consent", "/nothing", "/", "/healthz", "/introspect"])
def test_nobody_reads_the_pages_and_the_servers_own_endpoints(shared: World, path: str) -> None:
    """HC-06, RFC 9700 §2.6; CORS-05, REQ-94."""
    for method in ("OPTIONS", "GET", "POST"):
        answer = call(shared, method, path, APP)
        assert not any(name.startswith("Access-Control") for name in dict(answer.headers)), method


@pytest.mark.parametrize("form", [{"client_id": "public"}, {"client_id": "nobody"}, {}, {"client_id": ""}])
def test_an_error_can_be_read_by_the_app(shared: World, form: dict[str, str]) -> None:
    """CORS-04, HC-07; also if the request names no client that there is."""
    answer = call(shared, "POST", "/token", APP, form)
    assert answer.status_code in {400, 401}
    assert cors_headers(answer.headers) == APPS_HEADERS


def test_other_errors_can_be_read_as_well(shared: World) -> None:
    """HC-07."""
    client = shared.app.test_client()
    too_large = client.post("/token", headers={"Origin": APP, "Content-Type": FORM}, data=b"x" * 70_000)
    wrong_method = client.put("/token", headers={"Origin": APP})
    assert (too_large.status_code, cors_headers(too_large.headers)) == (413, APPS_HEADERS)
    assert (wrong_method.status_code, cors_headers(wrong_method.headers)) == (405, APPS_HEADERS)


def test_an_answer_for_one_client_is_not_read_from_anothers_origin(shared: World) -> None:
    """CORS-03: the origin must be the one of the client that is identified, by form or by HTTP Basic; REQ-94."""
    by_form = call(shared, "POST", "/token", "https://conf.example", {"client_id": "public"})
    headers = {"Origin": APP, "Content-Type": FORM, **basic("confidential", "wrong")}
    by_basic = shared.app.test_client().post("/token", headers=headers, data="grant_type=x")
    assert cors_headers(by_form.headers) == cors_headers(by_basic.headers) == {"Vary": "Origin"}
    headers["Origin"] = "https://conf.example"
    own = shared.app.test_client().post("/token", headers=headers, data="grant_type=x")
    assert own.headers["Access-Control-Allow-Origin"] == "https://conf.example"


@pytest.mark.parametrize("authorization", ["Basic %%%", "Digest x", "Basic YTpi,Basic YTpi"])
def test_an_illegible_request_is_anybodys_of_the_registered_origins(shared: World, authorization: str) -> None:
    """HC-07: the app whose header is broken must be able to read that it is."""
    headers = {"Origin": APP, "Content-Type": FORM, "Authorization": authorization}
    answer = shared.app.test_client().post("/token", headers=headers, data="grant_type=x")
    assert (answer.status_code, cors_headers(answer.headers)) == (401, APPS_HEADERS)


def test_without_an_origin_the_answer_still_varies(shared: World) -> None:
    answer = shared.app.test_client().post("/token", data={"client_id": "public"})
    assert cors_headers(answer.headers) == {"Vary": "Origin"}


@dataclass
class FakeClients:
    """One origin for all, and a database that can go away."""

    gone: bool = False
    asked: list[str] = field(default_factory=list)

    def recent(self, client_id: str) -> Client | None:
        self.asked.append(client_id)
        if self.gone:
            raise Unavailable
        return None

    def has_origin(self, origin: str) -> bool:
        if self.gone:
            raise Unavailable
        return origin == APP


def request(origin: str) -> HttpRequest:
    return HttpRequest("POST", "/token", "", {"origin": origin}, b"client_id=x", Peer())


def test_while_the_database_is_away_what_was_allowed_lately_stays_allowed() -> None:
    """HC-07: a 503 is read as well, and by no new origin."""
    clients = FakeClients()
    cors = Cors(cast("Clients", clients))
    assert cors.headers(request(APP)) == APPS_HEADERS
    clients.gone = True
    assert cors.headers(request(APP)) == APPS_HEADERS
    assert cors.headers(request("https://new.example")) == {"Vary": "Origin"}
    assert cors.preflight(request("https://new.example")) == HttpAnswer(204, {"Vary": "Origin"})


def test_what_is_remembered_is_bounded() -> None:
    cors = Cors(cast("Clients", FakeClients()))
    for number in range(2_500):
        cors.may_read(f"client-{number}", APP)
    assert len(cors.allowed) <= 1_000
