"""What a provider publishes: how often it is asked for, and who waits for it."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from authz.clients.addresses import TURN_SECONDS
from authz.login.federated.metadata import Metadata, Published
from authz.login.federated.why import UpstreamFailed
from authz.outbound import Answer, Outbound
from authz.outbound.client import Sent
from tests.federated.conftest import ALONE
from tests.upstream import IDP, FakeProvider
from tests.world import Clock

if TYPE_CHECKING:
    from concurrent.futures import Future
    from typing import Any

    from authz.outbound import Limits
    from tests.federated.conftest import Hospital

KEYCLOAK = {"cache-control": "no-cache, must-revalidate, no-transform, no-store"}
DOCUMENT, KEYS = "/.well-known/openid-configuration", "/jwks"


def keep_nothing(hospital: Hospital) -> None:
    for path in (DOCUMENT, KEYS):
        answer = hospital.provider.exchange(IDP + path, Sent("GET", {}))
        hospital.provider.answers[path] = Answer(200, KEYCLOAK, answer.body)
    hospital.provider.asked.clear()


def test_what_must_not_be_kept_is_kept_for_a_minute(hospital: Hospital) -> None:
    """Keycloak says so of everything: how often it is asked is still no choice of who opens a page (RL-02)."""
    keep_nothing(hospital)
    for _ in range(5):
        assert hospital.arrive(hospital.world.browser(), ALONE).status == 200
        hospital.world.clock.forward(seconds=11)
    assert [hospital.provider.asked.count(f"GET {path}") for path in (DOCUMENT, KEYS)] == [1, 1]
    hospital.world.clock.forward(seconds=5)
    assert hospital.arrive(hospital.world.browser(), ALONE).status == 200
    assert [hospital.provider.asked.count(f"GET {path}") for path in (DOCUMENT, KEYS)] == [2, 2]


def test_a_new_key_is_found_though_the_set_is_kept(hospital: Hospital) -> None:
    """OIDC Core §10.1.1: who signs by a key that is not here has the set fetched anew, once a minute."""
    keep_nothing(hospital)
    hospital.arrive(hospital.world.browser(), ALONE)
    hospital.provider.answers.clear()
    hospital.provider.keys, hospital.provider.signs_with = ["key-2"], "key-2"
    assert hospital.arrive(hospital.world.browser(), ALONE).status == 200


@dataclass
class Slow(Outbound):
    """A provider that answers when it is told to."""

    provider: FakeProvider = field(default_factory=FakeProvider)
    asked: threading.Event = field(default_factory=threading.Event)
    go: threading.Event = field(default_factory=threading.Event)

    def exchange(self, url: str, sent: Sent, limits: Limits, *, trusted: bool) -> Answer:
        assert trusted
        assert limits.seconds < TURN_SECONDS
        self.asked.set()
        assert self.go.wait(10)
        answer = self.provider.exchange(url, sent)
        return Answer(answer.status, KEYCLOAK, answer.body)


@dataclass
class Shift:
    """Everybody comes at once."""

    outbound: Slow = field(default_factory=Slow)
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self.published = Published(self.outbound, self.clock)
        self.pool = ThreadPoolExecutor(24)

    def ask(self, places: Any, number: int) -> list[Future[Metadata]]:
        return [self.pool.submit(self.published.metadata, IDP, *places) for _ in range(number)]


@pytest.fixture
def shift() -> Shift:
    return Shift()


def failures(asked: list[Future[Metadata]]) -> int:
    return sum(isinstance(one.exception(10), UpstreamFailed) for one in asked)


def test_all_who_leave_for_a_provider_at_once_wait_for_one_answer(shift: Shift) -> None:
    """House, law 2: a shift begins, and nobody is told that the provider does not answer, which does."""
    asked = shift.ask([shift.published.leaving], 16)
    assert shift.outbound.asked.wait(10)
    shift.outbound.go.set()
    assert failures(asked) == 0
    assert shift.outbound.provider.asked == [f"GET {DOCUMENT}"]


def test_what_strangers_can_ask_for_leaves_a_place_for_who_comes_back(shift: Shift) -> None:
    """RL-02: logout tokens wait at two places, who leaves at three; a token too many is to be sent again at once."""
    leaving, telling = shift.ask([shift.published.leaving], 3), shift.ask([shift.published.telling], 2)
    wait_for(shift, 5)
    with pytest.raises(UpstreamFailed, match="too many"):
        shift.published.metadata(IDP, shift.published.telling)
    back = shift.ask([], 1)
    wait_for(shift, 6)
    shift.outbound.go.set()
    assert failures([*leaving, *telling, *back]) == 0


def test_a_provider_that_failed_is_waited_for_at_its_places_alone(shift: Shift) -> None:
    """HP-14: who finds none is answered at once, so other requests have threads."""
    shift.outbound.provider.is_down = True
    shift.outbound.go.set()
    with pytest.raises(UpstreamFailed):
        shift.published.metadata(IDP)
    shift.outbound.go.clear()
    shift.clock.forward(seconds=11)
    leaving = shift.ask([shift.published.leaving], 3)
    wait_for(shift, 3)
    with pytest.raises(UpstreamFailed, match="too many"):
        shift.published.metadata(IDP, shift.published.leaving)
    shift.outbound.go.set()
    assert failures(leaving) == 3


def wait_for(shift: Shift, number: int) -> None:
    """So many are at a place of the document's."""
    while IDP not in shift.published.documents or shift.published.documents[IDP].places._value != 6 - number:
        threading.Event().wait(0.005)
