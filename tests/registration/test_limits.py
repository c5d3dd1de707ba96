from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from authz.audit.event import Peer
from authz.errors import TooManyRequests
from authz.limits import AuditedLimiter
from authz.registration.limits import MANAGEMENT, TOKEN_SIGN_INS, Limits
from authz.registration.model import RegistrationRow
from authz.storage.limiter import Limiter
from authz.storage.short_lived import StoreUnavailable
from authz.storage.sqlite import SQLiteBackend
from tests.registries import Registries, registries

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HERE = Peer("192.0.2.1")
PER_HOUR = 3


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Registries]:
    with registries(tmp_path) as found:
        yield found


@pytest.fixture
def limits(made: Registries, tmp_path: Path) -> Iterator[Limits]:
    backend = SQLiteBackend(tmp_path / "short-lived.sqlite3", now=lambda: made.clock().timestamp())
    yield Limits(AuditedLimiter(Limiter(backend, made.clock), made.trail), PER_HOUR, most_waiting=2)
    backend.close()


def test_an_address_may_register_so_many_apps_in_an_hour(made: Registries, limits: Limits) -> None:
    """security.md RG-19, RL-02: then 429 and when to come again; one line on the trail, however often they come."""
    for _ in range(PER_HOUR):
        limits.registering(HERE)
    for _ in range(5):
        with pytest.raises(TooManyRequests) as refused:
            limits.registering(HERE)
    assert (refused.value.status, refused.value.headers()) == (429, {"Retry-After": "3600"})
    assert refused.value.body() == {
        "error": "temporarily_unavailable",
        "error_description": "too many registrations from this address; try again in an hour",
    }
    assert made.events() == [("rate_limited", "registrations")]
    limits.registering(Peer("192.0.2.2"))
    made.clock.move(seconds=3601)
    limits.registering(HERE)


@pytest.mark.parametrize("address", ["192.0.2.{}", "2001:db8:0:{}::1"])
def test_a_network_may_register_four_times_as_many(limits: Limits, address: str) -> None:
    """security.md RG-19: an address of a /24, a /64 of a /48, is cheap to change."""
    for number in range(4 * PER_HOUR):
        limits.registering(Peer(address.format(number)))
    with pytest.raises(TooManyRequests):
        limits.registering(Peer(address.format(99)))


def test_looking_after_registrations_is_counted_by_address(limits: Limits) -> None:
    """security.md RL-02."""
    for _ in range(MANAGEMENT.tries):
        limits.managing(HERE)
    with pytest.raises(TooManyRequests):
        limits.managing(HERE)


def test_signing_in_with_a_registration_token_is_counted_by_address(limits: Limits) -> None:
    """security.md RL-02, RL-06: nobody guesses a token of 256 bits, and nobody locks a vendor out."""
    for _ in range(TOKEN_SIGN_INS.tries):
        limits.signing_in(HERE)
    with pytest.raises(TooManyRequests):
        limits.signing_in(HERE)
    limits.signing_in(Peer("192.0.2.2"))


def test_without_the_store_each_process_counts_for_itself(limits: Limits, monkeypatch: pytest.MonkeyPatch) -> None:
    """Decision 27, security.md RL-05: never without a limit."""

    def away(_key: str, _window_seconds: int, _amount: int) -> int:
        raise StoreUnavailable("away")

    monkeypatch.setattr(limits.limiter.limiter.backend, "count", away)
    for _ in range(PER_HOUR):
        limits.registering(HERE)
    with pytest.raises(TooManyRequests):
        limits.registering(HERE)


def register(made: Registries, name: str, state: str, source: str = "open", fhir_server: str = "main") -> None:
    made.add_client(name)
    with made.db.write() as session:
        session.add(
            RegistrationRow(
                client_id=name,
                lane="patient",
                state=state,
                token_digest="",
                source=source,
                source_id="",
                fhir_server=fhir_server,
                reason="",
                created_at=made.clock(),
            )
        )


def test_so_many_unapproved_apps_that_nobody_vouches_for_and_no_more(made: Registries, limits: Limits) -> None:
    """security.md RG-19: growth is bounded; approved and invited apps, and those elsewhere, take no room."""
    register(made, "one", "sandbox")
    register(made, "approved", "approved")
    register(made, "invited", "sandbox", source="initial_access_token")
    register(made, "elsewhere", "sandbox", fhir_server="other")
    with made.db.write() as session:
        limits.check_room(session, "main")
        limits.check_room(session, None)
    register(made, "two", "requested")
    with made.db.write() as session:
        with pytest.raises(TooManyRequests) as refused:
            limits.check_room(session, "main")
        limits.check_room(session, "other")
    assert refused.value.headers() == {"Retry-After": "3600"}
