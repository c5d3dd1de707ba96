"""Much work for one request: what a stranger may send and what it is held against are both large, and multiply."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

import pytest

from authz.scopes import MAX_BYTES, MAX_SCOPES, ScopeSet, constraints, resource
from tests.vendor import Vendor

if TYPE_CHECKING:
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
