"""Security headers (security.md HC-01, LC-13, LC-22; decisions 14, 21)."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pytest

from authz.app import create_app
from authz.endpoints.headers import form_source, page_policy
from authz.endpoints.pages import page, see_other

if TYPE_CHECKING:
    from flask import Flask
    from werkzeug.test import TestResponse

    from tests.world import World

ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
}
CACHED = re.compile(r"/jwks|/launch/jwks|/\.well-known/.*|/fhir-servers/.*|/static/.*")


def addresses(app: Flask) -> list[tuple[str, str]]:
    """Every method and path the app routes, with something in place of each variable part."""
    found = []
    for rule in app.url_map.iter_rules():
        path = re.sub(r"<[^>]*>", "main", rule.rule)
        found += [(method, path) for method in sorted(rule.methods or ())]
    return found


def test_every_answer_carries_the_security_headers(shared: World) -> None:
    """HC-01, by a crawl over the map of URLs; also what there is not, and methods not allowed."""
    client = shared.app.test_client()
    tried = [*addresses(shared.app), ("GET", "/nothing"), ("DELETE", "/token"), ("GET", "/static/authz.css")]
    for method, path in tried:
        answer = client.open(path, method=method, buffered=True)
        seen = {name: answer.headers.get(name) for name in ALWAYS}
        assert seen == ALWAYS, (method, path)
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"], (method, path)
        assert answer.headers["X-Frame-Options"] == "DENY", (method, path)
        cacheable = CACHED.fullmatch(path) and answer.status_code == 200 and method in {"GET", "HEAD"}
        assert ("no-store" in answer.headers["Cache-Control"]) is not bool(cacheable), (method, path)
        assert "Strict-Transport-Security" not in answer.headers  # this issuer is http on loopback
        assert "Server" not in answer.headers


def test_hsts_is_sent_where_the_issuer_is_https(shared: World) -> None:
    https = create_app(replace(shared.services.settings, issuer="https://authz.example/auth"))
    answer = https.test_client().get("/healthz")
    assert answer.headers["Strict-Transport-Security"] == "max-age=63072000; includeSubDomains"
    https.extensions["authz"].backend.close()


def test_over_https_every_answer_says_so_and_every_cookie_is_of_this_host(shared: World) -> None:
    """HC-01, HC-02: HSTS everywhere; `__Host-`, Secure, HttpOnly, for the whole host and nobody else."""
    https = create_app(replace(shared.services.settings, issuer="https://authz.example"))
    client, cookies = https.test_client(), []
    for method, path in [
        *addresses(https),
        ("GET", "/nothing"),
        ("GET", f"/authorize?{authorization_request(shared)}"),
    ]:
        answer = client.open(path, method=method, base_url="https://authz.example", buffered=True)
        assert answer.headers["Strict-Transport-Security"] == "max-age=63072000; includeSubDomains", (method, path)
        cookies += answer.headers.getlist("Set-Cookie")
    assert {line.partition("=")[0] for line in cookies} >= {"__Host-authz_browser", "__Host-authz_admin"}
    for line in cookies:
        assert re.fullmatch(
            r"__Host-authz_\w+=[\w.-]*; (Expires=[^;]+; )?Max-Age=\d+; Secure; HttpOnly; Path=/; SameSite=(Lax|Strict)",
            line,
        ), line
    https.extensions["authz"].backend.close()


def authorization_request(shared: World) -> str:
    return urlencode(shared.public.authorization_request(scope="openid launch/patient"))


def test_no_cookie_is_set_by_what_programs_call(shared: World) -> None:
    """HC-11."""
    client = shared.app.test_client()
    for path in ("/token", "/introspect", "/revoke", "/launch", "/jwks", "/.well-known/openid-configuration"):
        for method in ("GET", "POST"):
            assert "Set-Cookie" not in client.open(path, method=method).headers, path


def policy_of(answer: TestResponse) -> dict[str, str]:
    directives = answer.headers["Content-Security-Policy"].split("; ")
    return {name: value for name, _, value in (directive.partition(" ") for directive in directives)}


def with_view(shared: World, path: str, **options: object) -> TestResponse:
    app = create_app(shared.services.settings)
    text = {"title": "T", "description": "D", "advice": "A", "support_code": "S"}
    app.add_url_rule(path, view_func=lambda: page("error.html", **text, **options))  # type: ignore[arg-type]
    answer = app.test_client().get(path)
    app.extensions["authz"].backend.close()
    return answer


def test_a_page_allows_nothing_but_its_style_and_forms(shared: World) -> None:
    """LC-13, LC-22."""
    answer = with_view(shared, "/some-page")
    policy = policy_of(answer)
    assert re.fullmatch(r"'self' 'nonce-[A-Za-z0-9_-]{22}'", policy.pop("style-src"))
    assert policy == {
        "default-src": "'none'",
        "img-src": "'self' data:",
        "form-action": "'self'",
        "frame-ancestors": "'none'",
        "base-uri": "'none'",
        "object-src": "'none'",
    }
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.content_type == "text/html; charset=utf-8"


def test_each_page_has_a_nonce_of_its_own(shared: World) -> None:
    """LC-22."""
    nonces = {policy_of(with_view(shared, "/some-page"))["style-src"] for _ in range(3)}
    assert len(nonces) == 3


def test_a_page_of_an_ehr_launch_is_framed_by_its_ehr_alone_and_keeps_the_opener(shared: World) -> None:
    """Decisions 14 and 21: X-Frame-Options can't name origins, so it is left out; COOP unsafe-none; AUTHZ-25, REQ-4."""
    answer = with_view(
        shared,
        "/some-page",
        frame_ancestors=["https://ehr.example", "https://other.example:8443"],
        form_targets=["https://app.example/cb?x=1"],
        keep_opener=True,
    )
    policy = policy_of(answer)
    assert policy["frame-ancestors"] == "https://ehr.example https://other.example:8443"
    assert policy["form-action"] == "'self' https://app.example"
    assert "X-Frame-Options" not in answer.headers
    assert answer.headers["Cross-Origin-Opener-Policy"] == "unsafe-none"


def test_a_redirect_is_303_and_carries_nothing_on(shared: World) -> None:
    """RFC 9700 §4.12; security.md AZ-82."""
    with shared.app.test_request_context():
        answer = see_other("https://app.example/cb?code=1", keep_opener=True)
    assert (answer.status_code, answer.headers["Location"]) == (303, "https://app.example/cb?code=1")
    assert answer.headers["Cross-Origin-Opener-Policy"] == "unsafe-none"


@pytest.mark.parametrize(
    ("uri", "source"),
    [
        ("https://app.example/cb?x=1#y", "https://app.example"),
        ("https://app.example:8443/cb", "https://app.example:8443"),
        ("http://127.0.0.1:4000/cb", "http://127.0.0.1:4000"),
        ("http://[::1]:4000/cb", "http:"),
        ("com.example.app:/callback", "com.example.app:"),
        ("com.example.app://callback", "com.example.app:"),
    ],
)
def test_a_form_may_end_at_the_redirect_uri(uri: str, source: str) -> None:
    """LC-22; CSP Level 3 §2.3.1: a host source has no IPv6 address and no private scheme."""
    assert form_source(uri) == source


@pytest.mark.parametrize("value", ["https://a.example; script-src *", "'self'", "*", "https://a b", "a.example", ""])
def test_what_is_not_an_origin_never_gets_into_a_policy(value: str) -> None:
    with pytest.raises(ValueError, match="must be"):
        page_policy("n", [value], [])


@pytest.mark.parametrize("value", ["", "/cb", "no-scheme", "ä:/x"])
def test_what_is_not_an_absolute_uri_is_no_form_target(value: str) -> None:
    with pytest.raises(ValueError, match="absolute URI"):
        page_policy("n", [], [value])


def test_the_style_sheet_has_an_address_of_its_content_and_is_kept(shared: World) -> None:
    html = with_view(shared, "/some-page").text
    found = re.search(r'href="(/static/authz\.css\?v=[0-9a-f]{16})"', html)
    assert found, html
    answer = shared.app.test_client().get(found.group(1), buffered=True)
    assert (answer.status_code, answer.mimetype) == (200, "text/css")
    assert answer.cache_control.max_age == 365 * 86400
