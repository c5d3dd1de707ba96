from __future__ import annotations

from typing import TYPE_CHECKING

from authz.storage import limiter as module
from authz.storage.limiter import LocalCounters, neighbourhood, network
from tests.registries import Clock

if TYPE_CHECKING:
    import pytest


def test_one_ipv6_subscriber_is_one_address() -> None:
    assert network("2001:db8::1") == network("2001:db8::ffff:1")
    assert network("2001:db8::1") != network("2001:db8:0:1::1")
    assert network(None) == "unknown"


def test_neighbours_are_counted_together_as_well() -> None:
    """security.md RL-02: who rents a few addresses gets them side by side."""
    assert neighbourhood("192.0.2.1") == neighbourhood("192.0.2.255") == "192.0.2.0/24"
    assert neighbourhood("2001:db8:1:2::3") == neighbourhood("2001:db8:1:ffff::") == "2001:db8:1::/48"
    assert neighbourhood(None) == "unknown"


def test_the_counters_of_a_process_do_not_grow_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_LOCAL_COUNTERS", 3)
    counters = LocalCounters(Clock())
    for key in "abcd":
        assert counters.count(key, 60) == 1
    assert list(counters.counts) == ["b", "c", "d"]
    assert counters.count("d", 60) == 2
