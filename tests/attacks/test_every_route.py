"""Every address with hostile input of every kind: an answer of the right form, and never an error of ours."""

from __future__ import annotations

import io
import logging
import random
import re
from base64 import b64encode
from typing import TYPE_CHECKING

import pytest
from werkzeug.test import run_wsgi_app

from authz import logs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flask import Flask

    from tests.world import World

CANARY = "ZZ9SECRET"
FORM = "application/x-www-form-urlencoded"
ASSERTION = "client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer&client_assertion="
GOOD = "response_type=code&client_id=public&redirect_uri=https://app.example/cb&aud=https://fhir.example/r4&state=s"
PKCE = f"&code_challenge={'a' * 43}&code_challenge_method=S256"


def basic(credentials: bytes) -> str:
    return "Basic " + b64encode(credentials).decode()


BODIES = [
    b"",
    b"a=b",
    b"\xff\xfe=\x00",
    b"%ff=%zz",
    b"a=%00",
    b"token=ZZ9SECRETtoken&token=2",
    b"token=%C3%A9&token_type_hint=unheard-of",
    b"grant_type=refresh_token&refresh_token=%ED%A0%80&client_id=public",
    b"grant_type=refresh_token&refresh_token=ZZ9SECRET&client_id=" + b"x" * 300,
    f"grant_type=authorization_code&code=ZZ9SECRET&client_id=public&code_verifier={'a' * 43}".encode(),
    f"grant_type=client_credentials&{ASSERTION}a.b.c".encode(),
    f"grant_type=client_credentials&{ASSERTION}eyJhbGciOiJSUzM4NCJ9.W1tbW1tbW1tbW1tb.AAAA".encode(),
    b"interaction=ZZ9SECRET&username=ZZ9SECRET&password=%F0%9F%98%80",
    b"[" * 5_000,
    b'{"client_id":["x"],"fhir_server":{},"user":1}',
    b'{"client_id":"public","fhir_server":"https://fhir.example/r4","user":"doctor","patient":1e400}',
    b'{"client_id":"public","fhir_server":"https://fhir.example/r4","user":"\\ud800"}',
    b'{"fhir_server":1,"session":[]}',
    b'{"fhir_server":"https://fhir.example/r4","session":"\\u0000"}',
    b'{"client_name":"App","redirect_uris":[5],"client_secret":"ZZ9SECRET","jwks":[],"default_max_age":[]}',
    b'{"client_name":"App","redirect_uris":["https://app.example/cb"],"software_statement":"ZZ9SECRET"}',
    b'{"client_id":"main","client_name":"App","redirect_uris":["https://app.example/cb"],"scope":"openid"}',
    b"null",
    b"a&" * 120,
    b"x" * 70_000,
    b"x" * 300_000,
]
QUERIES = [
    "",
    "a=b",
    "interaction=ZZ9SECRET",
    "interaction=%00",
    "%",
    "\xff",
    "response_type=%22&client_id=public&redirect_uri=https://app.example/cb",
    f"{GOOD}&state=%0d%0aSet-Cookie:%20a=b",
    f"{GOOD}&scope={'a+' * 300}",
    f"{GOOD}&request=a.b.c",
    f"{GOOD}&id_token_hint=ZZ9SECRET",
    GOOD.replace("https://fhir.example/r4", "http%3A%2F%2F%5B"),
    f"{GOOD}&scope=launch&launch=ZZ9SECRET{PKCE}",
    f"{GOOD}&scope=launch&launch=x&code_challenge=%C3%A9&code_challenge_method=S256",
    f"{GOOD}&scope=openid&prompt=none&max_age=99999999999999999999{PKCE}",
    f"{GOOD}&scope=openid&max_age=%D9%A3{PKCE}",
]
AUTHORIZATIONS = [
    "",
    basic(b"public:x"),
    basic(b"confidential:confidential-test-secret"),
    basic(b"rs-main:rs-main-secret"),
    basic(b"ehr-main:ehr-main-secret"),
    basic(b"\xff\xfe:\xff"),
    basic(b"a\x00:b"),
    basic("é:ü".encode()),
    basic(b":" * 9_000),
    "Basic !!",
    "Basic",
    "Bearer",
    "Bearer \xe9",
    "Bearer ZZ9SECRET",
    "Bearer a,Bearer b",
    "Digest x",
]
TYPES = [
    FORM,
    FORM,
    "application/json",
    "application/json",
    "",
    "text/plain",
    "multipart/form-data; boundary=x",
    f"{FORM}; charset=latin-1",
]
ORIGINS = ["", "https://app.example", "null", "https://app.example.evil", "\xff", "https://app.example, https://evil"]
COOKIES = [
    "",
    "=__Host-session=bad",
    "authz_session=a; authz_session=b",
    "; ".join(f"c{number}=1" for number in range(100)),
    f"authz_session={'x' * 8_000}",
    'authz_browser="\\000"; authz_device=\xff; authz_session=%00',
]
STRANGE_PATHS = [
    ("GET", ""),
    ("GET", "/%00"),
    ("GET", "/\xff\xfe"),
    ("GET", "/static/../../wsgi.py"),
    ("GET", "/launch/a\0b"),
    ("DELETE", "/launch/a\0b"),
    ("GET", f"/launch/{'x' * 5_000}"),
    ("GET", "/fhir-servers/\0/.well-known/smart-configuration"),
    ("OPTIONS", "*"),
    ("POST", "//token"),
    ("POST", "/tok\0en"),
]
ROUNDS = 60


def routes(app: Flask) -> list[tuple[str, str]]:
    found = {
        (method, re.sub("<[^>]*>", "main", rule.rule))
        for rule in app.url_map.iter_rules()
        for method in {*(rule.methods or ()), "PUT", "BREW"}
    }
    return [*sorted(found), *STRANGE_PATHS]


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """Everything that is logged, at DEBUG, through the server's own formatter."""
    stream, root = io.StringIO(), logging.getLogger()
    handler, level = logging.StreamHandler(stream), root.level
    handler.setFormatter(logs.JsonLines())
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield stream
    root.removeHandler(handler)
    root.setLevel(level)


def environ(method: str, path: str, dice: random.Random) -> dict[str, object]:
    """A WSGI environment as gunicorn makes it, with something of each kind."""
    body, headers = dice.choice(BODIES), {"AUTHORIZATION": AUTHORIZATIONS, "ORIGIN": ORIGINS, "COOKIE": COOKIES}
    chosen = {f"HTTP_{name}": dice.choice(values) for name, values in headers.items()}
    return {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": dice.choice(QUERIES) if method == "GET" or dice.random() < 0.2 else "",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "9000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "192.0.2.1",
        "CONTENT_TYPE": dice.choice(TYPES),
        "CONTENT_LENGTH": str(len(body)) if body else "",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": io.StringIO(),
        "wsgi.url_scheme": "http",
        **{name: value for name, value in chosen.items() if value},
    }


def test_no_input_makes_an_error_of_ours_or_comes_back(world: World, log: io.StringIO) -> None:
    """security.md 0.8, 4.3, HC-03, HC-05, HC-07: no 5xx, no canary in an answer or a log line, no foreign origin.

    REQ-D10: only pages of a launch that exists are framed, and there is none here.
    """
    dice = random.Random(20)  # noqa: S311  the same requests each time
    with world.services.db.write() as session:
        world.services.fhir_servers.update(session, "main", {"registration": "open"})
    for method, path in routes(world.app):
        for _ in range(ROUNDS):
            asked = environ(method, path, dice)
            content, status, headers = run_wsgi_app(world.app.wsgi_app, asked, buffered=True)
            upstream_is_away = path.endswith("/metadata") and status[:3] == "503"  # its FHIR server is nowhere
            assert int(status[:3]) < 500 or upstream_is_away, asked
            assert CANARY.encode() not in b"".join(content), asked
            assert CANARY not in str(headers), asked
            names = [name for name in headers.keys() if name != "Set-Cookie"]  # noqa: SIM118  a multidict, not a dict
            assert len(names) == len(set(names)), asked
            assert "frame-ancestors 'none'" in headers.get("Content-Security-Policy", ""), asked
            reader = headers.get("Access-Control-Allow-Origin")
            assert reader in {None, "*"} or reader == asked.get("HTTP_ORIGIN") == "https://app.example", asked
    assert CANARY not in log.getvalue()
    assert '"traceback"' not in log.getvalue()
