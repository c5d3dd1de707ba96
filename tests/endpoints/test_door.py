"""The outermost middleware (security.md 4.2, HP-03, HP-07)."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any
from wsgiref.util import setup_testing_defaults

import pytest

from authz.endpoints.door import CURRENT_REQUEST, Door
from authz.endpoints.exchange import REQUEST_ID

if TYPE_CHECKING:
    from collections.abc import Iterable
    from wsgiref.types import StartResponse, WSGIEnvironment


class Inside:
    """The wrapped app: remembers what it was called with."""

    def __init__(self) -> None:
        self.calls: list[WSGIEnvironment] = []
        self.ids: list[str] = []

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        self.calls.append(environ)
        self.ids.append(CURRENT_REQUEST.get())
        start_response("200 OK", [("X-Inside", "1")])
        return [b"inside"]


def call(inside: Inside, **environ: Any) -> tuple[str, dict[str, str], bytes]:
    setup_testing_defaults(environ)
    answered: list[tuple[str, dict[str, str]]] = []

    def start(status: str, headers: list[tuple[str, str]], _exc_info: object = None, /) -> Any:
        answered.append((status, dict(headers)))

    body = b"".join(Door(inside)(environ, start))
    return (*answered[-1], body)


def line(caplog: pytest.LogCaptureFixture) -> dict[str, Any]:
    (record,) = [record for record in caplog.records if record.name == "authz.request"]
    found: dict[str, Any] = dict(record.__dict__["fields"])
    assert found.pop("milliseconds") >= 0
    return found


@pytest.mark.parametrize("given", ["abcdef12", "A-1" * 20, "0" * 64])
def test_a_request_id_is_accepted(given: str) -> None:
    inside = Inside()
    _, headers, _ = call(inside, HTTP_X_REQUEST_ID=given)
    assert headers["X-Request-Id"] == given
    assert inside.ids == [given]
    assert inside.calls[0][REQUEST_ID] == given


@pytest.mark.parametrize("given", ["", "short", "0" * 65, "abcdef12\r\nX: 1", "abcdef 123", "ä" * 10, "abcdef12\n"])
def test_another_request_id_is_replaced(given: str) -> None:
    """security.md AU-7: what is written to every line is not the client's to choose."""
    inside = Inside()
    _, headers, _ = call(inside, HTTP_X_REQUEST_ID=given)
    assert headers["X-Request-Id"] == inside.ids[0] != given
    assert len(inside.ids[0]) == 32


def test_the_request_id_ends_with_the_request() -> None:
    call(Inside(), HTTP_X_REQUEST_ID="abcdef12")
    assert CURRENT_REQUEST.get() == ""


def test_the_log_has_the_path_and_the_names_of_the_parameters_and_no_value(caplog: pytest.LogCaptureFixture) -> None:
    """security.md 4.2."""
    caplog.set_level(logging.INFO)
    query = "launch=ZZ9SECRET&state=ZZ9SECRET&code_challenge&ZZ9SECRET9=1&=ZZ9SECRET&a%20b=1&aud=x"
    call(
        Inside(),
        PATH_INFO="/authorize",
        QUERY_STRING=query,
        HTTP_REFERER="https://x/?ZZ9SECRET",
        HTTP_AUTHORIZATION="Bearer ZZ9SECRET",
        HTTP_COOKIE="a=ZZ9SECRET",
    )
    assert line(caplog) == {
        "method": "GET",
        "path": "/authorize",
        "parameters": ["launch", "state", "code_challenge", "aud"],
        "status": 200,
    }
    assert "ZZ9SECRET" not in caplog.text


def test_a_launch_or_token_in_the_place_of_an_id_is_not_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """security.md 4.2, LA-09: an EHR that takes the one for the other has not told it to whoever reads logs."""
    caplog.set_level(logging.INFO)
    call(Inside(), PATH_INFO=f"/launch/{'ZZ9SECRET-' * 4}abc/x")
    assert line(caplog)["path"] == "/launch/[redacted]/x"
    assert "ZZ9SECRET" not in caplog.text


def test_what_a_proxy_asks_about_is_not_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """security.md 4.2: Envoy puts the path of the record behind the address that it asks."""
    caplog.set_level(logging.INFO)
    call(Inside(), PATH_INFO="/auth/forward-auth/main/r4/Patient/ZZ9")
    assert line(caplog)["path"] == "/auth/forward-auth/main/[redacted]"
    assert "ZZ9" not in caplog.text


def test_what_is_logged_of_a_request_is_bounded(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    call(Inside(), PATH_INFO="/x" * 4_500, QUERY_STRING="&".join(f"{'n' * (i % 30 + 1)}=1" for i in range(5_000)))
    found = line(caplog)
    assert len(found["path"]) == 200
    assert len(found["parameters"]) == 30


def test_a_request_that_ends_in_an_exception_is_logged_as_500(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)

    def broken(_environ: WSGIEnvironment, _start: StartResponse) -> Iterable[bytes]:
        raise RuntimeError

    environ: WSGIEnvironment = {}
    setup_testing_defaults(environ)
    with pytest.raises(RuntimeError):
        Door(broken)(environ, lambda *_: lambda _: None)
    assert line(caplog)["status"] == 500


@pytest.mark.parametrize(
    ("environ", "status"),
    [
        ({"HTTP_TRANSFER_ENCODING": "identity, chunked"}, "400 Bad Request"),
        ({"HTTP_TRANSFER_ENCODING": "gzip"}, "400 Bad Request"),
        ({"HTTP_TRANSFER_ENCODING": "chunked, chunked"}, "400 Bad Request"),
        ({"HTTP_TRANSFER_ENCODING": ""}, "400 Bad Request"),
        ({"HTTP_TRANSFER_ENCODING": "chunked", "CONTENT_LENGTH": "3"}, "400 Bad Request"),
        ({"SERVER_PROTOCOL": "HTTP/1.9"}, "505 HTTP Version Not Supported"),
        ({"SERVER_PROTOCOL": "HTTP/0.9"}, "505 HTTP Version Not Supported"),
    ],
)
def test_a_message_that_others_may_read_differently_goes_no_further(environ: dict[str, str], status: str) -> None:
    """security.md HP-01..03, HP-07."""
    inside = Inside()
    answered, headers, body = call(inside, **environ)
    assert answered == status
    assert body == b'{"error":"invalid_request","error_description":"this is not a message of HTTP/1.1"}'
    assert headers["Content-Type"] == "application/json"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert inside.calls == []


@pytest.mark.parametrize(
    "environ",
    [
        {"HTTP_TRANSFER_ENCODING": "chunked"},
        {"HTTP_TRANSFER_ENCODING": " Chunked "},
        {"SERVER_PROTOCOL": "HTTP/1.1"},
        {"SERVER_PROTOCOL": "HTTP/1.0"},
        {"SERVER_PROTOCOL": "HTTP/2"},
    ],
)
def test_other_messages_go_on(environ: dict[str, str]) -> None:
    assert call(Inside(), **environ)[2] == b"inside"
