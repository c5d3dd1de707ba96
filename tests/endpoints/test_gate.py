"""The input gate (security.md 3.5; house.md 6)."""

from __future__ import annotations

import json
from base64 import b64encode
from contextlib import suppress
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authz.audit.event import Peer
from authz.endpoints.exchange import HttpRequest
from authz.endpoints.gate import (
    FORM,
    MAX_BYTES,
    basic_credentials,
    bearer_token,
    duplicates,
    form,
    form_pairs,
    json_object,
    pairs,
    query,
)
from authz.errors import InvalidClient, InvalidRequest, InvalidScope, InvalidToken, OAuthError


def post(body: bytes, *, content_type: str = FORM, query: str = "", authorization: str | None = None) -> HttpRequest:
    headers = {"content-type": content_type} if content_type else {}
    if authorization is not None:
        headers["authorization"] = authorization
    return HttpRequest("POST", "/token", query, headers, body, Peer())


def get(query: str) -> HttpRequest:
    return HttpRequest("GET", "/authorize", query, {}, b"", Peer())


def refusal(text: str) -> OAuthError:
    with pytest.raises(OAuthError) as caught:
        pairs(text)
    return caught.value


def with_authorization(value: str) -> HttpRequest:
    return post(b"", authorization=value)


def basic(credentials: bytes) -> HttpRequest:
    return with_authorization(f"Basic {b64encode(credentials).decode()}")


def test_parameters_are_taken_from_the_body_only() -> None:
    """security.md 0.6: query beats body in Flask's request.values; here a query on a POST is an error; ST-15."""
    with pytest.raises(InvalidRequest) as caught:
        form(post(b"grant_type=refresh_token", query="grant_type=authorization_code"))
    assert caught.value.body() == {
        "error": "invalid_request",
        "error_description": "send parameters in the body, none in the URL",
    }


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "application/json",
        "text/plain",
        "multipart/form-data; boundary=x",
        "application/x-www-form-urlencoded2",
        "application/x-www-form-urlencoded; charset=latin-1",
    ],
)
def test_a_body_of_another_type_is_refused(content_type: str) -> None:
    """security.md 0.6: an unknown content type is 400."""
    with pytest.raises(InvalidRequest):
        form(post(b"token=x", content_type=content_type))


@pytest.mark.parametrize(
    "content_type",
    [FORM, FORM.upper(), f"{FORM}; charset=utf-8", f'{FORM};charset="UTF-8"', f"{FORM}; boundary=ignored"],
)
def test_a_form_may_name_its_charset(content_type: str) -> None:
    assert form(post(b"token=x", content_type=content_type)) == {"token": "x"}


def test_an_empty_body_is_no_parameters_whatever_its_type() -> None:
    assert form(post(b"", content_type="")) == {}


@pytest.mark.parametrize("name", ["grant_type", "code", "client_id", "scope", "state", "", "unknown"])
def test_a_repeated_parameter_is_an_error(name: str) -> None:
    """RFC 6749 §3.2: parameters must not be included more than once; also with an equal or an empty value."""
    for first, second in (("a", "b"), ("a", "a"), ("", "a")):
        with pytest.raises(InvalidRequest, match="more than once"):
            form(post(urlencode([(name, first), (name, second)]).encode()))


def test_only_resource_may_be_repeated() -> None:
    """RFC 8707 §2."""
    assert form(post(b"resource=https://a&x=1&resource=https://b&resource=https://a")) == {
        "resource": "https://a https://b",
        "x": "1",
    }
    assert duplicates([("resource", "a"), ("resource", "b"), ("a", ""), ("a", ""), ("b", "")]) == {"a"}


def test_a_parameter_without_a_value_counts_as_left_out() -> None:
    """RFC 6749 §3.1."""
    assert query(get("launch=&state=s&nonce")) == {"state": "s"}
    assert form_pairs(post(b"launch=&state=s&nonce")) == [("launch", ""), ("state", "s"), ("nonce", "")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a=1;b=2", [("a", "1;b=2")]),
        ("a=1+2%203", [("a", "1 2 3")]),
        ("a=%2B", [("a", "+")]),
        ("a=b=c", [("a", "b=c")]),
        ("&&a=1&", [("a", "1")]),
        ("a=%C3%A4", [("a", "ä")]),
        ("a=\xc3\xa4", [("a", "ä")]),  # as raw bytes
        ("%61=1", [("a", "1")]),
        ("a=%2526", [("a", "%26")]),
        ("a=%F0%9F%98%80", [("a", "😀")]),
    ],
)
def test_values_are_decoded_once(text: str, expected: list[tuple[str, str]]) -> None:
    """security.md HP-17."""
    assert pairs(text) == expected


@pytest.mark.parametrize(
    "value",
    ["%", "%z", "%zz", "%2", "%u0041", "%FF%FE", "\xff", "%ED%A0%80", "%C0%80", "%C3", "€"],
)
def test_what_is_not_percent_encoded_utf_8_is_refused(value: str) -> None:
    """security.md HP-17, 0.8: invalid UTF-8, overlong forms and lone surrogates."""
    assert refusal(f"state={value}").body() == {
        "error": "invalid_request",
        "error_description": "state is not percent-encoded UTF-8",
    }


@pytest.mark.parametrize("character", ["%00", "%0A", "%0D", "%09", "%1B", "%7F", "%C2%80", "%C2%9F", "\n"])
def test_control_characters_are_refused_in_names_and_values(character: str) -> None:
    """security.md 0.8, AZ-37: NUL breaks PostgreSQL, CR and LF break headers, ESC breaks terminals."""
    assert refusal(f"a=x{character}").description == "a contains control characters"
    assert refusal(f"x{character}=a").description == "the name of a parameter contains control characters"


@pytest.mark.parametrize("name", sorted(MAX_BYTES))
def test_the_bound_of_a_parameter_is_exact(name: str) -> None:
    """security.md 3.5, at bound-1, bound, bound+1 and 10 x; AZ-38: never cut off."""
    bound = MAX_BYTES[name]
    for length in (bound - 1, bound):
        assert pairs(f"{name}={'x' * length}") == [(name, "x" * length)]
    for length in (bound + 1, bound * 10):
        assert refusal(f"{name}={'x' * length}").body() == {
            "error": "invalid_request",
            "error_description": f"{name} must not be longer than {bound} bytes",
        }


def test_the_bounds_are_those_of_the_documentation() -> None:
    """security.md 3.5."""
    assert (MAX_BYTES["state"], MAX_BYTES["nonce"], MAX_BYTES["login_hint"]) == (4096, 512, 256)
    assert MAX_BYTES["redirect_uri"] == MAX_BYTES["aud"] == 2048
    assert MAX_BYTES["client_assertion"] == 16384


def test_a_bound_counts_bytes_of_the_decoded_value() -> None:
    assert pairs(f"nonce={quote('ä' * 256)}") == [("nonce", "ä" * 256)]
    assert refusal(f"nonce={quote('ä' * 257)}").description == "nonce must not be longer than 512 bytes"


def test_other_values_and_names_are_bounded_as_well() -> None:
    assert len(pairs(f"code={'x' * 16384}")[0][1]) == 16384
    assert refusal(f"code={'x' * 16385}").description == "code must not be longer than 16384 bytes"
    assert refusal(f"{'x' * 257}=1").description == "the name of a parameter must not be longer than 256 bytes"
    assert refusal(f"%22={'x' * 16385}").description == "a parameter must not be longer than 16384 bytes"


@pytest.mark.parametrize("count", [1, 99, 100])
def test_a_hundred_parameters_are_read(count: int) -> None:
    """security.md 3.5."""
    assert len(pairs("&".join(f"p{number}=1" for number in range(count)))) == count


@pytest.mark.parametrize("count", [101, 1_000, 50_000])
def test_more_than_a_hundred_parameters_are_refused(count: int) -> None:
    """security.md 3.5, HP-13."""
    assert refusal("&".join("p=1" for _ in range(count))).description == "more than 100 parameters"


def test_scope_has_bounds_of_its_own() -> None:
    """security.md 3.5: 8000 bytes, 200 items, else invalid_scope."""
    for length in (7999, 8000):
        assert pairs(f"scope={'x' * length}") == [("scope", "x" * length)]
    for length in (8001, 16000):
        error = refusal(f"scope={'x' * length}")
        assert isinstance(error, InvalidScope)
        assert error.description == "scope must not be longer than 8000 bytes"
    for count in (199, 200):
        assert pairs(f"scope={'+'.join(['a'] * count)}") == [("scope", " ".join(["a"] * count))]
    for count in (201, 2000):
        error = refusal(f"scope={'+'.join(['a'] * count)}")
        assert isinstance(error, InvalidScope)
        assert error.description == "scope must not have more than 200 items"


PARAMETERS = st.dictionaries(
    st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1, max_size=20).filter(lambda n: n != "scope"),
    st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1, max_size=60),
    max_size=20,
)


@given(PARAMETERS)
def test_what_a_browser_sends_is_read_back(parameters: dict[str, str]) -> None:
    """WHATWG URL §5.2: application/x-www-form-urlencoded, both as ``+`` and as ``%20``."""
    assert form(post(urlencode(parameters).encode())) == parameters
    assert query(get(urlencode(parameters, quote_via=quote))) == parameters


@given(st.binary(max_size=300), st.text(max_size=60), st.text(max_size=80), st.text(max_size=60))
def test_the_gate_raises_nothing_but_its_errors(body: bytes, query_: str, authorization: str, type_: str) -> None:
    """security.md 0.8: no bytes from outside may end in a 500."""
    for request in (
        post(body, query=query_, authorization=authorization, content_type=type_),
        post(body, authorization=f"Basic {authorization}"),
        post(body, authorization=f"Bearer {authorization}", content_type="application/json"),
        basic(body),
        get(body.decode("latin-1")),
    ):
        for read in (form, form_pairs, query, json_object, basic_credentials, bearer_token):
            with suppress(OAuthError):
                read(request)


@pytest.mark.parametrize(
    ("sent", "readings"),
    [
        (b"app:secret", [("app", "secret")]),
        (b"app:a:b", [("app", "a:b")]),
        (b"app:", [("app", "")]),
        (b"my%20app:a%2Bb+c", [("my%20app", "a%2Bb+c"), ("my app", "a+b c")]),
        (b"app:100%", [("app", "100%")]),
        ("äpp:gehëim".encode(), [("äpp", "gehëim")]),
    ],
)
def test_basic_credentials_are_read_as_sent_and_once_decoded(sent: bytes, readings: list[tuple[str, str]]) -> None:
    """SMART SYM-04, decision 12; split at the first colon; ST-07."""
    assert basic_credentials(basic(sent)) == readings


@pytest.mark.parametrize(
    "value",
    [
        "Basic",
        "Basic =",
        "Basic %%%",
        "Basic YTpi,Basic YTpi",  # two headers, as the server joins them
        f"Basic {b64encode(bytes([0xFF, 0xFE])).decode()}",
        f"Basic {b64encode(b'no-colon').decode()}",
        f"Basic {b64encode(b':secret').decode()}",
        f"Basic {b64encode(b'a:b' + bytes([0])).decode()}",
        "Basic ä",
        "Digest username=x",
        "DPoP abc",
    ],
)
def test_an_unreadable_basic_header_is_a_failed_authentication(value: str) -> None:
    """RFC 6749 §5.2, security.md 0.8 (bytes ff fe): 401 with a challenge, never 500."""
    with pytest.raises(InvalidClient) as caught:
        basic_credentials(with_authorization(value))
    assert caught.value.body() == {"error": "invalid_client", "error_description": "client authentication failed"}
    assert caught.value.headers() == {"WWW-Authenticate": 'Basic realm="authz"'}


def test_each_scheme_is_read_by_its_own_reader() -> None:
    assert basic_credentials(post(b"")) is None
    assert bearer_token(post(b"")) is None
    assert basic_credentials(with_authorization("Bearer abc")) is None
    assert bearer_token(basic(b"a:b")) is None
    assert bearer_token(with_authorization("bEaReR  abc-._~+/9==")) == "abc-._~+/9=="
    assert basic_credentials(with_authorization("bAsIc YTpi")) == [("a", "b")]


@pytest.mark.parametrize("value", ["Bearer", "Bearer ", "Bearer a b", "Bearer a,Bearer b", "Bearer ä", "Bearer a=b"])
def test_a_malformed_bearer_token_is_invalid(value: str) -> None:
    """RFC 6750 §3.1: "malformed" is among the reasons for invalid_token."""
    with pytest.raises(InvalidToken) as caught:
        bearer_token(with_authorization(value))
    assert caught.value.body() == {"error": "invalid_token", "error_description": "the access token is malformed"}


def as_json(body: bytes) -> HttpRequest:
    return post(body, content_type="application/json")


def test_a_json_body_is_an_object() -> None:
    assert json_object(as_json(b'{"a": [1, 2.5, null, "x"]}')) == {"a": [1, 2.5, None, "x"]}
    for body in (b"", b"[]", b"1", b'"x"', b"null", b"{", b"\xff", b'\xef\xbb\xbf{"a":1}', b"{} {}"):
        with pytest.raises(InvalidRequest):
            json_object(as_json(body))


def test_a_json_body_needs_its_content_type_and_no_query() -> None:
    for request in (post(b"{}"), post(b"{}", content_type=""), post(b"{}", content_type="text/json")):
        with pytest.raises(InvalidRequest, match="Content-Type must be application/json"):
            json_object(request)
    assert json_object(post(b"{}", content_type="application/json; charset=utf-8")) == {}
    with pytest.raises(InvalidRequest, match="in the URL"):
        json_object(post(b"{}", content_type="application/json", query="a=1"))


def test_a_json_refusal_says_why_without_quoting_the_body() -> None:
    with pytest.raises(InvalidRequest) as caught:
        json_object(as_json(json.dumps({"client_secret": "ZZ9SECRET"}).encode()[:-3]))
    assert caught.value.description == "the body can not be read: not JSON: line 1, column 19"
