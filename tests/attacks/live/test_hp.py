"""HP: messages that are no good HTTP, over raw sockets (security.md 2.13); more are in ``tests/test_server.py``."""

from __future__ import annotations

import json
import socket
import struct
import time
from contextlib import closing, suppress
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pytest

from tests.attacks.live.wire import children
from tests.test_server import statuses

if TYPE_CHECKING:
    from tests.attacks.live.target import Target

FORM = b"Content-Type: application/x-www-form-urlencoded\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
GOOD = b"3\r\na=b\r\n0\r\n\r\n"
REFUSED = ([b"400"], [b"501"])


def say(target: Target, message: bytes, *, then_close: bool = True) -> bytes:
    """Send bytes on a new connection; all that comes back until the server closes it."""
    port = target.wire.port
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        answer = b""
        with suppress(OSError):  # the server may have had enough before everything is sent
            connection.sendall(message)
            if then_close:
                connection.shutdown(socket.SHUT_WR)
        with suppress(ConnectionResetError):  # what it said before is read
            while part := connection.recv(65536):
                answer += part
    return answer


def post(*headers: bytes, body: bytes = b"", path: bytes = b"/token") -> bytes:
    return b"POST " + path + b" HTTP/1.1\r\nHost: x\r\n" + FORM + b"".join(headers) + b"\r\n" + body


def get(line: bytes, *headers: bytes) -> bytes:
    return b"GET " + line + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + b"".join(headers) + b"\r\n"


MESSAGES = {
    "HP-01 a length and chunks": [
        post(b"Content-Length: 3\r\n", CHUNKED, body=GOOD),
        post(CHUNKED, b"Content-Length: 13\r\n", body=GOOD),
        post(b"Content-Length: 3\r\n", b"Content-Length: 4\r\n", body=b"a=b"),
        post(b"Content-Length: 3, 3\r\n", body=b"a=b"),
        post(b"Content-Length: +3\r\n", body=b"a=b"),
        post(b"Content-Length: 0x3\r\n", body=b"a=b"),
        post(b"Content-Length: -1\r\n", body=b"a=b"),
        post(b"Content-Length: 3 \x0b\r\n", body=b"a=b"),
    ],
    "HP-02 codings that nobody knows": [
        post(b"Transfer-Encoding: xchunked\r\n", b"Content-Length: 3\r\n", body=b"a=b"),
        post(b"Transfer-Encoding: xchunked\r\n", body=GOOD),
        post(b"Transfer-Encoding: chunked, identity\r\n", body=GOOD),
        post(CHUNKED, b"Transfer-Encoding: x\r\n", body=GOOD),
        post(b"Transfer-Encoding: chunked\x0b\r\n", body=GOOD),
        post(b"Transfer-Encoding: \x00chunked\r\n", body=GOOD),
        post(b"Transfer-Encoding: gzip, chunked\r\n", body=GOOD),
    ],
    "HP-03 a list of codings": [
        post(b"Transfer-Encoding: identity, chunked\r\n", body=GOOD),
        post(b"Transfer-Encoding: chunked, chunked\r\n", body=GOOD),
        post(CHUNKED, CHUNKED, body=GOOD),
        post(b"Transfer-Encoding: identity\r\n", body=b"a=b"),
    ],
    "HP-05 chunks that are none": [
        post(CHUNKED, body=b"3\na=b\n0\n\n"),
        post(CHUNKED, body=b"3;x\na=b\r\n0\r\n\r\n"),
        post(CHUNKED, body=b"FFFFFFFFFFFFFFFF\r\na=b"),
        post(CHUNKED, body=b"-3\r\na=b\r\n0\r\n\r\n"),
        post(CHUNKED, body=b"0x3\r\na=b\r\n0\r\n\r\n"),
        post(CHUNKED, body=b" 3\r\na=b\r\n0\r\n\r\n"),
        post(CHUNKED, body=b"3\r\na=bXX0\r\n\r\n"),
        post(CHUNKED, body=b"3_0\r\na=b\r\n0\r\n\r\n"),
        post(CHUNKED, body=b"3\r\na=b\r\n"),
    ],
    "HP-06 lines that are none": [
        post(b"X-A: 1\r\n", b" folded\r\n"),
        post(b"X-A : 1\r\n"),
        post(b"X-A: a\0b\r\n"),
        post(b"X-A: a\rb\r\n"),
        post(b"X-A\r\n"),
        post(b": nothing\r\n"),
        post(b"X\xe9: a\r\n"),
        b"get /jwks HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /jwks\r\n\r\n",
        b"GET  /jwks HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /jw ks HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /jwks HTTP/1.1 \r\nHost: x\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a TLS hello to the plain port\r\n\r\n",
        b"GET /jwks HTTP/1.1\r\nHost: a\0b\r\n\r\n",
    ],
}


@pytest.mark.parametrize("messages", MESSAGES.values(), ids=MESSAGES)
def test_a_message_that_two_servers_read_differently_is_refused(target: Target, messages: list[bytes]) -> None:
    """One answer, and the connection is closed: what was meant to follow unseen is never read as a request."""
    for message in messages:
        smuggled = message + get(b"/healthz")
        for sent in (message, smuggled):
            assert statuses(say(target, sent)) in REFUSED, sent


@pytest.mark.parametrize(
    "version", [b"HTTP/1.9", b"HTTP/3.0", b"HTTP/0.9", b"HTTP/11.1", b"HTTP/1.01", b"http/1.1", b"HTTQ/1.1"]
)
def test_only_http_1_is_spoken(target: Target, version: bytes) -> None:
    """HP-07."""
    assert statuses(say(target, b"GET /jwks " + version + b"\r\nHost: x\r\n\r\n")) in ([b"400"], [b"505"])


def test_an_address_may_be_as_long_as_the_bound_and_no_longer(target: Target) -> None:
    """HP-10, security.md 3.5: a request line of 8 190 bytes; a whole authorization request of that size works."""
    whole = urlencode(target.pub.authorization_request(scope="launch/patient openid"))
    for size, status in ((4_095, b"200"), (8_189, b"200"), (8_190, b"200"), (8_191, b"414"), (81_900, b"414")):
        line = f"GET /authorize?{whole}&padding="
        line += "x" * (size - len(line) - len(" HTTP/1.1")) + " HTTP/1.1\r\n"
        assert len(line) - 2 == size
        answer = say(target, line.encode() + b"Host: x\r\nConnection: close\r\n\r\n")
        assert statuses(answer) == [status], size


@pytest.mark.parametrize(("count", "status"), [(96, b"200"), (97, b"200"), (98, b"431"), (970, b"431")])
def test_a_hundred_header_fields_are_read(target: Target, count: int, status: bytes) -> None:
    """HP-11, security.md 3.5: with Host, Connection and one of our own, 100 in all."""
    fields = b"".join(b"X-%d: a\r\n" % number for number in range(count))
    assert statuses(say(target, get(b"/healthz", b"X-Own: a\r\n", fields))) == [status]


@pytest.mark.parametrize(
    ("size", "status"), [(8_189, b"200"), (8_190, b"200"), (8_191, b"431"), (81_900, b"431"), (1_000_000, b"431")]
)
def test_a_header_field_is_bounded(target: Target, size: int, status: bytes) -> None:
    """HP-11, security.md 3.5."""
    field = b"X-A: " + b"x" * (size - len(b"X-A: "))
    assert statuses(say(target, get(b"/healthz", field + b"\r\n"))) == [status]


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ([], b"&".join(b"a=1" for _ in range(16_000)), b"400"),
        ([], b"&".join(b"a=1" for _ in range(100_000)), b"413"),
        ([CHUNKED], b"1\r\na\r\n" * 100_000 + b"0\r\n\r\n", b"413"),
        ([CHUNKED], b"1\r\na\r\n" * 5_000 + b"0\r\n" + b"X-T: a\r\n" * 20_000 + b"\r\n", b"400"),
    ],
    ids=["HP-13 16000 parameters", "HP-13 100000 parameters", "HP-05 endless chunks", "HP-05 endless trailers"],
)
def test_what_is_counted_is_counted_early(target: Target, headers: list[bytes], body: bytes, status: bytes) -> None:
    length = [] if headers else [b"Content-Length: %d\r\n" % len(body)]
    assert statuses(say(target, post(*headers, *length, body=body))) == [status]


def test_a_thousand_parts_are_no_form(target: Target) -> None:
    """HP-13: forms of several parts are read by no endpoint."""
    part = b"--b\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n"
    body = part * 1_001 + b"--b--\r\n"
    head = b"POST /token HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\nConnection: close\r\n"
    answer = say(target, head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
    assert statuses(answer) in ([b"400"], [b"413"])


DECODED = {
    "a=%ff%fe": 400,
    "state=%zz": 400,
    "state=%": 400,
    "state=a%00b": 400,
    "state=%C3": 400,
    "state=%ED%A0%80": 400,
    "state=%0d%0aLocation:%20https://evil.example": 400,
}


@pytest.mark.parametrize("query", DECODED)
def test_what_can_not_be_decoded_is_refused(target: Target, query: str) -> None:
    """HP-17: strictly, once."""
    assert target.send("GET", f"/authorize?client_id=public&{query}").status == DECODED[query]


def test_a_plus_is_a_space_and_a_semicolon_is_data(target: Target) -> None:
    """HP-17: the state comes back as it was meant, and what was decoded once is not decoded again."""
    request = target.pub.authorization_request(scope="bogus", state=None, response_type="token")
    for sent, meant in (("a+b", "a b"), ("a%20b", "a b"), ("a;b=2", "a;b=2"), ("%2541", "%41"), ("a%2Bb", "a+b")):
        reply = target.send("GET", f"/authorize?{urlencode(request)}&state={sent}")
        assert reply.location_parameters["state"] == meant


def test_requests_in_one_packet_have_answers_of_their_own(target: Target) -> None:
    """HP-18: in order; nothing of one is in another."""
    first = post(b"Content-Length: 11\r\n", body=b"token=ZZ9XY", path=b"/introspect")
    second = b"GET /.well-known/openid-configuration HTTP/1.1\r\nHost: x\r\n\r\n"
    answer = say(target, first + second + first + get(b"/healthz"))
    assert statuses(answer) == [b"401", b"200", b"401", b"200"]
    documents = answer.split(b"HTTP/1.1 ")[1:]
    assert json.loads(documents[1].partition(b"\r\n\r\n")[2])["issuer"] == target.issuer
    assert all(b"ZZ9XY" not in document for document in documents)


def test_slow_peers_are_cut_off_and_the_others_are_served(target: Target) -> None:
    """HP-14: a few dozen that begin a request and never end it; whoever asks meanwhile is answered."""
    beginnings = [
        b"GET /heal",
        post()[:-2],
        post(b"Content-Length: 9000\r\n", body=b"a="),
        post(CHUNKED, body=b"fff\r\na"),
    ]
    with closing(Crowd(target.wire.port, beginnings * 10)) as crowd:
        for _ in range(5):
            crowd.dribble()
            assert crowd.left() == 40, "more than there are threads"
            assert statuses(say(target, get(b"/healthz"))) == [b"200"]
        crowd.wait_until_gone()


def test_those_who_wait_to_be_asked_for_their_body_keep_nobody_waiting(target: Target) -> None:
    """HP-14, RFC 9110 §10.1.1: neither others nor each other; the server asks without a thread."""
    asking = post(b"Content-Length: 9000\r\n", b"Expect: 100-continue\r\n")
    honest = post(b"Content-Length: 3\r\n", b"Expect: 100-continue\r\n")
    with closing(Crowd(target.wire.port, [asking] * 32)) as crowd:
        for _ in range(5):
            crowd.dribble()
            assert statuses(say(target, get(b"/healthz"))) == [b"200"]
            with socket.create_connection(("127.0.0.1", target.wire.port), timeout=10) as connection:
                connection.sendall(honest)
                assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
                connection.sendall(b"a=b")
                assert statuses(connection.recv(65536)) == [b"400"]


def test_a_length_that_is_written_oddly_keeps_no_thread_waiting(target: Target) -> None:
    """HP-14: two parsers read a head, and what only one of them understands is no way around the other."""
    padded = post(b"Content-Length: 0000000100\r\n", body=b"a=b")
    unlike = post(b"Transfer-Encoding-X: 1\r\n", b"Content-Length: 100\r\n", body=b"zz\r\n")
    endless = post(b"Content-Length: " + b"0" * 30 + b"100\r\n", body=b"a=b")
    with closing(Crowd(target.wire.port, [padded, unlike, endless] * 14)) as crowd:
        for _ in range(5):
            crowd.dribble()
            assert statuses(say(target, get(b"/healthz"))) == [b"200"]


class Crowd:
    """Connections that send a byte now and then."""

    def __init__(self, port: int, beginnings: list[bytes]) -> None:
        self.connections = [socket.create_connection(("127.0.0.1", port)) for _ in beginnings]
        for connection, beginning in zip(self.connections, beginnings, strict=True):
            connection.sendall(beginning)
            connection.setblocking(False)

    def dribble(self) -> None:
        for connection in self.connections:
            with suppress(OSError):
                connection.sendall(b"a")
        time.sleep(0.3)

    def left(self) -> int:
        """How many the server still listens to."""
        count = 0
        for connection in self.connections:
            try:
                while connection.recv(65536):
                    pass
            except BlockingIOError:
                count += 1
            except OSError:
                continue
        return count

    def wait_until_gone(self) -> None:
        deadline = time.monotonic() + 90
        while self.left():
            assert time.monotonic() < deadline, "the server still listens to them"
            self.dribble()

    def close(self) -> None:
        for connection in self.connections:
            connection.close()


def test_resets_in_the_midst_of_everything_leave_nothing(target: Target) -> None:
    """HP-19: no error in the log, no worker lost; a code whose answer was cut off is not half redeemed."""
    workers = children(target.process.pid)
    messages = [
        b"GET /jw",
        get(b"/jwks"),
        post(b"Content-Length: 5000\r\n", body=b"a" * 3_000),
        post(CHUNKED, body=b"fff\r\nx"),
    ]
    for number in range(300):
        with socket.create_connection(("127.0.0.1", target.wire.port)) as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # close = reset
            connection.sendall(messages[number % len(messages)])
    assert statuses(say(target, get(b"/readyz"))) == [b"200"]
    assert children(target.process.pid) == workers


@pytest.mark.parametrize(
    "host",
    [b"", b"Host: evil.example\r\n", b"Host: a/evil\r\n", b"Host: evil@x\r\n", b"Host: x\r\nHost: evil.example\r\n"],
)
def test_no_host_is_believed(target: Target, host: bytes) -> None:
    """HP-09: every address that we publish is of the settings, also for an absolute request."""
    for line in (b"/.well-known/openid-configuration", b"http://evil.example/.well-known/openid-configuration"):
        answer = say(target, b"GET " + line + b" HTTP/1.1\r\n" + host + b"Connection: close\r\n\r\n")
        assert statuses(answer) in ([b"200"], [b"400"])
        assert b"evil" not in answer
