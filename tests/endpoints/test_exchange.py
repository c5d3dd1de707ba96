"""Requests and answers as values, and the bounded reading of bodies (security.md 3.5, HP-05; decision 29)."""

from __future__ import annotations

import io
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any

import pytest
from gunicorn.http.errors import ChunkMissingTerminator, InvalidChunkExtension, InvalidChunkSize, NoMoreData

from authz.audit.event import Peer
from authz.endpoints.exchange import (
    BODY_LIMIT,
    LARGE_BODY_LIMIT,
    HttpAnswer,
    HttpRequest,
    client_address,
    from_environ,
    json_answer,
    local_path,
    read_body,
    to_flask,
)
from authz.errors import InvalidRequest, PayloadTooLarge

if TYPE_CHECKING:
    from wsgiref.types import WSGIEnvironment

PROXIES = (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))


class Body(io.BytesIO):
    """A request body that counts what is taken from it."""

    taken = 0

    def read(self, size: int | None = -1, /) -> bytes:
        part = super().read(size)
        self.taken += len(part)
        return part


class Broken(io.RawIOBase):
    """A body whose reading fails."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def read(self, _size: int = -1, /) -> bytes:
        raise self.error


def environ(path: str = "/token", **more: Any) -> WSGIEnvironment:
    return {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "REMOTE_ADDR": "192.0.2.7",
        "wsgi.input": Body(b""),
        **more,
    }


def stream(body: object, *, ends: bool = False) -> dict[str, Any]:
    """The WSGI server's stream; ``ends`` if it ends by itself, as a chunked body does."""
    return {"wsgi.input": body, "wsgi.input_terminated": ends}


def announced(length: int) -> WSGIEnvironment:
    return environ(CONTENT_LENGTH=str(length), **stream(Body(b"x" * length)))


def chunked(length: int) -> WSGIEnvironment:
    return environ(**stream(Body(b"x" * length), ends=True))


def test_a_request_is_a_plain_value() -> None:
    request = from_environ(
        environ(
            path="/auth/token",
            QUERY_STRING="a=1",
            CONTENT_LENGTH="3",
            CONTENT_TYPE="text/plain",
            HTTP_ORIGIN="https://app.example",
            HTTP_USER_AGENT="x" * 300,
            **stream(Body(b"abcdef")),
            **{"authz.request_id": "0123456789"},
        ),
        "/auth",
        (),
    )
    assert request == HttpRequest(
        method="POST",
        path="/token",
        query="a=1",
        headers={
            "origin": "https://app.example",
            "user-agent": "x" * 300,
            "content-type": "text/plain",
            "content-length": "3",
        },
        body=b"abc",
        peer=Peer("192.0.2.7", "x" * 256, "0123456789"),
        remote="192.0.2.7",
    )


@pytest.mark.parametrize(
    ("path", "local"),
    [("/auth/token", "/token"), ("/token", "/token"), ("/authorize", "/authorize"), ("//auth/token", "/token")],
)
def test_paths_are_below_the_issuers_path(path: str, local: str) -> None:
    """Decision 29: an issuer may have a path; ``/authorize`` is not below ``/auth``."""
    assert local_path(environ(path=path), "/auth") == local


@pytest.mark.parametrize("make", [announced, chunked])
@pytest.mark.parametrize("length", [0, 1, BODY_LIMIT - 1, BODY_LIMIT])
def test_a_body_up_to_the_bound_is_read(make: Any, length: int) -> None:
    """security.md 3.5: 64 KB, announced or chunked."""
    assert from_environ(make(length), "", ()).body == b"x" * length


@pytest.mark.parametrize("make", [announced, chunked])
@pytest.mark.parametrize("length", [BODY_LIMIT + 1, BODY_LIMIT * 10])
def test_a_larger_body_is_refused_and_not_read_to_its_end(make: Any, length: int) -> None:
    """security.md 3.5, 0.10: above 64 KB 413; what is kept is bounded."""
    made = make(length)
    with pytest.raises(PayloadTooLarge) as caught:
        from_environ(made, "", ())
    assert (caught.value.status, caught.value.description) == (413, "the body must not be larger than 65536 bytes")
    assert made["wsgi.input"].taken <= BODY_LIMIT + 1


@pytest.mark.parametrize("make", [announced, chunked])
def test_a_launch_may_be_larger(make: Any) -> None:
    """security.md 3.5: 256 KB for the launch context."""
    made = make(LARGE_BODY_LIMIT) | {"PATH_INFO": "/launch"}
    assert len(from_environ(made, "", ()).body) == LARGE_BODY_LIMIT
    with pytest.raises(PayloadTooLarge, match="262144"):
        from_environ(make(LARGE_BODY_LIMIT + 1) | {"PATH_INFO": "/launch"}, "", ())


@pytest.mark.parametrize("length", ["-1", "+5", "1_0", "0x10", "9" * 30, "٣", "1.0", " 5 x"])
def test_a_strange_content_length_is_refused(length: str) -> None:
    """security.md HP-05."""
    with pytest.raises(InvalidRequest):
        read_body(environ(CONTENT_LENGTH=length), BODY_LIMIT)


@pytest.mark.parametrize(
    "error",
    [
        InvalidChunkSize(b"zz"),
        InvalidChunkExtension("x"),
        ChunkMissingTerminator(b"xx"),
        NoMoreData(b""),
        ConnectionResetError(),
        TimeoutError(),
    ],
)
def test_a_body_that_breaks_off_is_a_bad_request(error: Exception) -> None:
    """security.md 0.10, HP-05: a broken chunk is 400, never 500."""
    with pytest.raises(InvalidRequest, match="could not be read"):
        read_body(environ(**stream(Broken(error), ends=True)), BODY_LIMIT)


def test_a_body_shorter_than_announced_is_a_bad_request() -> None:
    with pytest.raises(InvalidRequest, match="shorter than announced"):
        read_body(environ(CONTENT_LENGTH="5", **stream(Body(b"abc"))), BODY_LIMIT)


def test_the_body_of_a_get_is_not_looked_at() -> None:
    request = from_environ(announced(BODY_LIMIT * 2) | {"REQUEST_METHOD": "GET"}, "", ())
    assert request.body == b""


def test_an_unannounced_body_of_a_server_that_can_not_end_it_is_not_read() -> None:
    assert read_body(environ(**stream(Body(b"abc"))), BODY_LIMIT) == b""


@pytest.mark.parametrize(
    ("remote", "forwarded", "address"),
    [
        ("192.0.2.7", "", "192.0.2.7"),
        ("192.0.2.7", "198.51.100.1", "192.0.2.7"),  # not a trusted proxy: not believed
        ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "203.0.113.9, 198.51.100.1", "198.51.100.1"),  # what the client itself wrote stays outside
        ("10.0.0.1", "203.0.113.9, 198.51.100.1, 10.2.3.4", "198.51.100.1"),
        ("10.0.0.1", "10.9.9.9", "10.9.9.9"),
        ("10.0.0.1", "not an address", "10.0.0.1"),
        ("10.0.0.1", "198.51.100.1, <script>", "10.0.0.1"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("::ffff:10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("fd00::1", "2001:db8::5", "2001:db8::5"),
        ("", "198.51.100.1", None),
        ("unix:", "198.51.100.1", None),
    ],
)
def test_the_clients_address_is_the_rightmost_that_is_not_a_trusted_proxys(
    remote: str, forwarded: str, address: str | None
) -> None:
    """Decision 29; security.md RL-03: a spoofed X-Forwarded-For changes nothing."""
    assert client_address(remote, forwarded, PROXIES) == address


def test_json_is_compact_utf_8_and_not_stored() -> None:
    """RFC 6749 §5.1."""
    assert json_answer({"name": "Ärztin", "n": 1}, 201, {"Location": "/x"}) == HttpAnswer(
        201,
        {
            "Content-Type": "application/json",
            "Cache-Control": "no-store",
            "Pragma": "no-cache",
            "Location": "/x",
        },
        '{"name":"Ärztin","n":1}'.encode(),
    )


def test_an_answer_becomes_the_same_response() -> None:
    response = to_flask(HttpAnswer(204, {"X-A": "1"}, b""))
    assert (response.status_code, response.headers["X-A"], response.data) == (204, "1", b"")
