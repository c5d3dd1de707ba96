"""Much work for one request: what a stranger may send and what it is held against are both large, and multiply."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING

import pytest

from authz.outbound import Answer, FetchFailed, Limits, Outbound
from authz.scopes import MAX_BYTES, MAX_SCOPES, ScopeSet, constraints, resource
from tests.vendor import METADATA, Vendor, bearer
from tests.world import ISSUER, build, settings_in

if TYPE_CHECKING:
    from pathlib import Path

    from authz.outbound.client import Sent
    from tests.world import World


def many(spelling: str, first: str = "") -> str:
    """As many scopes of this kind as may be asked for."""
    found = first.split()
    for number in count(10):
        found.append(spelling.format(number))
        if len(found) > MAX_SCOPES or len(" ".join(found)) > MAX_BYTES:
            return " ".join(found[:-1])
    raise AssertionError


WANTED = many("patient/*.rs?a=1,2&b=1,2&c=1,2&d=1,2&e=1,2&f=1,{}")
HELD = {
    "one alternative each": many("patient/*.rs?a={}", "patient/*.rs?a=1 patient/*.rs?a=2"),
    "all of them may match": many("patient/*.rs?a=1&b=2&c=1&d=2,{}", "patient/*.rs?a=1 patient/*.rs?a=2"),
    "each fails at the last": many("patient/*.rs?b=1,2&c=1,2&d=1,2&e=1,2&f=9{}", "patient/*.rs?a=1 patient/*.rs?a=2"),
}


@pytest.mark.parametrize("held", HELD.values(), ids=HELD)
def test_comparing_two_large_sets_of_scopes_is_bounded(
    world: World, held: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """security.md 3.5, H6: an app that anybody may register asks for 200 scopes with six alternatives each in the
    place of 200 others; what is gone through for one of them is a thousand comparisons at most.
    """
    with world.app.app_context(), world.services.db.write() as session:
        world.services.fhir_servers.update(session, "main", {"registration": "open"})
    vendor = Vendor(world.transport)
    registered = vendor.register(scope=held)
    done = 0

    def counted(case: constraints.Case, query: constraints.Query) -> bool:
        nonlocal done
        done += 1
        return matches(case, query)

    matches = constraints.matches
    monkeypatch.setattr(resource, "matches", counted)
    ScopeSet.parse(held).covers(ScopeSet.parse(WANTED))
    assert done <= 1_000 * len(WANTED.split())
    assert vendor.replace(registered, scope=WANTED).status == 200


@dataclass
class Silent(Outbound):
    """Takes every call and says nothing until it is told to."""

    called: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    enough: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        super().__init__()

    def exchange(self, url: str, sent: Sent, limits: Limits, *, trusted: bool) -> Answer:  # noqa: ARG002  as it is called
        self.called.release()
        assert self.enough.wait(30)
        raise FetchFailed("out of time")


def test_slow_addresses_of_one_stranger_take_few_threads(tmp_path: Path) -> None:
    """H6, OpenID Connect Core §8.1: a process has eight threads, and an address that a stranger names may keep each of
    them waiting for five seconds; beyond two at once it is asked later, and everything else is answered.
    """
    silent = Silent()
    world = build(settings_in(tmp_path, registrations_per_hour="100"), silent)
    with world.app.app_context(), world.services.db.write() as session:
        world.services.fhir_servers.update(session, "main", {"registration": "open"})
    slow = {**METADATA, "sector_identifier_uri": "https://slow.example/"}
    with ThreadPoolExecutor(8) as strangers:
        waiting = [strangers.submit(Vendor(world.transport).send, slow) for _ in range(2)]
        assert all(silent.called.acquire(timeout=10) for _ in waiting)
        others = [strangers.submit(Vendor(world.transport).send, slow) for _ in range(6)]
        replies = [one.result(timeout=10) for one in others]
        assert {(reply.status, reply.header("retry-after")) for reply in replies} == {(503, "2")}
        assert Vendor(world.transport).send(METADATA).status == 201
        silent.enough.set()
        assert [one.result(timeout=10).status for one in waiting] == [400, 400]
    world.services.backend.close()


def test_names_that_a_stranger_registers_are_not_looked_up_in_the_place_of_anybody_elses(tmp_path: Path) -> None:
    """H6: a name server that hangs holds eight look-ups; those for clients that sign in are others."""
    services = build(settings_in(tmp_path)).services
    own = services.registration
    keys = services.token_server.services.key_sets
    of_strangers = [own.registrations.sectors.outbound, own.checks.published.outbound, keys.strangers.outbound]
    of_clients = [services.outbound, keys.approved.outbound]
    places = [one.guard.lookups[False] for one in (*of_strangers, *of_clients)]
    assert [one is places[0] for one in places] == [True, True, True, False, False]
    services.backend.close()


def test_a_network_has_not_as_many_tries_as_addresses(tmp_path: Path) -> None:
    """RG-19, RL-02: whoever has a /48 of their own looks after registrations as often as four addresses may."""
    world = build(settings_in(tmp_path, trusted_proxies="127.0.0.1"))
    replies = []
    for number in range(1_201):
        headers = {**bearer("nonsense"), "X-Forwarded-For": f"2001:db8:1:{number // 250:x}::1"}
        replies.append(world.transport.send("GET", f"{ISSUER}/register/nobody", headers).status)
    assert replies == [*[401] * 1_200, 429]
    world.services.backend.close()
