"""What a vendor is told about each redirect URI that can't be registered (RFC 7591 §3.2.2)."""

from __future__ import annotations

import pytest

from authz.clients.redirect_uri import LAUNCH_PARAMETERS, host_of, match, origin, problems, without_port
from tests.clients.test_redirect_uri import NATIVE, WEB

NOT_ABSOLUTE = "must be an absolute URI of printable characters, without fragment and wildcard"
HOST = "needs a host in lower case, and a port of at most 65535 if any"
LOOPBACK = "http is for loopback only; use https"
USER = "must not hold a user name"
DOTS = "must not have dot segments"
ESCAPES = "must not escape control characters, nor dots, slashes and backslashes of its path"


@pytest.mark.parametrize(
    ("uri", "sentences"),
    [
        ("https://app.example/" + "a" * 2029, ["longer than 2048 bytes"]),
        ("https://app.example/" + "a" * 2028, []),
        ("//evil.example/cb", [NOT_ABSOLUTE]),
        ("https://app.example/cb#f", [NOT_ABSOLUTE]),
        ("https://*.example/cb", [NOT_ABSOLUTE]),
        ("https://app.example/c b", [NOT_ABSOLUTE]),
        ("HTTPS://app.example/cb", [NOT_ABSOLUTE]),
        ("https://APP.example/cb", [HOST]),
        ("https:cb", [HOST]),
        ("https://app.example:65535/cb", []),
        ("https://app.example:65536/cb", [HOST]),
        ("https://app..example/cb", [HOST]),
        ("https://[1.2.3.4]/cb", [HOST]),
        ("https://[::12345]/cb", [HOST]),
        ("https://[2001:db8::1]/cb", []),
        ("http://app.example/cb", [LOOPBACK]),
        ("http://[::2]/cb", [LOOPBACK]),
        ("http://[::1]/cb", []),
        ("http://localhost/cb", []),
        ("https://somebody@app.example/cb", [USER]),
        ("http://127.0.0.1@evil.example/cb", [LOOPBACK, USER]),
        ("https://app.example/../cb", [DOTS]),
        ("https://app.example/./cb", [DOTS]),
        ("https://app.example/.../cb", []),
        ("https://app.example/a%2Fcb", [ESCAPES]),
        ("https://app.example/a%5ccb", [ESCAPES]),
        ("https://app.example/cb?next=%2F", []),
        ("https://app.example/cb?next=%0A", [ESCAPES]),
        ("https://app.example/cb?next=%7f", [ESCAPES]),
        ("https://app.example/cb?a=b&state=1&code=2", ["its query must not hold code, state"]),
        ("https://app.example/cb?%69ss", ["its query must not hold iss"]),
        ("https://app.example/cb?statement=1&x=code", []),
        ("https://a@b..c/./%2e?error=1", [HOST, USER, DOTS, ESCAPES, "its query must not hold error"]),
        ("app:/cb", ["the scheme app is not https, nor a domain in reverse such as com.example.app"]),
        ("com.example.app:/cb", []),
        ("com.example.app:/../cb", [DOTS]),
        ("com.example.app://A/cb", [HOST]),
        ("com.example.app://somebody@a/cb", [USER]),
        ("com.example.app:///cb", []),
    ],
)
def test_every_reason_is_told_in_a_sentence(uri: str, sentences: list[str]) -> None:
    """security.md RG-02, RG-03: all of them at once, so that nobody has to try again and again."""
    assert problems(uri, "native") == sentences


def test_a_launch_url_may_not_bring_what_the_ehr_adds() -> None:
    """SMART LAU-01: ``iss`` and ``launch`` are the EHR's to say."""
    uri = "https://app.example/launch?launch=1&iss=2&state=3"
    assert problems(uri, "web", LAUNCH_PARAMETERS) == ["its query must not hold iss, launch"]


@pytest.mark.parametrize(
    ("uri", "told"),
    [
        ("http://127.0.0.1:65535/cb", ("http://127.0.0.1", "/cb")),
        ("http://127.0.0.1:65536/cb", None),
        ("http://127.0.0.1/cb?a=b", ("http://127.0.0.1", "/cb?a=b")),
        ("http://[::1]:9?a", ("http://[::1]", "?a")),
        ("http://[::1]", ("http://[::1]", "")),
        ("http://localhost:9/cb", None),
        ("https://127.0.0.1:9/cb", None),
    ],
)
def test_the_port_of_a_loopback_address_is_what_may_differ(uri: str, told: tuple[str, str] | None) -> None:
    """RFC 8252 §7.3: the port alone, of the two addresses and not of a name (§8.3)."""
    assert without_port(uri) == told


def test_only_a_native_app_that_asked_for_it_may_use_any_port() -> None:
    """RFC 8252 §7.3: what is returned is what was asked for, port and all."""
    assert match(NATIVE, "http://127.0.0.1:5000/cb") == "http://127.0.0.1:5000/cb"
    assert match(NATIVE, "http://127.0.0.1:5000/other") is None
    assert match(WEB, "http://127.0.0.1:5000/cb") is None


@pytest.mark.parametrize(
    ("uri", "told"),
    [
        ("https://app.example:80/cb", "https://app.example:80"),
        ("http://127.0.0.1:443/cb", "http://127.0.0.1:443"),
        ("http://127.0.0.1:80/cb", "http://127.0.0.1"),
        ("https://app.example?x", "https://app.example"),
        ("https:cb", None),
        ("https:///cb", None),
        ("com.example.app://host/cb", None),
        ("", None),
    ],
)
def test_an_origin_has_the_port_that_is_not_its_schemes_own(uri: str, told: str | None) -> None:
    """RFC 6454 §4."""
    assert origin(uri) == told


def test_people_read_the_host_or_the_scheme_of_an_address() -> None:
    """RFC 8252 §7.1: a private-use scheme has no host; it is the name of its app."""
    assert host_of("https://app.example:8443/cb?x=1") == "app.example:8443"
    assert host_of("com.example.app:/cb") == "com.example.app"
