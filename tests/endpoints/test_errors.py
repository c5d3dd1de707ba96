"""How refusals look (house.md 6; security.md LC-21, HC-10, DJ-06; RFC 6749 §5.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

import pytest

from authz.app import create_app
from authz.errors import (
    AccessDenied,
    InsufficientScope,
    InvalidClient,
    InvalidRequest,
    NoToken,
    TooManyRequests,
    Unavailable,
)
from authz.storage.short_lived import StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flask import Flask
    from flask.testing import FlaskClient

    from tests.world import World

SECRET = "ZZ9SECRET-of-the-traceback"


@pytest.fixture
def app(shared: World) -> Iterator[Flask]:
    """The app with views that fail; a program's at ``/launch/…``, a person's at ``/page/…``."""
    made = create_app(shared.services.settings)

    def failing(kind: str) -> NoReturn:
        if kind == "away":
            raise Unavailable("the database does not answer") from TimeoutError(SECRET)
        raise {
            "denied": AccessDenied('no "access"\r\nfor you'),
            "client": InvalidClient(),
            "token": NoToken("who are you?"),
            "scope": InsufficientScope("not enough", "patient/*.rs"),
            "many": TooManyRequests("slow down", retry_after=7),
            "gone": Unavailable(SECRET),
            "store": StoreUnavailable(SECRET),
            "bug": RuntimeError(SECRET),
        }[kind]

    for number, path in enumerate(("/launch/<kind>/fails", "/page/<kind>")):
        made.add_url_rule(path, f"failing-{number}", failing)
    yield made
    made.extensions["authz"].backend.close()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.mark.parametrize(
    ("kind", "status", "body", "headers"),
    [
        ("denied", 403, {"error": "access_denied", "error_description": "no ?access???for you"}, {}),
        (
            "client",
            401,
            {"error": "invalid_client", "error_description": "client authentication failed"},
            {"WWW-Authenticate": 'Basic realm="authz"'},
        ),
        (
            "token",
            401,
            {"error": "invalid_token", "error_description": "who are you?"},
            {"WWW-Authenticate": 'Bearer realm="authz"'},
        ),
        (
            "scope",
            403,
            {"error": "insufficient_scope", "error_description": "not enough"},
            {
                "WWW-Authenticate": 'Bearer realm="authz", error="insufficient_scope", '
                'error_description="not enough", scope="patient/*.rs"'
            },
        ),
        (
            "many",
            429,
            {"error": "temporarily_unavailable", "error_description": "slow down"},
            {"Retry-After": "7"},
        ),
        *[
            (
                kind,
                503,
                {
                    "error": "temporarily_unavailable",
                    "error_description": "a part of this server does not answer, try again",
                },
                {"Retry-After": "2"},
            )
            for kind in ("gone", "store")
        ],
        ("bug", 500, {"error": "server_error", "error_description": "something unexpected happened"}, {}),
    ],
)
def test_programs_get_oauths_json(
    client: FlaskClient, kind: str, status: int, body: dict[str, str], headers: dict[str, str]
) -> None:
    """RFC 6749 §5.2, RFC 6750 §3; HC-10: whatever Accept says; no secret of the cause."""
    answer = client.get(f"/launch/{kind}/fails", headers={"Accept": "text/html"})
    assert (answer.status_code, answer.json, answer.content_type) == (status, body, "application/json")
    assert {name: answer.headers[name] for name in headers} == headers
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("kind", "status", "title"),
    [
        ("denied", 403, "This is not allowed"),
        ("many", 429, "Too many attempts"),
        ("gone", 503, "Not possible at the moment"),
        ("bug", 500, "Something went wrong here"),
    ],
)
def test_people_get_a_page_with_a_support_code(client: FlaskClient, kind: str, status: int, title: str) -> None:
    """LC-21, house.md 6: what happened, what to do, and a code that finds it in the log."""
    answer = client.get(f"/page/{kind}", headers={"Accept": "application/json"})
    assert (answer.status_code, answer.mimetype) == (status, "text/html")
    assert f"<h1>{title}</h1>" in answer.text
    assert answer.headers["X-Request-Id"] in answer.text
    assert SECRET not in answer.text
    assert "Traceback" not in answer.text
    assert "WWW-Authenticate" not in answer.headers
    assert answer.headers.get("Retry-After") == {"many": "7", "gone": "2"}.get(kind)


@pytest.mark.parametrize(
    "path",
    [
        "/<script>alert(1)</script>",
        "/%3Cscript%3E",
        "/{{7*7}}",
        "/" + "x" * 7000,
        "/token/x",
        "/token/",
        "/launch/a/b/c",
    ],
)
def test_what_is_not_there_is_not_repeated(client: FlaskClient, path: str) -> None:
    """LC-21: no reflection, no version."""
    answer = client.get(path)
    assert answer.status_code == 404
    for word in ("<script", "alert(1)", "7*7", "{{", "xxxx", "Werkzeug", "Flask", "Python"):
        assert word not in answer.text.replace("charset", "")


@pytest.mark.parametrize("path", ["/token/x", "/launch/a/b/c", "/.well-known/other", "/fhir-servers/none/oauth-uris"])
def test_below_a_programs_path_also_a_404_is_json(client: FlaskClient, path: str) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer.json) == (
        404,
        {"error": "not_found", "error_description": "there is nothing at this address"},
    )


@pytest.mark.parametrize(
    ("path", "allow"),
    [
        ("/token", "OPTIONS, POST"),
        ("/introspect", "OPTIONS, POST"),
        ("/revoke", "OPTIONS, POST"),
        ("/jwks", "GET, HEAD, OPTIONS"),
        ("/.well-known/openid-configuration", "GET, HEAD, OPTIONS"),
    ],
)
def test_another_method_is_405_with_the_allowed_ones(client: FlaskClient, path: str, allow: str) -> None:
    """DJ-06; RFC 9110 §15.5.6."""
    for method in ("PUT", "DELETE", "PATCH", "TRACE", "POST" if "GET" in allow else "GET"):
        answer = client.open(path, method=method)
        assert (answer.status_code, answer.json, answer.headers["Allow"]) == (
            405,
            {"error": "invalid_request", "error_description": "this method is not allowed here"},
            allow,
        )


def test_the_log_says_why_something_is_not_available(client: FlaskClient, caplog: pytest.LogCaptureFixture) -> None:
    client.get("/page/away")
    (message,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert message == "answered 503: the database does not answer (TimeoutError)"


def test_no_redirect_is_ever_made_from_the_host_header(client: FlaskClient) -> None:
    """DJ-02: ``//path`` and ``path/`` are served or not found, never a 308 to a Host's address."""
    for path in ("//jwks", "///token", "/jwks/", "//evil.example/jwks", "/%2e%2e/jwks"):
        answer = client.get(path, headers={"Host": "evil.example"})
        assert answer.status_code in {200, 404, 405}
        assert "Location" not in answer.headers


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "a/evil"},
        {"Host": ""},
        {"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https", "X-Forwarded-Prefix": "/evil"},
        {"Forwarded": "host=evil.example;proto=https", "X-Original-URL": "/evil", "X-Rewrite-URL": "/evil"},
    ],
)
def test_no_header_changes_the_issuer(shared: World, client: FlaskClient, headers: dict[str, str]) -> None:
    """DJ-02, DJ-03: public URLs come from the settings alone."""
    path = "/.well-known/openid-configuration"
    expected = client.get(path).data
    assert shared.issuer.encode() in expected
    assert client.get(path, headers=headers).data == expected


def test_a_description_never_breaks_out_of_the_page(shared: World) -> None:
    """CWE-79."""
    app = create_app(shared.services.settings)

    def failing() -> NoReturn:
        raise InvalidRequest("<img src=x onerror=alert(1)>")

    app.add_url_rule("/page", view_func=failing)
    answer = app.test_client().get("/page")
    assert "<img" not in answer.text
    assert "&lt;img" in answer.text
    app.extensions["authz"].backend.close()
