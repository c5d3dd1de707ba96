from __future__ import annotations

from typing import TYPE_CHECKING

from authz.storage import limiter as module
from authz.storage.limiter import Limit, Limiter, LocalCounters, neighbourhood, network
from tests.registries import Clock

if TYPE_CHECKING:
    import pytest

    from authz.storage.short_lived import Backend


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


def test_made_up_addresses_do_not_fill_the_store(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    """security.md RL-02, H6: a /48 has 65,536 of them. Beyond a bound each process counts them by itself."""
    monkeypatch.setattr(module, "MOST_SHARED_COUNTERS", 3)
    clock, limit = Clock(), Limit("tries", 2, 60)
    one, other = Limiter(backend, clock), Limiter(backend, clock)

    def together(whose: str) -> bool:
        """Whether what one process counted is found by the other."""
        one.count(limit, whose, 1)
        return other.count(limit, whose, 0) == 1

    addresses = [network(f"2001:db8:0:{number}::1") for number in range(5)]
    assert [together(address) for address in addresses] == [True, True, True, False, False]
    assert one.count(limit, addresses[4], 1) == 2
    assert other.count(limit, addresses[0], 1) == 2
    assert together("somebody's account")
    assert together(neighbourhood("2001:db8::1"))  # theirs is a place of its own, so that its limit holds
    clock.move(seconds=61)
    assert together(addresses[4])
