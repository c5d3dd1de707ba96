"""The load client of the benchmarks: an answer that is wrong never counts as speed (issue 9, item 1)."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from threading import Thread
from typing import TYPE_CHECKING

import pytest

from benchmarks.compare import Sample
from benchmarks.half_load import paced
from benchmarks.lanes import Lane, Question, load
from benchmarks.plans import EXPLAINED
from benchmarks.process import on_a_core
from benchmarks.quick import dearer
from benchmarks.report import OURS, summary

if TYPE_CHECKING:
    from benchmarks.lanes import Source

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


ASKED = b"GET / HTTP/1.1\r\n\r\n"
SENT_ON = b"HTTP/1.1 303 See Other\r\nLocation: https://app.example/cb?code=1\r\nContent-Length: 0\r\n\r\n"


def asking(heard: list[bytes]) -> Source:
    while True:
        body = yield Question(ASKED, b'"active":true')
        assert body is not None
        heard.append(body)


def spending(stock: list[str]) -> Source:
    while True:
        yield Question(ASKED, stock.pop().encode(), b"303") if stock else None


def test_every_answer_is_counted_and_told_to_what_asks_next() -> None:
    heard: list[bytes] = []
    lane = Lane(asking(heard))
    outcome = load(answering(GOOD), [lane], 0.05)
    assert lane.has_more()
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


def test_what_is_good_once_is_asked_once_and_the_lane_goes_on_when_there_is_more() -> None:
    """Codes: a round uses up what was made for it."""
    stock = ["code=1", "code=1"]
    lane = Lane(spending(stock))
    assert len(load(answering(SENT_ON), [lane], 5).latencies) == 2
    stock.extend(["code=1", "code=1"])
    assert len(load(answering(SENT_ON), [lane], 0).latencies) == 1
    assert stock == ["code=1"], "nothing is taken from it that is not asked with"
    assert len(load(answering(SENT_ON), [lane], 5).latencies) == 1


@pytest.mark.parametrize(
    "answer", [SENT_ON.replace(b"code=1", b"error=access_denied"), SENT_ON.replace(b"303", b"200")]
)
def test_a_redirect_without_a_code_ends_the_run(answer: bytes) -> None:
    with pytest.raises(AssertionError):
        load(answering(answer), [Lane(spending(["code=1"]))], 5)


def test_dearer_is_what_costs_more_than_a_quarter_above_its_baseline_or_has_none() -> None:
    found = {"jwks": 1.24, "refresh": 1.26, "launch": 0.1}
    assert dearer(found, {"jwks": 1.0, "refresh": 1.0}) == ["refresh", "launch"]


def test_at_a_set_pace_every_request_is_asked_and_counted_from_when_it_was_due() -> None:
    """A server that pauses makes all wait that were due in the meantime: none is left out of the figures."""
    heard: list[bytes] = []
    outcome = paced(answering(GOOD), [Lane(asking(heard))], 1_000_000, 0.00001)
    assert len(outcome.latencies) == 10
    assert heard == [b'{"active":true}'] * 9, "the last is heard when more is asked"
    assert outcome.latencies == sorted(outcome.latencies)


BURNS = """
import threading, time
def burn():
    while time.thread_time() < 0.05: pass
one = threading.Thread(target=burn)
one.start()
one.join()
print(time.process_time_ns(), flush=True)
input()
"""


def test_what_a_thread_has_cost_still_counts_when_it_is_gone() -> None:
    """A server with a thread for each connection would seem to cost nothing."""
    with subprocess.Popen(
        [sys.executable, "-c", BURNS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        own = int(process.stdout.readline())
        assert own > 50_000_000
        assert on_a_core(process.pid) >= own
        process.communicate("\n")


@pytest.mark.parametrize(
    ("plan", "tables"),
    [
        ("SCAN access_token", ["access_token"]),
        ("SCAN grant_record_1", ["grant_record"]),
        ("SCAN access_token USING COVERING INDEX ix_access_token_expires_at", []),
        ("SEARCH access_token USING INDEX sqlite_autoindex_access_token_1 (digest=?)", []),
    ],
)
def test_only_a_table_that_is_read_without_its_indexes_is_read_from_end_to_end(plan: str, tables: list[str]) -> None:
    """What SQLite says of a statement; an alias is its table with a number."""
    _, reading = EXPLAINED["sqlite"]
    assert re.findall(reading, plan) == tables


def test_servers_are_compared_round_by_round_and_who_lacks_an_operation_has_none() -> None:
    """What else the machine did in a round falls on both."""
    costs = {OURS: [1.0, 20.0, 3.0], "peer": [2.0, 40.0, 6.0]}
    found = {"jwks": {name: [Sample(cpu, 1, 1, 1, 1, 1) for cpu in each] for name, each in costs.items()}}
    found["launch"] = {OURS: found["jwks"][OURS]}
    assert summary(found).splitlines()[-2:] == ["| jwks | **0.50** (0.50 to 0.50) |", "| launch | - |"]
