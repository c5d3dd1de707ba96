from __future__ import annotations

from typing import TYPE_CHECKING
from unittest.mock import create_autospec

import pytest

from authz.errors import TooManyRequests
from authz.login.known_devices import KnownDevices
from authz.login.method import SignIn
from authz.login.throttle import (
    ACCOUNT,
    ADDRESS,
    CODES,
    CODES_A_DAY,
    DEVICE,
    DEVICES,
    DEVICES_CODES_A_DAY,
    DEVICES_RECOVERY_CODES,
    EVERYBODY,
    LEAST_PEOPLE,
    NETWORK,
    RECOVERY_CODES,
    Throttle,
)
from authz.storage.limiter import Limiter
from authz.storage.short_lived import StoreUnavailable
from authz.storage.sqlite import SQLiteBackend

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tests.registries import Registries

HERE = "192.0.2.1"
PEOPLE = 20


@pytest.fixture
def throttle(made: Registries, backend: SQLiteBackend) -> Throttle:
    with made.db.write() as session:
        for name in ("alice", "mallory"):
            made.users.add(session, name)
    return Throttle(Limiter(backend, made.clock), KnownDevices(made.users, made.secrets, made.clock), PEOPLE)


def unstored_throttle(made: Registries, people: int) -> Throttle:
    """One that counts in memory alone, for thousands of tries."""
    backend = create_autospec(SQLiteBackend, instance=True)
    backend.count.side_effect = StoreUnavailable("away")
    return Throttle(Limiter(backend, made.clock), KnownDevices(made.users, made.secrets, made.clock), people)


def device_mark(throttle: Throttle, name: str) -> str:
    """Of a browser that signs in to the account for the first time."""
    user = throttle.devices.users.by_name(name)
    assert user is not None
    mark = throttle.devices.remember(None, SignIn(user.sub, throttle.devices.now(), ("pwd",)))
    assert mark is not None
    return mark


def admitted(attempt: Callable[..., None], *said: str | None, **more: bool) -> bool:
    try:
        attempt(*said, **more)
    except TooManyRequests:
        return False
    return True


def addresses(count: int) -> list[str]:
    return [f"198.51.{number // 250}.{number % 250}" for number in range(count)]


def use_up(throttle: Throttle, name: str = "alice") -> None:
    for address in addresses(ACCOUNT.tries):
        throttle.admit(name, address, None)


@pytest.mark.parametrize("name", ["alice", "ALICE", " alice", "\uff41lice"])
def test_an_account_has_so_many_tries_however_it_is_written_and_from_wherever(throttle: Throttle, name: str) -> None:
    """security.md LC-02: one shared counter per account, from one address or from many."""
    use_up(throttle)
    with pytest.raises(TooManyRequests) as refused:
        throttle.admit(name, HERE, None)
    assert refused.value.headers() == {"Retry-After": str(ACCOUNT.seconds)}
    throttle.admit("bob", HERE, None)


def test_the_tries_come_back_after_the_window(made: Registries, throttle: Throttle) -> None:
    use_up(throttle)
    made.clock.move(seconds=ACCOUNT.seconds + 1)
    throttle.admit("alice", HERE, None)


def test_a_browser_that_signed_in_before_is_not_locked_out_by_others(throttle: Throttle) -> None:
    """security.md RL-06: the victim still works; this browser has a counter of its own, and that one ends too."""
    mark = device_mark(throttle, "Alice")
    use_up(throttle)
    for _ in range(DEVICE.tries):
        throttle.admit("alice", HERE, mark)
    with pytest.raises(TooManyRequests):
        throttle.admit("alice", HERE, mark)


@pytest.mark.parametrize("mark", ["", ".", "x.y", "é.é", "\ud800.x"])
def test_a_mark_that_is_not_ours_helps_nobody(throttle: Throttle, mark: str) -> None:
    use_up(throttle)
    with pytest.raises(TooManyRequests):
        throttle.admit("alice", HERE, mark)


def test_the_mark_of_another_account_helps_nobody(throttle: Throttle) -> None:
    mark = device_mark(throttle, "mallory")
    use_up(throttle)
    with pytest.raises(TooManyRequests):
        throttle.admit("alice", HERE, mark)


def test_one_address_can_not_try_one_password_on_everybody(throttle: Throttle) -> None:
    """security.md LC-03: spraying."""
    for number in range(ADDRESS.tries * PEOPLE):
        throttle.admit(f"user-{number}", HERE, None)
    with pytest.raises(TooManyRequests):
        throttle.admit("another", HERE, None)
    throttle.admit("another", "192.0.2.2", None)
    throttle.admit("alice", HERE, device_mark(throttle, "alice"))


def spray(throttle: Throttle, addresses: Iterable[str]) -> int:
    """How many of one try from each address are admitted, at accounts of which none is tried twice."""
    return sum(admitted(throttle.admit, f"user-of-{address}", address, None) for address in addresses)


def test_all_addresses_together_have_a_limit(made: Registries) -> None:
    """security.md LC-03; who is known is not hurt by it."""
    with made.db.write() as session:
        made.users.add(session, "alice")
    throttle = unstored_throttle(made, PEOPLE)
    mark = device_mark(throttle, "alice")
    most = EVERYBODY.times(LEAST_PEOPLE).tries
    assert spray(throttle, addresses(most)) == most
    with pytest.raises(TooManyRequests):
        throttle.admit("alice", HERE, None)
    throttle.admit("alice", HERE, mark)


@pytest.mark.parametrize("people", [1, LEAST_PEOPLE, LEAST_PEOPLE + 100])
@pytest.mark.parametrize("network", ["203.0.113.{}", "2001:db8:7:{:x}::1"])
def test_one_network_can_not_use_up_the_tries_of_everybody(made: Registries, people: int, network: str) -> None:
    """security.md LC-03, RL-06: nor can four, wherever everybody else is."""
    throttle = unstored_throttle(made, people)
    share = NETWORK.times(max(people, LEAST_PEOPLE)).tries
    own = [network.format(number % 250) for number in range(2 * share)]
    tried = [admitted(throttle.admit, f"user-{number}", address, None) for number, address in enumerate(own)]
    assert sum(tried) == min(share, 250 * ADDRESS.times(people).tries)
    for number in range(3):
        spray(throttle, [f"192.0.{number}.{host % 250}" for host in range(2 * share)])
    throttle.admit("alice", "198.51.100.7", None)


@pytest.mark.parametrize("people", [1, LEAST_PEOPLE, LEAST_PEOPLE + 100])
def test_one_address_can_not_use_up_the_tries_of_its_network(made: Registries, people: int) -> None:
    """security.md RL-06: a neighbour is not locked out by it, in the same /24."""
    throttle = unstored_throttle(made, people)
    tried = [admitted(throttle.admit, f"user-{number}", HERE, None) for number in range(8 * people)]
    assert sum(tried) == ADDRESS.tries * people
    throttle.admit("alice", "192.0.2.2", None)


def test_without_the_store_each_process_counts_for_itself(
    made: Registries, throttle: Throttle, backend: SQLiteBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Decision 27, security.md RL-05: never without a limit."""

    def away(_key: str, _window_seconds: int, _amount: int) -> int:
        raise StoreUnavailable("away")

    monkeypatch.setattr(backend, "count", away)
    use_up(throttle)
    with pytest.raises(TooManyRequests):
        throttle.admit("alice", HERE, None)
    made.clock.move(seconds=ACCOUNT.seconds + 1)
    throttle.admit("alice", HERE, None)


def test_whoever_writes_to_the_store_takes_no_limit_off(
    throttle: Throttle, backend: SQLiteBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """security.md H5, LC-02: each process has counted for itself all along."""
    monkeypatch.setattr(backend, "count", lambda _key, _window_seconds, _amount: -1_000_000)
    use_up(throttle)
    with pytest.raises(TooManyRequests):
        throttle.admit("alice", HERE, None)
    use_up_codes(throttle)
    with pytest.raises(TooManyRequests):
        throttle.admit_code("alice", None, is_recovery=False)


def use_up_codes(throttle: Throttle, device: str | None = None) -> None:
    for _ in range(CODES.tries):
        throttle.admit_code("alice", device, is_recovery=False)
    with pytest.raises(TooManyRequests):
        throttle.admit_code("alice", device, is_recovery=False)


def test_few_codes_may_be_tried_after_the_password(made: Registries, throttle: Throttle) -> None:
    """security.md RL-02: three of a million codes are good at any time, so that a day allows fifty tries in all."""
    tried = CODES.tries
    use_up_codes(throttle)
    while tried < CODES_A_DAY.tries:
        made.clock.move(seconds=CODES.seconds + 1)
        use_up_codes(throttle)
        tried += CODES.tries
    made.clock.move(seconds=CODES.seconds + 1)
    with pytest.raises(TooManyRequests):
        throttle.admit_code("alice", None, is_recovery=False)
    made.clock.move(seconds=CODES_A_DAY.seconds)
    throttle.admit_code("alice", None, is_recovery=False)


def test_whoever_uses_up_the_codes_locks_nobody_out(throttle: Throttle) -> None:
    """security.md RL-06: a browser that signed in before, and a recovery code, still work."""
    use_up_codes(throttle)
    throttle.admit_code("ALICE", device_mark(throttle, "alice"), is_recovery=False)
    for _ in range(RECOVERY_CODES.tries):
        throttle.admit_code("alice", None, is_recovery=True)
    with pytest.raises(TooManyRequests):
        throttle.admit_code("alice", None, is_recovery=True)
    use_up_codes(throttle, device_mark(throttle, "alice"))


def test_all_known_devices_of_an_account_together_have_limits(throttle: Throttle) -> None:
    """security.md LC-02: five marks are worth what three are; those of somebody else are counted apart."""
    marks = [device_mark(throttle, "alice") for _ in range(5)]
    use_up(throttle)
    tries = [admitted(throttle.admit, "alice", HERE, mark) for mark in marks for _ in range(10)]
    assert tries == [True] * DEVICES.tries + [False] * 20
    throttle.admit("mallory", HERE, device_mark(throttle, "mallory"))


def test_a_known_device_that_has_used_up_its_own_tries_is_counted_like_any_other(throttle: Throttle) -> None:
    mark = device_mark(throttle, "alice")
    tries = [admitted(throttle.admit, "alice", HERE, mark) for _ in range(DEVICE.tries + ACCOUNT.tries + 1)]
    assert tries == [True] * (DEVICE.tries + ACCOUNT.tries) + [False]


def test_a_day_has_fifty_codes_whatever_marks_somebody_holds(made: Registries, throttle: Throttle) -> None:
    """security.md RL-02: one chance in 7 000, for who knows the password and has gathered marks as well."""
    held = [None, *(device_mark(throttle, "alice") for _ in range(20))]
    tried = 0
    for _ in range(0, CODES_A_DAY.seconds - CODES.seconds, 2 * CODES.seconds):
        for mark in held:
            for _ in range(CODES.tries):
                tried += admitted(throttle.admit_code, "alice", mark, is_recovery=False)
        made.clock.move(seconds=2 * CODES.seconds)
    assert tried == CODES_A_DAY.tries + DEVICES_CODES_A_DAY.tries == 50


def test_known_devices_have_codes_left_on_a_day_when_others_used_up_theirs(
    made: Registries, throttle: Throttle
) -> None:
    """security.md RL-06: who knows the password only does not lock the owner out."""
    for _ in range(12):
        for _ in range(CODES.tries):
            admitted(throttle.admit_code, "alice", None, is_recovery=False)
        made.clock.move(seconds=CODES.seconds + 1)
    mark = device_mark(throttle, "alice")
    for _ in range(DEVICES_CODES_A_DAY.tries):
        made.clock.move(seconds=CODES.seconds + 1)
        throttle.admit_code("alice", mark, is_recovery=False)
    assert not admitted(throttle.admit_code, "alice", mark, is_recovery=False)


def test_recovery_codes_of_known_devices_have_a_limit_together(throttle: Throttle) -> None:
    marks = [device_mark(throttle, "alice") for _ in range(5)]
    tries = [
        admitted(throttle.admit_code, "alice", mark, is_recovery=True)
        for mark in [*marks, None]
        for _ in range(RECOVERY_CODES.tries)
    ]
    assert sum(tries) == DEVICES_RECOVERY_CODES.tries + RECOVERY_CODES.tries
