"""What every backend of the short-lived store does: one suite, run on each of them."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from authz.storage.short_lived import Backend
    from tests.storage.conftest import Store

RACERS = 12
ROUNDS = 20


def race(attempt: Callable[[int], bytes | None]) -> list[bytes | None]:
    """Twelve threads leave one barrier together; what each of them got."""
    start = threading.Barrier(RACERS)

    def run(number: int) -> bytes | None:
        start.wait()
        return attempt(number)

    with ThreadPoolExecutor(RACERS) as pool:
        return list(pool.map(run, range(RACERS)))


def take_at_once(backend: Backend, key: str) -> list[bytes | None]:
    return race(lambda _: backend.take(key))


def claim_at_once(backend: Backend, key: str) -> list[bytes | None]:
    """Each with its own number for a value."""
    return race(lambda number: backend.claim(key, str(number).encode(), 60))


def test_what_is_put_is_read_again_in_the_order_of_the_keys(backend: Backend) -> None:
    """house.md §3, storage: several keys in one round trip."""
    backend.put({"a": b"1", "b": b"\x00\xff\r\n", "empty": b""}, 60)
    assert backend.get("empty", "nobody", "b", "a", "a") == [b"", None, b"\x00\xff\r\n", b"1", b"1"]


def test_a_later_put_replaces_value_and_lifetime(store: Store) -> None:
    store.backend.put({"a": b"long value"}, 10)
    store.backend.put({"a": b"2"}, 5000)
    assert store.backend.get("a") == [b"2"]
    assert 4990 < store.life_left("a") <= 5001


def test_another_process_reads_what_was_put_here(store: Store) -> None:
    """house.md §1: any number of stateless workers share the store."""
    other = store.another()
    store.backend.put({"a": b"1"}, 60)
    assert other.get("a") == [b"1"]
    other.close()


def test_asking_for_nothing_and_writing_nothing_is_fine(backend: Backend) -> None:
    backend.put({}, 60)
    backend.delete()
    assert backend.get() == []


def test_a_large_value_and_a_hundred_keys_fit(backend: Backend) -> None:
    entries = {f"k{number}": bytes([number]) * 20_000 for number in range(100)}
    backend.put(entries, 60)
    assert backend.get(*entries) == list(entries.values())


@pytest.mark.parametrize("ttl", [0.5, 60, 7_776_000])
def test_an_entry_lives_as_long_as_it_was_given(store: Store, ttl: float) -> None:
    store.backend.put({"a": b"1"}, min(ttl, 90_000))
    assert min(ttl, 90_000) - 10 < store.life_left("a") <= min(ttl, 90_000) + 0.002


def test_the_rest_of_a_life_can_be_asked_for(store: Store) -> None:
    store.backend.put({"a": b"1"}, 60)
    left = store.backend.expires_in("a")
    assert left is not None
    assert 50 < left <= 60
    store.end_life("a")
    assert [store.backend.expires_in("a"), store.backend.expires_in("never")] == [None, None]


def test_an_expired_entry_is_never_seen_by_any_verb(store: Store) -> None:
    """security.md I10: nothing expired ever works."""
    backend = store.backend
    for key in ("get", "take", "claim"):
        backend.put({key: b"old"}, 5)
        store.end_life(key)
    assert backend.get("get", "take", "claim") == [None, None, None]
    assert backend.take("take") is None
    assert backend.claim("claim", b"new", 60) is None
    assert backend.get("claim") == [b"new"]


@pytest.mark.parametrize("ttl", [0, -1, -0.5])
def test_a_lifetime_that_is_over_ends_at_once(store: Store, ttl: float) -> None:
    """A token's remaining life may be nothing when its copy is written: that is not an error."""
    store.backend.put({"a": b"1"}, ttl)
    store.end_life("a")
    assert store.backend.get("a") == [None]


def test_take_gives_the_value_once(backend: Backend) -> None:
    backend.put({"a": b"1", "b": b"2"}, 60)
    assert [backend.take("a"), backend.take("a"), backend.get("a", "b")] == [b"1", None, [None, b"2"]]


def test_of_racing_takers_one_gets_the_value(backend: Backend) -> None:
    """security.md R-14."""
    for number in range(ROUNDS):
        key = f"race{number}"
        backend.put({key: b"prize"}, 60)
        got = take_at_once(backend, key)
        assert sorted(got, key=bool) == [None] * (RACERS - 1) + [b"prize"]


def test_a_claim_is_ours_or_shows_who_holds_it(store: Store) -> None:
    backend = store.backend
    assert backend.claim("a", b"first", 30) is None
    assert backend.claim("a", b"second", 5000) == b"first"
    assert backend.claim("a", b"first", 5000) == b"first"
    assert backend.get("a") == [b"first"]
    assert store.life_left("a") <= 31


def test_a_claim_may_be_made_again_after_it_was_given_up(backend: Backend) -> None:
    backend.claim("a", b"first", 60)
    backend.delete("a")
    assert backend.claim("a", b"second", 60) is None


def test_of_racing_claimers_one_wins_and_all_others_see_it(backend: Backend) -> None:
    """security.md R-14: exactly one winner."""
    for number in range(ROUNDS):
        key = f"race{number}"
        got = claim_at_once(backend, key)
        (winner,) = backend.get(key)
        assert got.count(None) == 1
        assert got[int(winner or b"-1")] is None
        assert set(got) == {None, winner}


def test_a_counter_counts_and_forgets_after_its_window(store: Store) -> None:
    """Decision 27: the window starts at the first count, and later counts do not prolong it."""
    backend = store.backend
    assert [backend.count("hits", 60) for _ in range(3)] == [1, 2, 3]
    assert 50 < store.life_left("hits") <= 60.01
    assert backend.count("hits", 5000) == 4
    assert store.life_left("hits") <= 60.01
    store.end_life("hits")
    assert backend.count("hits", 60) == 1


def test_what_is_measured_is_counted_by_its_amount(store: Store) -> None:
    """security.md RL-02: kilobytes, beside counts of one."""
    backend = store.backend
    assert [backend.count("room", 60, amount) for amount in (3, 1, 40)] == [3, 4, 44]
    assert backend.count("room", 60) == 45
    assert 50 < store.life_left("room") <= 60.01
    store.end_life("room")
    assert backend.count("room", 60, 7) == 7


def test_racing_counts_are_all_counted(backend: Backend) -> None:
    got = race(lambda _: str(backend.count("hits", 60)).encode())
    assert sorted(int(count or b"0") for count in got) == list(range(1, RACERS + 1))


def test_delete_removes_just_the_named_keys(backend: Backend) -> None:
    backend.put({"a": b"1", "b": b"2", "c": b"3"}, 60)
    backend.delete("a", "c", "nobody")
    assert backend.get("a", "b", "c") == [None, b"2", None]


def test_sweep_leaves_what_lives(store: Store) -> None:
    store.backend.put({"old": b"1"}, 5)
    store.end_life("old")
    store.backend.put({"new": b"2"}, 60)
    store.backend.sweep()
    assert store.backend.get("old", "new") == [None, b"2"]


def test_an_incarnation_keeps_its_name_while_the_store_lives(backend: Backend) -> None:
    first = backend.incarnation()
    backend.put({"a": b"1"}, 60)
    assert first
    assert backend.incarnation() == first


def test_a_sound_store_answers_a_ping_and_has_no_problems(backend: Backend) -> None:
    backend.ping()
    assert backend.problems() == []


def test_after_close_a_call_opens_the_store_again(backend: Backend) -> None:
    backend.put({"a": b"1"}, 60)
    backend.close()
    assert backend.get("a") == [b"1"]


def test_parent_and_child_both_work_on_after_a_fork(backend: Backend) -> None:
    """Decision 29: with --preload connections open after the fork; one opened before is not shared either."""
    backend.put({"before": b"1"}, 60)
    if (child := os.fork()) == 0:
        status = 1
        try:
            seen = backend.get("before")
            backend.put({"from the child": b"2"}, 60)
            status = 0 if seen == [b"1"] else 2
        finally:
            os._exit(status)  # pytest must not go on in the child
    for _ in range(50):
        assert backend.get("before") == [b"1"]
    assert os.waitpid(child, 0)[1] == 0
    assert backend.get("before", "from the child") == [b"1", b"2"]
