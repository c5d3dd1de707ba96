"""When all of a request is there (security.md HP-14)."""

from __future__ import annotations

import socket
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authz.incoming import MOST, Arrived, Come, Incoming

if TYPE_CHECKING:
    from collections.abc import Iterator

HEAD = b"POST /token HTTP/1.1\r\nHost: x\r\n"
FIELDS = st.lists(
    st.sampled_from([b"X-A: 1\r\n", b"Cookie: a=b\r\n", b"X-Content-Length: 9\r\n", b"Transfer-Encoding-X: 1\r\n"]),
    max_size=3,
)
BODIES = st.binary(max_size=60)


def with_length(body: bytes, zeros: bytes = b"") -> bytes:
    return b"Content-Length: %s%d\r\n\r\n" % (zeros, len(body)) + body


def in_chunks(parts: list[bytes], trailer: bytes = b"") -> bytes:
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts if part)
    return b"Transfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n" + trailer + b"\r\n"


REQUESTS = st.builds(
    lambda begin, fields, rest: begin + HEAD + b"".join(fields) + rest,
    st.sampled_from([b"", b"\r\n"]),
    FIELDS,
    st.one_of(
        st.builds(with_length, BODIES, st.sampled_from([b"", b"0000000000"])),
        st.builds(in_chunks, st.lists(BODIES, max_size=4), st.sampled_from([b"", b"X-T: 1\r\n"])),
        st.just(b"\r\n"),
    ),
)


@contextmanager
def connection() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, peer = socket.socketpair()
    ours.setblocking(False)
    with closing(ours), closing(peer):
        yield ours, peer


@given(REQUESTS, st.lists(st.integers(1, 20), min_size=1, max_size=8))
def test_a_request_is_all_there_with_its_last_byte_and_not_before(request: bytes, steps: list[int]) -> None:
    """However it is cut into packets; what has come is kept as it came."""
    with connection() as (ours, peer):
        incoming, sent = Incoming(), 0
        while sent < len(request):
            step = steps[sent % len(steps)]
            peer.sendall(request[sent : sent + step])
            sent = min(sent + step, len(request))
            assert incoming.take(ours) is (Come.ALL if sent == len(request) else Come.PART)
        assert bytes(incoming.data) == request


@given(REQUESTS, REQUESTS)
def test_what_comes_in_one_packet_is_told_apart_by_the_parser(first: bytes, second: bytes) -> None:
    """HP-18: the rest of a packet begins the next request."""
    with connection() as (ours, peer):
        peer.sendall(first + second)
        assert Incoming().take(ours) is Come.ALL
        assert Incoming(second).take(ours) is Come.ALL


BROKEN = [
    b"GET / HTTP/1.1\nHost: x\n\n",
    b"\r\n\r\n",  # one empty line may come before a request (RFC 9112 §2.2)
    b"GET /\r\n\r\n",
    HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    HEAD + b"Transfer-Encoding: chunked\r\n\r\n3\na=b\n0\n\n",
    HEAD + b"Transfer-Encoding: chunked\r\n\r\n3\r\na=bXX",
    HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"0" * 8_200,
    HEAD + b"Transfer-Encoding: chunked\r\n\r\n3;" + b"x" * 8_200 + b"\r\n",
    HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\n" + b"X-T: 1\r\n" * 1_100,
    HEAD + b"Transfer-Encoding: x\r\n\r\n-1\r\n",
    HEAD + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\n",
    HEAD + b"Content-Length: +3\r\n\r\n",
]


@pytest.mark.parametrize("message", BROKEN)
def test_what_can_not_become_a_request_is_refused_without_waiting(message: bytes) -> None:
    """HP-05, HP-06: the parser has the last word, now."""
    with connection() as (ours, peer):
        peer.sendall(message)
        assert Incoming().take(ours) is Come.ALL


def test_what_is_not_waited_for_is_told_at_once() -> None:
    with connection() as (ours, peer):
        peer.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % MOST)
        assert Incoming().take(ours) is Come.TOO_MUCH


EXPECTING = HEAD + b"Content-Length: 3\r\nExpect: 100-Continue\r\n\r\n"


def test_who_waits_to_be_asked_for_the_body_is_asked_once_and_waited_for_as_any_other() -> None:
    """RFC 9110 §10.1.1, HP-14: no thread waits for it."""
    with connection() as (ours, peer):
        incoming = Incoming()
        for part, come in ((EXPECTING, Come.PART), (b"a", Come.PART), (b"=b", Come.ALL)):
            peer.sendall(part)
            assert incoming.take(ours) is come
        assert peer.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        assert incoming.was_asked
        assert bytes(incoming.data) == EXPECTING + b"a=b"


@pytest.mark.parametrize(
    ("message", "come"),
    [
        (EXPECTING + b"a=b", Come.ALL),
        (EXPECTING.replace(b"HTTP/1.1", b"HTTP/1.0"), Come.PART),
        (EXPECTING.replace(b"-Continue", b"-continue, more"), Come.ALL),
        (EXPECTING.replace(b"Expect", b"X-Expect"), Come.PART),
        (EXPECTING.replace(b": 3", b": %d" % MOST), Come.TOO_MUCH),
    ],
    ids=["all there", "HTTP/1.0", "another expectation", "another field", "too large"],
)
def test_nobody_else_is_asked(message: bytes, come: Come) -> None:
    """RFC 9110 §10.1.1; whoever expects what nobody can meet hears so at once."""
    with connection() as (ours, peer):
        peer.sendall(message)
        incoming = Incoming()
        assert incoming.take(ours) is come
        assert not incoming.was_asked
        peer.setblocking(False)
        with pytest.raises(BlockingIOError):
            peer.recv(1)


def test_who_takes_no_answers_is_not_asked() -> None:
    with connection() as (ours, peer):
        peer.sendall(EXPECTING)
        with suppress(BlockingIOError):
            while True:
                ours.send(bytes(65536))
        assert Incoming().take(ours) is Come.NOTHING


def test_no_more_than_so_much_of_a_head_is_kept() -> None:
    """HP-11."""
    incoming = Incoming()
    with connection() as (ours, peer):
        come = Come.PART
        while come is Come.PART:
            peer.sendall(b"x" * 8_192)
            come = incoming.take(ours)
        assert come is Come.TOO_MUCH
        assert len(incoming.data) <= MOST + 8_192


@pytest.mark.parametrize(("begun", "come"), [(b"", Come.NOTHING), (b"GET / HT", Come.ALL)])
def test_a_peer_that_goes_is_not_waited_for(begun: bytes, come: Come) -> None:
    with connection() as (ours, peer):
        peer.sendall(begun)
        incoming = Incoming()
        incoming.take(ours)
        peer.close()
        assert incoming.take(ours) is come


def test_of_a_request_that_is_all_there_the_parser_gets_no_more() -> None:
    """HP-14: whatever end the parser looks for, it waits for nobody, and what comes then is not read."""
    with connection() as (ours, peer):
        peer.sendall(b"next")
        arrived = Arrived(ours)
        arrived.unread(b"begun")
        arrived.is_all = True
        assert arrived.read(9) == b"begun"
        assert arrived.ran_dry is True
        arrived.is_all = False
        assert arrived.read(4) == b"next"
