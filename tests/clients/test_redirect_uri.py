from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authz.clients.client import Client
from authz.clients.redirect_uri import LAUNCH_PARAMETERS, RegisteredRedirectURI, match, origin, problems
from authz.scopes import ScopeSet

WEB = Client(
    client_id="c_1",
    client_name="App",
    token_endpoint_auth_method="none",
    application_type="web",
    grant_types=frozenset({"authorization_code"}),
    redirect_uris=("https://app.example/cb", "https://app.example/cb2?x=1"),
    launch_uris=(),
    allowed_origins=frozenset(),
    scope=ScopeSet(),
    jwks=None,
    jwks_uri=None,
    about={},
    fhir_servers=(),
    skip_consent_in_ehr_launch=False,
    any_loopback_port=False,
    enabled=True,
)
NATIVE = dataclasses.replace(
    WEB,
    application_type="native",
    redirect_uris=("http://127.0.0.1/cb", "http://[::1]:4000/cb?a=b", "http://localhost/cb", "com.example.app:/cb"),
    any_loopback_port=True,
)


@pytest.mark.parametrize("uri", WEB.redirect_uris)
def test_a_registered_redirect_uri_matches_itself(uri: str) -> None:
    """RFC 9700 §2.1: exact string comparison; security.md AZ-10: a registered query is kept; REG-11."""
    found = match(WEB, uri)
    assert isinstance(found, RegisteredRedirectURI)
    assert found == uri


@pytest.mark.parametrize(
    "uri",
    [
        "https://evil.example/cb",  # AZ-06
        "https://app.example/cb/",  # AZ-07
        "https://app.example/cb?foo=bar",  # AZ-09
        "https://app.example/cb2?x=2",  # AZ-10
        "https://app.example/cb2?x=1&y=2",
        "https://app.example/cb2?y=2&x=1",
        "https://app.example/cb2",
        "https://app.example/cb#frag",  # AZ-11
        "https://APP.example/cb",  # AZ-13
        "https://app.example:443/cb",
        "https://app.example./cb",
        "https://app.example/CB",  # AZ-14
        "https://app.example/%63b",  # AZ-15
        "https://app.example/cb%2f",
        "https://app.example/cb%00",
        "https://app.example/cb%20",
        "https://app.example/cb%3b",
        "https://app.example@evil.example/cb",  # AZ-17
        "https://evil.example\\@app.example/cb",
        "https://app.example%5c@evil.example/cb",
        "https://app.example.evil.example/cb",  # AZ-18
        "https://evilapp.example/cb",
        "https://appXexample/cb",
        "https://\u0430pp.example/cb",  # AZ-19
        "https://\uff41pp.example/cb",
        "https://xn--pp-7kc.example/cb",
        " https://app.example/cb",  # AZ-21
        "https://app.example/cb ",
        "https://app.example/cb\t",
        "https://app.example/cb\n",
        "javascript:alert(1)",  # AZ-22
        "javascript://x/%0aalert(1)",
        "data:text/html,x",
        "vbscript:x",
        "blob:x",
        "",
    ],
)
@pytest.mark.parametrize("client", [WEB, NATIVE], ids=["web", "native"])
def test_nothing_else_matches(client: Client, uri: str) -> None:
    """security.md AZ-06..22."""
    assert match(client, uri) is None


@pytest.mark.parametrize(
    "uri",
    ["http://127.0.0.1:51004/cb", "http://127.0.0.1/cb", "http://[::1]/cb?a=b", "http://[::1]:65535/cb?a=b"],
)
def test_a_native_app_may_use_any_port_of_a_loopback_address(uri: str) -> None:
    """RFC 8252 §7.3, security.md AZ-23, where the hospital allows it for the client (decision 12).

    REG-11, VER-12, AMB-03.
    """
    assert match(NATIVE, uri) == uri
    exact_only = dataclasses.replace(NATIVE, any_loopback_port=False)
    assert match(exact_only, uri) == (uri if uri in NATIVE.redirect_uris else None)


@pytest.mark.parametrize(
    "uri",
    [
        "http://127.0.0.1:80@evil.example/cb",  # AZ-25
        "http://localhost:80@evil.example/cb",
        "http://localhost:51004/cb",  # a name, not an address
        "http://127.0.0.1:51004/cb/",
        "http://127.0.0.1:51004/cb?a=b",
        "http://127.0.0.1:0/cb",
        "http://127.0.0.1:65536/cb",
        "http://127.0.0.1:/cb",
        "http://127.0.0.1:051004/cb",
        "http://127.0.0.2:51004/cb",
        "http://127.0.0.1.evil.example:51004/cb",
        "https://127.0.0.1:51004/cb",
        "HTTP://127.0.0.1:51004/cb",
        "http://[::1]:51004/cb",
    ],
)
def test_only_the_port_of_a_loopback_address_is_free(uri: str) -> None:
    """RFC 8252 §7.3, security.md AZ-25."""
    assert match(NATIVE, uri) is None


@given(st.text(max_size=100))
def test_any_text_can_be_compared_and_judged(text: str) -> None:
    assert match(WEB, text) is None
    problems(text, "native")
    origin(text)


@given(st.sampled_from(WEB.redirect_uris), st.integers(0, 20), st.characters())
def test_no_registered_uri_with_one_more_character_matches(uri: str, at: int, character: str) -> None:
    assert match(WEB, uri[:at] + character + uri[at:]) is None


@pytest.mark.parametrize(
    "uri",
    [
        "javascript://x/%0aalert(1)",  # RG-02
        "javascript:alert(1)",
        "data://x/y",
        "data:text/html,x",
        "file://h/x",
        "http://app.example/cb",
        "https://*.example/cb",
        "https://app.example/*",
        "https://app.example/cb\r\nX:y",
        "https://app.example/../cb",
        "https://app.example/a/./cb",
        "https://app.example/%2e%2e/cb",
        "https://app.example/a%2fcb",
        "https://app.example/cb%0d%0a",
        "https://app.example/cb%00",
        "https://app.example/cb?x=%0a",
        "https://app.example/cb%",
        "https://app.example/cb%zz",
        "https://app.example:99999/",
        "https://app.example:0/",
        "https://app.example:/cb",
        "https://a@b/",
        "https://127.0.0.1@evil.example/",
        "http://127.0.0.1:80@evil.example/",
        "//evil",
        "/cb",
        "cb",
        "",
        "https:///cb",
        "https:cb",
        "https://app.example/cb#f",
        "https://app.example/cb#",
        "https://APP.example/cb",
        "HTTPS://app.example/cb",
        "https://app.example./cb",
        "https://app..example/cb",
        "https://\u0430pp.example/cb",
        "https://app.example/c b",
        "https://app.example\\@evil.example/cb",
        "https://app.example/cb?code=x",  # RG-03
        "https://app.example/cb?a=b&state=x",
        "https://app.example/cb?error=x",
        "https://app.example/cb?iss=x",
        "https://app.example/cb?%69ss=x",
        "http://127.0.0.1.evil.example/cb",
        "http://10.0.0.1/cb",
        "app:/cb",
        "myapp://cb",
        "https://[:9]/cb",  # an address that no reader can take apart: found by fuzzing
        "https://[::1]]/cb",
        "https://[1.2.3.4]/cb",
        "com.example.app://[:9]/cb",
        "com.example.app://a@b@c/cb",
        "com.:/cb",
        "com..app:/cb",
        "https://app.example/" + "a" * 2048,
    ],
)
@pytest.mark.parametrize("application_type", ["web", "native"])
def test_a_dangerous_redirect_uri_can_not_be_registered(uri: str, application_type: str) -> None:
    """security.md RG-02, RG-03; oauth.md Part 5; RFC 8252 §7.1; REG-11, REQ-63."""
    assert problems(uri, application_type) != []


@pytest.mark.parametrize(
    "uri",
    [
        "https://app.example/cb",
        "https://app.example",
        "https://app.example:8443/cb?tenant=1&next=%2Fhome",
        "https://xn--pp-7kc.example/cb",
        "http://127.0.0.1:9002/",
        "http://127.0.0.1:9002/referral",
        "http://[::1]/cb",
        "http://localhost:3000/cb",
        "https://app.example/caf%C3%A9",
    ],
)
@pytest.mark.parametrize("application_type", ["web", "native"])
def test_a_web_address_can_be_registered(uri: str, application_type: str) -> None:
    """https, or http on loopback (oauth.md Part 5); REG-11."""
    assert problems(uri, application_type) == []


@pytest.mark.parametrize("uri", ["com.example.app:/cb", "com.example.app://cb"])
def test_a_private_use_scheme_is_for_native_apps(uri: str) -> None:
    """RFC 8252 §7.1, security.md RG-05; REG-11."""
    assert problems(uri, "native") == []
    assert problems(uri, "web") == ["a private-use scheme is for native apps only"]


def test_the_query_of_a_launch_url_may_not_say_what_the_ehr_says() -> None:
    """SMART LAU-01, LAU-05."""
    assert problems("https://app.example/launch?code=1", "web", LAUNCH_PARAMETERS) == []
    assert problems("https://app.example/launch?iss=1", "web", LAUNCH_PARAMETERS) != []


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("https://app.example/cb", "https://app.example"),
        ("https://app.example:443/cb", "https://app.example"),
        ("https://app.example:8443/cb", "https://app.example:8443"),
        ("http://127.0.0.1:9002/", "http://127.0.0.1:9002"),
        ("http://[::1]:80/", "http://[::1]"),
        ("com.example.app:/cb", None),
    ],
)
def test_the_origin_is_written_as_browsers_send_it(uri: str, expected: str | None) -> None:
    """RFC 6454 §6.1, SMART CORS-03."""
    assert origin(uri) == expected
