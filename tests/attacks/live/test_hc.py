"""HC: headers, CORS, cookies of a running server (security.md 2.12)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pytest

from tests.actors import FORM
from tests.world import APP

if TYPE_CHECKING:
    from tests.attacks.live.target import Target
    from tests.transport import Reply

ALWAYS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "permissions-policy": "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
    "cross-origin-opener-policy": "same-origin",
    "x-frame-options": "DENY",
    "server": "gunicorn",
}
KEPT = re.compile(r"/jwks|/launch/jwks|/\.well-known/.*|/fhir-servers/.*|/static/.*|/user-access-brands.*")
FOR_APPS = ("/token", "/revoke", "/userinfo")
PAGES = ("/authorize", "/login", "/consent", "/logout", "/my-apps", "/select-patient", "/admin/sign-in", "/support")
PROGRAMS = (
    "/token",
    "/introspect",
    "/revoke",
    "/launch",
    "/jwks",
    "/userinfo",
    "/register",
    "/web-messaging/introspect",
)
STRANGERS = (
    "null",
    "https://app.example.evil",
    "https://appXexample",
    "http://app.example",
    "https://app.example:8443",
)


def addresses(target: Target) -> list[str]:
    return sorted({re.sub(r"<[^>]*>", "main", rule.rule) for rule in target.app.url_map.iter_rules()})


def allowed(reply: Reply) -> str | None:
    return reply.header("access-control-allow-origin")


def test_every_answer_carries_the_headers(target: Target) -> None:
    """HC-01: over the map of addresses, and beyond it; no version is told."""
    for path in [*addresses(target), "/nothing", "//token", "/static/authz.css", f"/{'x' * 300}"]:
        reply = target.send("GET", path)
        assert {name: reply.header(name) for name in ALWAYS} == ALWAYS, path
        policy = reply.header("content-security-policy") or ""
        assert "default-src 'none'" in policy, path
        assert "frame-ancestors 'none'" in policy, path
        assert "unsafe-inline" not in policy, path
        is_kept = bool(KEPT.fullmatch(path)) and reply.status == 200
        assert ("no-store" in (reply.header("cache-control") or "")) is not is_kept, path
        assert re.search(r"\d+\.\d+\.\d+", str(reply.headers).replace(target.issuer, "")) is None, path


def test_each_page_has_a_nonce_that_nobody_knows_before(target: Target) -> None:
    """LC-22: also the same page twice, also by two workers."""
    pages = [target.ask() for _ in range(6)]
    nonces = {re.findall(r"'nonce-([\w-]{22})'", page.header("content-security-policy") or "")[0] for page in pages}
    assert len(nonces) == 6
    for page in pages:
        assert re.search(r"<script|javascript:|\son\w+=|\sstyle=", page.text) is None


def test_the_session_cookie_is_of_this_host_and_read_by_no_script(target: Target) -> None:
    """HC-02: the prefix needs https, which a test elsewhere has; here it is http on loopback."""
    browser = target.browser()
    page = browser.open(target.pub.authorize_url(scope="openid launch/patient", prompt="login"))
    form = {"interaction": re.findall(r'name="interaction" value="([^"]+)"', page.text)[0], "username": "alice"}
    body = urlencode(form | {"password": "alice-password"}).encode()
    reply = browser.request("POST", f"{target.issuer}/login", body, {"Content-Type": FORM})
    lines = reply.headers["set-cookie"]
    assert {line.partition("=")[0] for line in lines} == {"authz_session", "authz_device"}
    for line in lines:
        assert re.search(r"; HttpOnly; Path=/; SameSite=Lax$", line), line
        assert "Domain" not in line
        assert len(line) < 4_096


STRANGE = [
    "=__Host-session=bad",
    "authz_session=a; authz_session=b",
    "; ".join(f"c{n}=1" for n in range(100)),
    f"authz_session={'x' * 7_000}",
    "authz_session=%00; authz_browser=\xff",
    '$Version=1; authz_session="a;b"',
]


@pytest.mark.parametrize("cookie", STRANGE, ids=range(len(STRANGE)))
def test_a_strange_cookie_is_none(target: Target, cookie: str) -> None:
    """HC-03."""
    page = target.send("GET", target.pub.authorize_url(scope="openid launch/patient"), {"Cookie": cookie})
    assert (page.status, 'name="password"' in page.text) == (200, True)


@pytest.mark.parametrize("path", [*FOR_APPS, "/introspect", "/launch", "/register", "/web-messaging/introspect"])
def test_an_origin_that_is_nobodys_reads_nothing(target: Target, path: str) -> None:
    """HC-05: exactly, by preflight and by answer; an app's own origin reads its errors (HC-07)."""
    for origin in STRANGERS:
        for method in ("OPTIONS", "POST"):
            reply = target.send(method, path, {"Origin": origin, "Content-Type": FORM}, b"client_id=public")
            assert allowed(reply) is None, (method, origin)
    own = target.send("POST", path, {"Origin": APP, "Content-Type": FORM}, b"client_id=public")
    assert own.status >= 400
    assert allowed(own) == (APP if path in FOR_APPS else None)


@pytest.mark.parametrize("path", PAGES)
def test_pages_are_read_by_no_script_of_another_site(target: Target, path: str) -> None:
    """HC-06, RFC 9700 §2.6."""
    for method in ("OPTIONS", "GET", "POST"):
        reply = target.send(method, path, {"Origin": APP})
        assert [name for name in reply.headers if name.startswith("access-control")] == [], method


@pytest.mark.parametrize("path", PROGRAMS)
def test_programs_get_json_and_no_cookie_whatever_they_accept(target: Target, path: str) -> None:
    """HC-10, HC-11: nothing that was sent comes back."""
    headers = {"Accept": "text/html", "Content-Type": FORM, "Cookie": "authz_session=a"}
    reply = target.send("POST", path, headers, b"<script>alert(1)</script>=%3Cb%3E&token=%3Cimg%3E")
    assert reply.status >= 400
    assert reply.header("content-type") == "application/json"
    assert reply.header("set-cookie") is None
    assert b"<" not in reply.body


def test_there_is_no_signed_session_to_forge(target: Target) -> None:
    """HC-09: a session is a handle; Flask's own, which a key signs, is switched off by having no key."""
    assert target.app.secret_key is None
    assert target.app.config["SECRET_KEY_FALLBACKS"] is None
    for forged in ("eyJzdWIiOiJhbGljZSJ9.aaaaaa.bbbbbbbbbbbbbbbbbbbbbbbbbbb", "x" * 43):
        reply = target.send("GET", "/my-apps?fhir_server=main", {"Cookie": f"session={forged}; authz_session={forged}"})
        assert 'name="password"' in reply.text
