"""Key sets that clients publish: when they are fetched, how long they hold, what happens when they do not come."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

import pytest

from authz.clients.assertion import BadAssertion
from authz.clients.client import from_row
from authz.clients.key_sets import KeySets
from authz.clients.model import ClientRow
from authz.errors import Unavailable
from authz.outbound import Answer, FetchFailed
from tests.outside import FakeOutbound, Outside

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authz.audit.event import Event
    from authz.audit.trail import Trail
    from authz.clients.addresses import Verifies
    from authz.clients.client import Client
    from authz.outbound import Limits
    from authz.outbound.client import Sent

URL = "https://app.example/jwks"
FIRST = {"keys": [{"kid": "1", "kty": "EC"}]}
SECOND = {"keys": [{"kid": "2", "kty": "EC"}]}


@dataclass
class Notes:
    """A trail that keeps what it is told."""

    events: list[Event] = field(default_factory=list)

    def refused(self, event: Event) -> None:
        self.events.append(event)


@dataclass
class Scene:
    outside: Outside = field(default_factory=Outside)
    time: datetime = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    notes: Notes = field(default_factory=Notes)

    def __post_init__(self) -> None:
        self.key_sets = KeySets(FakeOutbound(self.outside), cast("Trail", self.notes), lambda: self.time)

    def publish(self, content: object, cache: str | None = "max-age=600", status: int = 200, url: str = URL) -> None:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        headers = {} if cache is None else {"cache-control": cache}
        self.outside.answers[url] = Answer(status, headers, body)

    def vanish(self) -> None:
        self.outside.answers.clear()

    def forward(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)

    def sets(
        self, client_id: str = "bulk", url: str = URL, *, approved: bool = True, verifies: Verifies | None = None
    ) -> Iterator[dict[str, Any]]:
        return self.key_sets.of(replace(client(client_id, jwks_uri=url), is_approved=approved), verifies)

    def first(self) -> dict[str, Any]:
        return next(self.sets())

    @property
    def fetches(self) -> int:
        return len(self.outside.asked)


def client(client_id: str, jwks_uri: str | None = None, jwks: dict[str, Any] | None = None) -> Client:
    row = ClientRow(client_id=client_id, client_name="Bulk", token_endpoint_auth_method="private_key_jwt", legacy={})
    row.application_type, row.scope, row.about, row.enabled = "web", "", {}, True
    row.grant_types = row.redirect_uris = row.launch_uris = row.allowed_origins = row.fhir_servers = []
    row.skip_consent_in_ehr_launch = row.any_loopback_port = False
    row.app_state_codes, row.logout, row.preferences, row.required_scope = [], {}, {}, ""
    row.user_types, row.approved = [], True
    row.smart_web_messaging_origins = []
    row.jwks_uri, row.jwks = jwks_uri, jwks
    return from_row(row, datetime(2026, 1, 2, tzinfo=UTC))


@pytest.fixture
def scene() -> Scene:
    made = Scene()
    made.publish(FIRST)
    return made


def test_keys_that_were_given_at_registration_are_fetched_nowhere(scene: Scene) -> None:
    """REG-05, REG-06: exactly as registered, and no second set."""
    assert list(scene.key_sets.of(client("bulk", jwks=FIRST))) == [FIRST]
    assert scene.fetches == 0


def test_a_client_without_keys_proves_nothing(scene: Scene) -> None:
    with pytest.raises(BadAssertion):
        next(scene.key_sets.of(client("bulk")))


def test_a_published_set_is_asked_for_as_json_at_an_untrusted_address(scene: Scene) -> None:
    """ASY-20, ASY-24, FIELD assertion.jku: a GET through the guard that trusts no client."""
    assert scene.first() == FIRST
    (asked,) = scene.outside.asked
    assert (asked.method, asked.url, asked.trusted) == ("GET", URL, False)
    assert asked.headers == {"Accept": "application/json"}
    assert (asked.limits.seconds, asked.limits.max_bytes) == (5.0, 100_000)


def test_a_set_is_kept_until_its_time_is_over_and_not_a_second_longer(scene: Scene) -> None:
    """ASY-21, ASY-22: one fetch in the first 600 seconds; then a new one."""
    for _ in range(3):
        assert scene.first() == FIRST
    scene.forward(599)
    scene.publish(SECOND)
    assert (scene.first(), scene.fetches) == (FIRST, 1)
    scene.forward(1)
    assert (scene.first(), scene.fetches) == (SECOND, 2)


def test_without_cache_control_it_is_kept_for_five_minutes(scene: Scene) -> None:
    """AMB-17, ASY-23."""
    scene.publish(FIRST, cache=None)
    scene.first()
    scene.forward(299)
    assert (scene.first(), scene.fetches) == (FIRST, 1)
    scene.forward(1)
    scene.first()
    assert scene.fetches == 2


@pytest.mark.parametrize("cache", ["no-store", "no-cache", "max-age=0"])
def test_a_set_that_must_not_be_kept_is_fetched_each_time(scene: Scene, cache: str) -> None:
    """ASY-23, decision 12; and is as new as it can be, so there is no second look."""
    scene.publish(FIRST, cache=cache)
    for number in range(1, 4):
        assert list(scene.sets()) == [FIRST]
        assert scene.fetches == number


def test_a_set_that_is_over_tells_whose_assertion_is_worth_a_new_one(scene: Scene) -> None:
    """CA-42, ASY-21: it proves nothing; but what it does not verify either has a set fetched now and then only."""
    scene.publish(FIRST, cache="no-store")
    for _ in range(3):
        assert list(scene.sets(verifies=lambda jwks: jwks == FIRST)) == [FIRST]
    assert scene.fetches == 3
    for _ in range(20):
        list(scene.sets(verifies=lambda _: False))
    assert scene.fetches == 4
    scene.publish(SECOND, cache="no-store")
    assert list(scene.sets(verifies=lambda jwks: jwks == SECOND)) == []
    scene.forward(10)
    for number in (5, 6):
        assert list(scene.sets(verifies=lambda jwks: jwks == SECOND)) == [SECOND]
        assert scene.fetches == number


def test_whoever_misses_a_key_shortly_before_the_end_of_a_set_renews_it(scene: Scene) -> None:
    """CA-42: of a client in whose name somebody sends junk there is always a set at hand, for a fetch in 20 seconds."""
    scene.publish(FIRST, cache="max-age=30")
    scene.first()
    for second in range(120):
        assert {*map(str, scene.sets())} == {str(FIRST)}
        was = scene.fetches
        assert (scene.first(), scene.fetches) == (FIRST, was)
        assert scene.fetches <= 2 + second // 20
        scene.forward(1)


def test_nobody_takes_a_place_where_nothing_newer_is_asked_for(scene: Scene) -> None:
    """CA-41, CA-42: junk after the first of a minute neither waits nor keeps others from waiting."""
    scene.first()
    assert list(scene.sets()) == [FIRST, FIRST]
    address = scene.key_sets.approved.addresses["bulk", URL]
    while address.places.acquire(blocking=False):
        pass
    assert list(scene.sets()) == [FIRST]


def test_a_set_is_never_used_past_its_time_even_if_nobody_answers(scene: Scene) -> None:
    """ASY-23, REG-07: fail closed."""
    scene.first()
    scene.forward(600)
    scene.vanish()
    with pytest.raises(BadAssertion):
        scene.first()


def test_a_clock_that_was_put_back_does_not_lengthen_a_sets_life(scene: Scene) -> None:
    """ASY-21."""
    scene.first()
    scene.forward(-3600)
    scene.first()
    assert scene.fetches == 2


def test_who_misses_a_key_gets_a_newer_set_once_a_minute(scene: Scene) -> None:
    """ASY-23, CA-42, CA-43: a rotation works at once; a thousand unknown names cost one fetch a minute."""
    scene.first()
    scene.publish(SECOND)
    assert list(scene.sets()) == [FIRST, SECOND]
    for _ in range(1000):
        assert list(scene.sets()) == [SECOND]
    assert scene.fetches == 2
    scene.forward(60)
    assert list(scene.sets()) == [SECOND, SECOND]
    assert scene.fetches == 3


def test_who_finds_its_key_costs_no_second_fetch(scene: Scene) -> None:
    scene.first()
    assert scene.first() == FIRST
    assert scene.fetches == 1


def test_a_refetch_that_fails_leaves_the_set_as_it_is(scene: Scene) -> None:
    """ASY-23: the unknown key stays unknown, the known ones go on until their time is over."""
    scene.first()
    scene.vanish()
    sets = scene.sets()
    assert next(sets) == FIRST
    with pytest.raises(BadAssertion):
        next(sets)
    assert scene.first() == FIRST
    scene.forward(599)
    assert scene.first() == FIRST


def test_after_a_failure_the_address_is_left_alone_for_ten_seconds(scene: Scene) -> None:
    """CA-42: the failure is remembered too."""
    scene.vanish()
    for _ in range(50):
        with pytest.raises(BadAssertion):
            scene.first()
    assert scene.fetches == 1
    scene.forward(10)
    scene.publish(FIRST)
    assert scene.first() == FIRST


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"\xff\xfe",
        b"[]",
        b"{}",
        b'{"keys":"x"}',
        b'{"keys":{}}',
        b'{"keys":[],"keys":[]}',
        b'{"keys":[' + b"[" * 5_000 + b"]" * 5_000 + b"]}",
        json.dumps({"keys": [{}] * 101}).encode(),
    ],
)
def test_what_is_no_key_set_proves_nothing(scene: Scene, body: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """CA-41, CA-45: refused, and the log does not quote it."""
    scene.publish(body)
    with pytest.raises(BadAssertion):
        scene.first()
    assert "bulk" in caplog.text
    assert "html" not in caplog.text


@pytest.mark.parametrize("status", [204, 301, 302, 304, 401, 404, 500])
def test_only_status_200_is_a_set(scene: Scene, status: int) -> None:
    """ASY-24: a redirect leads nowhere."""
    scene.publish(FIRST, status=status)
    with pytest.raises(BadAssertion):
        scene.first()


def test_a_hundred_keys_with_certificates_are_a_set(scene: Scene) -> None:
    """CA-41: the bound itself; ASY-25: what is in the keys is looked at when one is used."""
    keys = [{"kid": str(n), "kty": "EC", "x5c": ["x"] * 3, "ext": True, "odd": n} for n in range(100)]
    scene.publish({"keys": [*keys[:-1], "not even an object"], "more": 1})
    assert len(scene.first()["keys"]) == 100


def test_an_address_that_is_refused_stands_on_the_trail(scene: Scene) -> None:
    """security.md 4.1 "SSRF block": who registered it; an ordinary failure is no event."""

    class Guarded(FakeOutbound):
        def get(self, url: str, **_: object) -> Answer:
            raise FetchFailed("private", refused=url == URL)

    key_sets = KeySets(Guarded(scene.outside), cast("Trail", scene.notes), lambda: scene.time)
    for url in (URL, "https://other.example/jwks"):
        with pytest.raises(BadAssertion):
            next(key_sets.of(client("bulk", jwks_uri=url)))
    (event,) = scene.notes.events
    assert (event.event, event.outcome, event.reason, event.client_id) == (
        "fetch.refused",
        "refused",
        "jwks_uri",
        "bulk",
    )


def test_a_set_that_we_can_not_ask_for_says_nothing_about_the_client(scene: Scene) -> None:
    """ASY-27, CA-42: no place for its name, or no name server that answers, is no failed authentication, and no failure
    of the address.
    """

    class Nameless(FakeOutbound):
        def get(self, url: str, **_: object) -> Answer:
            raise FetchFailed(f"the name server does not answer: {url}", is_ours=True)

    key_sets = KeySets(Nameless(scene.outside), cast("Trail", scene.notes), lambda: scene.time)
    bulk = client("bulk", jwks_uri=URL)
    with pytest.raises(Unavailable):
        next(key_sets.of(bulk))
    key_sets.approved.outbound = FakeOutbound(scene.outside)
    assert next(key_sets.of(bulk)) == FIRST


class Slow(FakeOutbound):
    """Answers when it is told to."""

    def __init__(self, outside: Outside) -> None:
        super().__init__(outside)
        self.asked = threading.Event()
        self.go = threading.Event()

    def exchange(self, url: str, sent: Sent, limits: Limits, *, trusted: bool) -> Answer:
        self.asked.set()
        assert self.go.wait(10)
        return super().exchange(url, sent, limits, trusted=trusted)


def test_those_who_come_while_a_set_is_on_its_way_share_it(scene: Scene) -> None:
    """CA-41, CA-42: one fetch for four; a fifth is told to try again; another client's address is free."""
    slow = Slow(scene.outside)
    key_sets = KeySets(slow, cast("Trail", scene.notes), lambda: scene.time)
    found: list[dict[str, Any]] = []
    bulk = client("bulk", jwks_uri=URL)
    threads = [threading.Thread(target=lambda: found.append(next(key_sets.of(bulk)))) for _ in range(4)]
    threads[0].start()
    assert slow.asked.wait(10)
    for thread in threads[1:]:
        thread.start()
    address = key_sets.approved.addresses["bulk", URL]
    while address.places._value:
        assert all(thread.is_alive() for thread in threads)
    with pytest.raises(Unavailable):
        next(key_sets.of(bulk))
    slow.go.set()
    for thread in threads:
        thread.join(10)
    assert found == [FIRST] * 4
    assert scene.fetches == 1
    other = "https://other.example/jwks"
    scene.publish(SECOND, url=other)
    assert next(key_sets.of(client("other", jwks_uri=other))) == SECOND


def test_those_who_wait_for_a_set_that_must_not_be_kept_share_the_next_one(scene: Scene) -> None:
    """CA-42, RFC 9111 §5.2.2.5: what was asked for after they came is as new as their own; what was before is not."""
    scene.publish(FIRST, cache="no-store")
    slow = Slow(scene.outside)
    key_sets = KeySets(slow, cast("Trail", scene.notes), lambda: scene.time)
    bulk, found = client("bulk", jwks_uri=URL), list[dict[str, Any]]()
    threads = [threading.Thread(target=lambda: found.append(next(key_sets.of(bulk)))) for _ in range(4)]
    threads[0].start()
    assert slow.asked.wait(10)
    for thread in threads[1:]:
        thread.start()
    while key_sets.approved.addresses["bulk", URL].places._value:
        assert all(thread.is_alive() for thread in threads)
    slow.go.set()
    for thread in threads:
        thread.join(10)
    assert found == [FIRST] * 4
    assert scene.fetches == 2


def test_who_knows_a_key_waits_for_nobody_who_does_not(scene: Scene) -> None:
    """CA-42, RL-06: while four wait for a newer set because of what they sent, the one at hand is used."""
    scene.publish(FIRST, cache="max-age=30")
    scene.first()
    scene.forward(20)
    slow = Slow(scene.outside)
    scene.key_sets.approved.outbound = slow
    found: list[list[dict[str, Any]]] = []
    threads = [threading.Thread(target=lambda: found.append(list(scene.sets()))) for _ in range(4)]
    for thread in threads:
        thread.start()
    while scene.key_sets.approved.addresses["bulk", URL].places._value:
        assert all(thread.is_alive() for thread in threads)
    assert scene.first() == FIRST
    slow.go.set()
    for thread in threads:
        thread.join(10)
    assert found == [[FIRST, FIRST]] * 4
    assert scene.fetches == 2


def test_another_apps_registration_of_the_same_address_takes_none_of_its_places(scene: Scene) -> None:
    """CA-41, CA-42: whoever waits for the keys of another app, be it approved as well."""
    slow = Slow(scene.outside)
    scene.key_sets.approved.outbound = slow
    threads = [threading.Thread(target=lambda: next(scene.sets("other"))) for _ in range(4)]
    for thread in threads:
        thread.start()
    while ("other", URL) not in scene.key_sets.approved.addresses:
        assert all(thread.is_alive() for thread in threads)
    while scene.key_sets.approved.addresses["other", URL].places._value:
        assert all(thread.is_alive() for thread in threads)
    scene.key_sets.approved.outbound = FakeOutbound(scene.outside)
    assert scene.first() == FIRST
    slow.go.set()
    for thread in threads:
        thread.join(10)


def test_the_addresses_that_are_remembered_are_bounded(scene: Scene) -> None:
    for number in range(1_001):
        scene.publish(FIRST, url=f"https://app.example/{number}")
        next(scene.sets(url=f"https://app.example/{number}"))
    assert len(scene.key_sets.approved.addresses) <= 1_000


class Crowd:
    """Threads that wait for key sets of clients, each at an address of its own that is slow to answer."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.slow = Slow(scene.outside)
        self.found: list[dict[str, Any]] = []
        self.threads: list[threading.Thread] = []
        scene.key_sets = KeySets(self.slow, cast("Trail", scene.notes), lambda: scene.time)

    def first(self, name: str, *, approved: bool) -> dict[str, Any]:
        url = f"https://{name}.example/jwks"
        self.scene.publish(FIRST, cache="no-store", url=url)
        return next(self.scene.sets(name, url, approved=approved))

    def send(self, *names: str, approved: bool) -> None:
        """Each of them is being asked when this is over."""
        for name in names:
            self.slow.asked.clear()
            thread = threading.Thread(target=lambda it=name: self.found.append(self.first(it, approved=approved)))
            self.threads.append(thread)
            thread.start()
            assert self.slow.asked.wait(10)

    def answer(self) -> None:
        self.slow.go.set()
        for thread in self.threads:
            thread.join(10)
        assert self.found == [FIRST] * len(self.threads)


def test_slow_sets_of_apps_that_nobody_has_approved_hold_two_threads(scene: Scene) -> None:
    """CA-41, H6: whoever registers 24 apps with slow addresses holds two threads of a process; a third waits for
    nothing, and an approved client has its place.
    """
    crowd = Crowd(scene)
    crowd.send("one", "two", approved=False)
    for name in ("one", "three"):
        with pytest.raises(Unavailable):
            crowd.first(name, approved=False)
    crowd.send("hospital", approved=True)
    crowd.answer()
    assert crowd.first("three", approved=False) == FIRST


def test_slow_sets_of_all_clients_together_leave_threads_for_everybody_else(scene: Scene) -> None:
    """CA-41: five of a process's eight, whatever the addresses; when they have come there is room again."""
    crowd = Crowd(scene)
    crowd.send("a", "b", "c", "d", "e", approved=True)
    for name in ("a", "f"):
        for approved in (True, False):
            with pytest.raises(Unavailable):
                crowd.first(name, approved=approved)
    crowd.answer()
    assert crowd.first("f", approved=True) == FIRST


def test_an_app_that_nobody_has_approved_is_asked_for_its_keys_three_times_a_minute_whatever_it_says(
    scene: Scene,
) -> None:
    """CA-42: its set is kept for 30 seconds though it says no-store; a key that is not in it costs one fetch more."""
    scene.publish(FIRST, cache="no-store")
    for _ in range(60):
        for _ in range(5):
            assert set(map(str, scene.sets(approved=False))) == {str(FIRST)}
        scene.forward(1)
    assert scene.fetches == 3


def test_a_failure_of_an_app_that_nobody_has_approved_rests_for_thirty_seconds(scene: Scene) -> None:
    """CA-42."""
    scene.vanish()
    for _ in range(60):
        with pytest.raises(BadAssertion):
            next(scene.sets(approved=False))
        scene.forward(1)
    assert scene.fetches == 2


def test_an_app_that_names_another_clients_address_changes_nothing_for_it(scene: Scene) -> None:
    """ASY-21, CA-42: neither how long the set is kept nor whether it may be fetched anew."""
    scene.publish(FIRST, cache="no-store")
    assert list(scene.sets("stranger", approved=False)) == [FIRST]
    scene.publish(SECOND, cache="no-store")
    assert scene.first() == SECOND
    assert list(scene.sets("stranger", approved=False)) == [FIRST, SECOND]
