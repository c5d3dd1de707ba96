"""The load client of the benchmarks: an answer that is wrong never counts as speed (issue 9, item 1)."""

from __future__ import annotations

import socket
from threading import Thread
from typing import TYPE_CHECKING

import pytest

from benchmarks.lanes import Lane, Question, load

if TYPE_CHECKING:
    from collections.abc import Generator

GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n" + b'{"active":true}'


def answering(answer: bytes) -> int:
    """A server on a port of its own that says the same to every request of its one connection."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with listener, listener.accept()[0] as connection:
            while connection.recv(65_536):
                connection.sendall(answer[:30])
                connection.sendall(answer[30:])

    Thread(target=serve, daemon=True).start()
    port: int = listener.getsockname()[1]
    return port


def asking(heard: list[bytes]) -> Generator[Question, bytes, None]:
    while True:
        heard.append((yield Question(b"GET / HTTP/1.1\r\n\r\n", b'"active":true')))


def test_every_answer_is_counted_and_told_to_what_asks_next() -> None:
    heard: list[bytes] = []
    outcome = load(answering(GOOD), [Lane(asking(heard))], 0.05)
    assert heard == [b'{"active":true}'] * len(outcome.latencies)
    assert heard


@pytest.mark.parametrize(
    "answer",
    [
        GOOD.replace(b"200 OK", b"503 No"),
        GOOD.replace(b"true}", b"fals}"),
        GOOD.replace(b"Content-Length: 15", b"Content-Type: a/b"),
        b"",
    ],
    ids=["another status", "another body", "no length", "silence"],
)
def test_a_wrong_answer_ends_the_run(answer: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.lanes.ANSWER_SECONDS", 0.5)
    heard: list[bytes] = []
    with pytest.raises(AssertionError):
        load(answering(answer), [Lane(asking(heard))], 0.05)
    assert heard == []
