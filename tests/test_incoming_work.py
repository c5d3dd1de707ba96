"""What a stranger's bytes cost the loop that all connections share (security.md HP-14, HP-19, RL-07).

Counted in bytes, for times depend on the machine.
"""

from __future__ import annotations

import socket
from contextlib import closing, suppress
from typing import TYPE_CHECKING

import pytest

from authz import incoming
from authz.incoming import AT_ONCE, Come, Incoming

if TYPE_CHECKING:
    import re

GET = b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-A: " + b"a" * 1_000 + b"\r\n\r\n"
CHUNKED = b"POST /token HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


class Counting:
    """A pattern, and the bytes that were searched for it."""

    def __init__(self, pattern: re.Pattern[bytes]) -> None:
        self.pattern = pattern
        self.searched = 0

    def search(self, data: bytearray, begin: int) -> re.Match[bytes] | None:
        found = self.pattern.search(data, begin)
        self.searched += (found.end() if found else len(data)) - begin
        return found


def test_of_a_connection_no_more_is_read_while_a_request_that_has_come_is_not_answered() -> None:
    """HP-14, HP-18, RL-07: whoever sends requests without a pause has as much kept as anybody, and all are answered."""
    ours, peer = socket.socketpair()
    ours.setblocking(False)
    peer.setblocking(False)
    sent = answered = 0
    kept, begun = [], b""
    with closing(ours), closing(peer):
        while answered < 300:
            with suppress(BlockingIOError):
                sent += peer.send((GET * 100)[sent % len(GET) :])
            came = Incoming(begun)
            assert came.take(ours) is Come.ALL
            answered += 1
            kept.append(len(came.data))
            begun = bytes(came.data).removeprefix(GET)
    assert AT_ONCE < max(kept) < AT_ONCE + len(GET)


def test_what_has_come_already_is_told_without_a_look_at_the_connection() -> None:
    """HP-18, HP-19: also when the peer has gone."""
    ours, peer = socket.socketpair()
    ours.close()
    peer.close()
    came = Incoming(GET + GET)
    assert came.take(ours) is Come.ALL
    assert bytes(came.data) == GET + GET


@pytest.mark.parametrize(
    "request_",
    [
        b"GET /healthz HTTP/1.1\r\n" + b"X: 1\r\n" * 1_000 + b"\r\n",
        CHUNKED + b"0\r\n" + b"X: 1\r\n" * 1_000 + b"\r\n",
        CHUNKED + b"3\r\na=b\r\n0\r\n" + b"X: 1\r\n" * 1_000 + b"\r\n",
    ],
    ids=["head", "trailers", "trailers after a chunk"],
)
def test_each_byte_is_searched_a_few_times_however_slowly_it_comes(
    request_: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """HP-05, HP-14, RL-07: the end of a head, and of trailers, costs what its bytes are, not their square."""
    counting = Counting(incoming.END_OF_HEAD)
    monkeypatch.setattr(incoming, "END_OF_HEAD", counting)
    ours, peer = socket.socketpair()
    ours.setblocking(False)
    came = Incoming()
    with closing(ours), closing(peer):
        for byte in request_[:-1]:
            peer.send(bytes([byte]))
            assert came.take(ours) is Come.PART
        peer.send(request_[-1:])
        assert came.take(ours) is Come.ALL
    assert counting.searched < 8 * len(request_)
