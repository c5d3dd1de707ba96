"""The automatic checks ask a hostile world: real connections, and a canary that nobody may reach (RG-11, CA-39..45)."""

from __future__ import annotations

import gzip
import time
from typing import TYPE_CHECKING, Any

import pytest

from authz.outbound import Limits, Outbound
from authz.registration import published as module
from authz.registration.published import Published
from tests.outbound.test_client import LOOPBACK, drip, flood, peer

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

QUICK = Limits(seconds=0.5, max_bytes=64 * 1024)
UNREADABLE = "can't be read, or only without our limits"
NOT_PUBLIC = "is not a public https address"
HEAD = b"HTTP/1.1 200 OK\r\n\r\n"
BOMB = gzip.compress(b"0" * 10_000_000)


def found(published: Published, **said: Any) -> list[str]:
    """What is said about the address of the keys and of the policy."""
    asked = {"client_uri": None, "tos_uri": None, **said}
    lines = [*published.keys(asked), *published.pages(asked)]
    return [f"{one.level} {one.subject} {one.words}" for one in lines if "none is given" not in one.words]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LIMITS", QUICK)


@pytest.mark.parametrize(
    "behave",
    [
        lambda line: line.recv(1),
        drip(b"HTTP/1.1 200 OK\r\nX: "),
        drip(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"),
        flood(HEAD, b"a" * 10_000),
        flood(b"HTTP/1.1 200 OK\r\n", b"X: " + b"a" * 10_000 + b"\r\n"),
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(BOMB) + BOMB,
        b"\xff\xfe nonsense\r\n\r\n",
        b"",
    ],
    ids=["silence", "slow header", "slow body", "huge body", "huge header", "gzip bomb", "nonsense", "nothing"],
)
def test_a_hostile_peer_costs_no_more_than_its_time_and_is_told_in_one_line(
    behave: Callable[[socket.socket], object] | bytes,
) -> None:
    """CA-41, CA-42: slow, endless, compressed, broken; nothing of its answer comes back."""
    with peer(behave) as server:
        began = time.monotonic()
        lines = found(Published(Outbound(LOOPBACK)), jwks_uri=server.url, policy_uri=server.url)
        assert time.monotonic() - began < 10 * QUICK.seconds
    assert lines == [
        f"error jwks_uri {server.url}: {UNREADABLE}",
        f"warning policy_uri {server.url}: {UNREADABLE}",
    ]


def test_a_redirect_leads_nowhere() -> None:
    """ASY-24: where it points is not asked, be it the canary or the server's own machine."""
    with peer(HEAD) as canary:
        there = f"http://127.0.0.1:{canary.port}/"
        with peer(f"HTTP/1.1 302 x\r\nLocation: {there}\r\nContent-Length: 0\r\n\r\n".encode()) as server:
            lines = found(Published(Outbound(LOOPBACK)), jwks_uri=server.url, policy_uri=server.url)
        assert canary.seen == []
    assert lines == [
        f"error jwks_uri {server.url}: is no key set: status 302",
        f"warning policy_uri {server.url}: sends its readers elsewhere: give the address where they end",
    ]


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.0.0.5", "169.254.169.254", "::1", "::ffff:10.0.0.5", "64:ff9b::a9fe:a9fe", "fd00::1", "0.0.0.0"],  # noqa: S104  must be refused
)
def test_a_name_that_stands_for_a_machine_of_ours_reaches_nobody_and_does_not_tell_which(address: str) -> None:
    """RG-11, CA-39: also with a public address beside it, and at whichever port."""
    with peer(HEAD) as canary:
        for resolved in ([address], ["93.184.216.34", address]):
            published = Published(Outbound(resolver=lambda _, resolved=resolved: resolved))  # type: ignore[misc]  # the loop's own value
            url = f"https://app.example:{canary.port}/x"
            lines = found(published, jwks_uri=url, policy_uri=url)
            assert lines == [f"error jwks_uri {url}: {NOT_PUBLIC}", f"error policy_uri {url}: {NOT_PUBLIC}"]
        assert canary.seen == []


def test_a_name_is_looked_up_once_for_each_request_and_the_answer_is_where_it_goes() -> None:
    """CA-39 (rebinding): what was judged is what is connected to; a second answer is never asked for."""
    asked = list[str]()

    def rebinding(host: str) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["10.0.0.5"]

    with peer(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}") as server:
        url = f"http://rebind.example:{server.port}/"
        assert Published(Outbound(LOOPBACK, resolver=rebinding)).page(url)[1] == "can be read"
        assert asked == ["rebind.example"]


@pytest.mark.parametrize(
    "url",
    [
        "http://app.example/",
        "file:///etc/passwd",
        "gopher://127.0.0.1:6379/_FLUSHALL",
        "https://user@app.example/",
        "https://app.example:22/",
        "https://app.example:6379@127.0.0.1/",
        "https://2130706433/",
        "https://0x7f.1/",
        "https://[::ffff:7f00:1]/",
        "https://app.example/\r\nX: y",
    ],
)
def test_an_address_that_was_registered_under_other_rules_is_not_asked_either(url: str) -> None:
    """RG-11: the guard looks again, whatever registration let through."""
    addresses = {"app.example": ["93.184.216.34"], "2130706433": ["127.0.0.1"], "0x7f.1": ["127.0.0.1"]}
    published = Published(Outbound(resolver=lambda host: addresses.get(host, ["127.0.0.1"])))
    assert published.page(url)[1] == NOT_PUBLIC
