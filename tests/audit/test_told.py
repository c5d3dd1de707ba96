"""Every refusal is on the trail, whichever address it was asked at (security.md G-11, AU-1), with what is known."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from authz import limits
from authz.audit.search import Query, search
from authz.audit.trail import HAS_TOLD
from authz.limits import Limits
from authz.storage.limiter import Limit

if TYPE_CHECKING:
    import pytest

    from tests.world import World

REFUSED = {400, 401, 403, 422}


def refusals(world: World, request_id: str) -> list[str]:
    with world.services.db.read() as session:
        found = list(search(session, Query(request_id=request_id, outcome="refused")))
    return [record["event"] for record in found]


def routes(world: World) -> list[tuple[str, str]]:
    rules = {
        (method, re.sub("<[^>]*>", "main", rule.rule))
        for rule in world.app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    return sorted(rules)


def test_a_refusal_of_any_endpoint_is_on_the_trail_once(world: World) -> None:
    """G-11, AU-1: wrong credentials, a parameter twice; by whom is known as far as it is."""
    client, refused, missing = world.app.test_client(), 0, []
    for number, (method, path) in enumerate(routes(world)):
        request_id = f"request-{number}"
        headers = {"Authorization": "Basic eDp5", "X-Request-Id": request_id}
        body = None if method == "GET" else {"token": ["a", "b"]}
        answer = client.open(path, method=method, headers=headers, data=body)
        if answer.status_code in REFUSED:
            refused += 1
            told = refusals(world, request_id)
            if len(told) != 1:
                missing.append((method, path, answer.status_code, told))
    assert missing == []
    assert refused > 25


def test_what_no_endpoint_tells_of_says_where_it_was(world: World) -> None:
    world.app.test_client().post("/logout", data="a=1&a=2", headers={"X-Request-Id": "request-1"})
    with world.services.db.read() as session:
        (record,) = search(session, Query(request_id="request-1"))
    assert (record["event"], record["reason"], record["detail"], record["peer"]) == (
        "request.refused",
        "invalid_request",
        {"endpoint": "logout.answer_or_begin", "method": "POST"},
        "127.0.0.1",
    )


def test_each_refusal_is_told_whatever_id_its_sender_gives_it(world: World) -> None:
    """G-11, RL-02: with one id for all of them nobody passes by the trail, nor by the count of refusals."""
    client = world.app.test_client()
    for _ in range(5):
        client.post("/logout", data="a=1&a=2", headers={"X-Request-Id": "request-1"})
    assert refusals(world, "request-1") == ["request.refused"] * 5


def test_an_address_that_is_not_there_fills_no_disk(world: World) -> None:
    assert world.app.test_client().get("/nowhere", headers={"X-Request-Id": "request-1"}).status_code == 404
    assert refusals(world, "request-1") == []


def test_a_flood_of_refusals_ends_in_one_record_of_the_limit(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """RL-01: the answer stays what it was; the trail has the first ones, and that it was too many."""
    one_each = Limits(world.services.limits.limiter, people=200)
    monkeypatch.setattr(world.services, "limits", one_each)
    monkeypatch.setattr(limits, "REFUSALS", Limit("refusals", 1, 60))
    client = world.app.test_client()
    for number in range(210):
        answer = client.post("/logout", data="a=1&a=2", headers={"X-Request-Id": f"request-{number}"})
        assert answer.status_code == 400
    with world.services.db.read() as session:
        found = [record["event"] for record in search(session, Query(outcome="refused"))]
    assert (found.count("rate_limited"), found.count("request.refused")) == (1, 200)


def test_a_token_says_who_acts_and_for_which_server(world: World) -> None:
    """security.md 4.1, "Per record": actor and role, aud, granted scope, ids, where from."""
    handle = world.ehr.launch("public", "Practitioner/dr", patient="A")["launch"]
    world.public.tokens(handle, "launch openid patient/*.rs")
    with world.services.db.read() as session:
        (record,) = search(session, Query(event="token.issued"))
        (code,) = search(session, Query(event="code.issued"))
    assert (record["role"], record["aud"], record["patient"]) == ("Practitioner", "https://fhir.example/r4", "A")
    assert code["role"] == "Practitioner"
    known = ("sub", "client_id", "fhir_server", "scope", "grant_id", "token_id", "launch_id", "request_id", "peer")
    assert [name for name in known if not record[name]] == []


def test_only_the_request_at_hand_is_told_of(world: World) -> None:
    HAS_TOLD.set(False)  # whatever this thread did before
    world.app.test_client().post("/logout", data="a=1&a=2", headers={"X-Request-Id": "request-1"})
    assert HAS_TOLD.get() is False
