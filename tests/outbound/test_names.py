"""Name servers that do not answer: what they hold up, and what they do not."""

from __future__ import annotations

import socket
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from authz.outbound import FetchFailed
from authz.outbound.names import Lookups, registered
from authz.outbound.target import Guard, Target

if TYPE_CHECKING:
    from collections.abc import Iterator

FOUND = ["93.184.216.34"]


@dataclass
class NameServers:
    """Those of evil.example and of all names in ``silent`` answer when they are told to."""

    silent: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)
    goes_on: threading.Event = field(default_factory=threading.Event)
    time: float = 1000.0

    def __post_init__(self) -> None:
        self.guard = Guard((), self.resolve, lambda: self.time)

    def resolve(self, host: str) -> list[str]:
        self.asked.append(host)
        if host.endswith("evil.example") or host in self.silent:
            assert self.goes_on.wait(10)
        return FOUND

    def find(self, host: str, seconds: float = 0.05, *, trusted: bool = False) -> list[str]:
        return self.guard.addresses(Target("https", host, 443, "/"), trusted=trusted, seconds=seconds)

    def fail(self, host: str, *, trusted: bool = False) -> FetchFailed:
        with pytest.raises(FetchFailed, match="name server does not answer") as failed:
            self.find(host, trusted=trusted)
        return failed.value

    def answer(self) -> None:
        """All who were asked do now."""
        self.goes_on.set()
        for thread in threading.enumerate():
            if thread.name == "resolver":
                thread.join(10)


@pytest.fixture
def servers() -> Iterator[NameServers]:
    made = NameServers()
    yield made
    made.answer()


def test_names_that_hang_below_one_leave_places_for_everybody_elses(servers: NameServers) -> None:
    """CA-41, H6: eight names of evil.example hold two threads, and the name of another app is found."""
    for number in range(8):
        servers.fail(f"x{number}.evil.example")
    assert servers.asked == ["x0.evil.example", "x1.evil.example"]
    assert servers.find("app.example") == FOUND


def test_names_of_everybody_hold_eight_threads(servers: NameServers) -> None:
    """CA-41: whoever registered how many."""
    servers.silent = {f"www.app{number}.example" for number in range(9)}
    for host in sorted(servers.silent):
        servers.fail(host)
    assert len(servers.asked) == 8


def test_a_name_that_did_not_answer_is_left_alone_for_thirty_seconds(servers: NameServers) -> None:
    """CA-42: nobody waits for it meanwhile, and it takes no place."""
    for _ in range(3):
        servers.fail("evil.example")
    assert servers.asked == ["evil.example"]
    servers.time += 30
    servers.fail("evil.example")
    assert servers.asked == ["evil.example"] * 2


def test_a_name_that_answers_after_all_is_asked_again_at_once(servers: NameServers) -> None:
    """CA-42: a bad moment of the hospital's own resolver is over when it is over."""
    servers.silent = {"app.example"}
    servers.fail("app.example")
    servers.answer()
    assert servers.find("app.example") == FOUND


def test_the_hospitals_own_names_have_all_their_places_and_never_rest(servers: NameServers) -> None:
    """CA-41: those that administrators registered lie below one name, most of them."""
    servers.silent = {f"s{number}.hospital.example" for number in range(8)}
    for host in sorted(servers.silent):
        servers.fail(host, trusted=True)
    servers.answer()
    assert len(servers.asked) == 8
    assert servers.find("s0.hospital.example", trusted=True) == FOUND


def test_the_names_that_rest_are_bounded() -> None:
    lookups = Lookups(lambda _: [], lambda: 0.0)
    for number in range(1_001):
        lookups.note_silence(f"{number}.example")
    assert len(lookups.silent) <= 1_000


def test_only_a_name_server_that_does_not_answer_is_our_failure(servers: NameServers) -> None:
    """ASY-27: a name that does not exist is the client's; that nobody could be asked says nothing about it."""
    assert servers.fail("evil.example").is_ours
    for error, is_ours in ((socket.EAI_AGAIN, True), (socket.EAI_NONAME, False)):

        def resolve(_: str, error: int = error) -> list[str]:
            raise socket.gaierror(error, "no")

        with pytest.raises(FetchFailed) as failed:
            Guard((), resolve).addresses(Target("https", "app.example", 443, "/"), trusted=False, seconds=1)
        assert failed.value.is_ours is is_ours


@pytest.mark.parametrize(
    ("host", "owned"),
    [
        ("localhost", "localhost"),
        ("app.example", "app.example"),
        ("a.b.app.example", "app.example"),
        ("app.example.", "app.example"),
        ("a.b.app.co.uk", "app.co.uk"),
        ("x.app.com.au", "app.com.au"),
        ("x.app.de", "app.de"),
        ("x.com.app.de", "app.de"),
        ("co.uk", "co.uk"),
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::1"),
        ("", ""),
    ],
)
def test_whose_a_name_is(host: str, owned: str) -> None:
    """H6: what somebody registered once, and can make as many names below as they like."""
    assert registered(host) == owned
