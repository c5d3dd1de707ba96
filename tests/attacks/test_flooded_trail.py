"""Strangers make the server refuse as fast as they can, from many addresses (security.md RL-02, 4.1; decision 45).

What they cause is on a trail that is kept for years: so much of it one by one, the rest as a number. Nobody is locked
out by it, and whoever has proved who they are is on record as ever.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from authz.audit import flood
from authz.audit.event import Event, EventName, Peer
from authz.audit.model import AuditEventRow
from authz.audit.order import ORDER
from authz.background import Background
from authz.errors import Unavailable
from tests.actors import FORM, Forms, basic
from tests.attacks.test_strangers import From
from tests.world import FHIR, ISSUER, build, settings_in

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from authz.audit.flood import Flood
    from tests.world import World

MOST, MOST_OF_ALL = 20, 50  # records of a network, and of all strangers
FLOODED, ELSEWHERE = "2001:db8:2::/48", "198.51.100.7"
TOKEN = {"grant_type": "client_credentials", "scope": "system/*.rs"}
GUESS = "grant_type=authorization_code&code=x&client_id={}&code_verifier=v&redirect_uri=https://a/"


@pytest.fixture
def flooded(tmp_path: Path) -> Iterator[World]:
    """A server behind a proxy, whose trail takes few records of strangers."""
    made = build(settings_in(tmp_path, trusted_proxies="127.0.0.0/8"))
    flood = trail_flood(made)
    flood.of_network, flood.of_strangers = (
        replace(limit, tries=most) for limit, most in ((flood.of_network, MOST), (flood.of_strangers, MOST_OF_ALL))
    )
    with made.app.app_context():
        yield made
        made.services.db.engine.dispose()
    made.services.backend.close()


def trail_flood(world: World) -> Flood:
    assert world.services.trail.flood is not None
    return world.services.trail.flood


def in_network(number: int) -> str:
    """Each in another /64 of one /48."""
    return f"2001:db8:2:{number:x}::1"


def guess(world: World, address: str, name: str = "nobody") -> int:
    """A code that is none, of an app that is none."""
    sent = {"Content-Type": FORM}
    return From(world.transport, address).send("POST", f"{ISSUER}/token", sent, GUESS.format(name).encode()).status


def fill(world: World, tries: int = MOST + 10) -> None:
    assert [guess(world, in_network(number), f"n{number}") for number in range(tries)] == [401] * tries


def rows(world: World, *names: str) -> Sequence[AuditEventRow]:
    with world.services.db.read() as session:
        wanted = select(AuditEventRow).where(AuditEventRow.event.in_(names)).order_by(*ORDER)
        return session.scalars(wanted).all()


def counted(world: World) -> dict[str | None, Counter[str]]:
    """By network: what has no record of its own, as the trail tells it."""
    found: dict[str | None, Counter[str]] = {}
    for row in rows(world, "strangers.counted"):
        found.setdefault(row.detail.get("network"), Counter()).update(row.detail["events"])
    return found


def test_a_network_of_many_addresses_fills_no_disk_and_is_answered_as_before(flooded: World) -> None:
    """RL-02: a /48 has so many records and a number; nothing is lost, and the answer is no other than before."""
    began = flooded.clock().isoformat(timespec="milliseconds")
    fill(flooded, 60)
    assert len(rows(flooded, "token.refused")) == MOST
    flooded.clock.forward(seconds=30)
    flooded.services.trail.sum_up()
    assert counted(flooded) == {FLOODED: Counter({"token.refused": 60 - MOST})}
    first, rest = rows(flooded, "strangers.counted")
    assert (first.outcome, first.reason, first.peer, first.sub, first.client_id) == (
        "refused",
        "network",
        None,
        None,
        None,
    )
    assert first.detail == {
        "network": FLOODED,
        "since": began,
        "events": {"token.refused": 1},
    }
    assert rest.detail["events"] == {"token.refused": 39}
    assert rows(flooded, "rate_limited", "request.refused") == []
    flooded.services.trail.sum_up()
    assert len(rows(flooded, "strangers.counted")) == 2


def test_several_networks_together_have_so_many_records_and_no_more(flooded: World) -> None:
    """RL-02: some /24s at once. Each that is over its own bound is named; the rest is counted together."""
    for network in range(6):
        for number in range(30):
            assert guess(flooded, f"203.0.{network}.{number}", f"n{network}-{number}") == 401
    flooded.services.trail.sum_up()
    assert len(rows(flooded, "token.refused")) == MOST_OF_ALL
    together = counted(flooded)
    assert set(together) == {None, *(f"203.0.{network}.0/24" for network in range(6))}
    assert sum(together.values(), Counter()) == Counter({"token.refused": 180 - MOST_OF_ALL})
    assert {row.reason for row in rows(flooded, "strangers.counted")} == {"network", "strangers"}


def test_a_flooded_network_takes_no_records_from_another(flooded: World) -> None:
    fill(flooded, 100)
    assert guess(flooded, ELSEWHERE, "neighbour") == 401
    assert rows(flooded, "token.refused")[-1].client_id == "neighbour"


def test_who_proves_who_they_are_is_served_and_on_record_in_a_flooded_network(flooded: World) -> None:
    """RL-06, G-11: a client of the hospital's, an EHR, a person; what they do, and what they are refused."""
    fill(flooded)
    here = From(flooded.transport, in_network(1))
    sent = {"Content-Type": FORM, **basic("confidential", flooded.confidential.secret or "")}
    refused = here.send("POST", f"{ISSUER}/token", sent, b"grant_type=refresh_token&refresh_token=none")
    assert (refused.status, rows(flooded, "token.refused")[-1].client_id) == (400, "confidential")
    record = {"client_id": "public", "fhir_server": FHIR, "user": "nobody"}
    flooded.ehr.transport = here
    assert flooded.ehr.post("/launch", record).status == 400
    assert rows(flooded, "launch.refused")[-1].detail["ehr"] == "ehr-main"
    handle = str(flooded.ehr.launch("public", "Practitioner/dr", patient="A")["launch"])
    flooded.public.transport = here
    assert flooded.public.tokens(handle, "launch patient/*.rs")["patient"] == "A"
    assert len(rows(flooded, "launch.created", "launch.used", "token.issued")) == 3
    browser = here.browser()
    page = browser.sign_in(browser.open(flooded.public.authorize_url(scope="openid")), "alice", "alice-password")
    assert "error" in browser.submit(page, press="cancel").location_parameters
    (shown,) = rows(flooded, "authorize.page_shown")
    (denied,) = rows(flooded, "consent.denied")
    alice = flooded.services.users.by_name("alice")
    assert alice is not None
    assert (shown.reason, shown.sub, denied.sub) == ("consent", alice.sub, alice.sub)


def test_an_app_that_nobody_has_approved_is_a_stranger_though_it_has_a_secret(flooded: World) -> None:
    """RL-02: anybody may register one."""
    fill(flooded)
    with flooded.services.db.write() as session:
        flooded.services.clients.update(session, "confidential", {}, {"approved": False})
    sent = {"Content-Type": FORM, **basic("confidential", flooded.confidential.secret or "")}
    body = b"grant_type=refresh_token&refresh_token=none"
    assert From(flooded.transport, in_network(1)).send("POST", f"{ISSUER}/token", sent, body).status == 400
    assert {row.client_id for row in rows(flooded, "token.refused")} == {f"n{number}" for number in range(MOST)}


def test_whose_token_may_not_is_on_record_in_a_flooded_network(flooded: World) -> None:
    """G-11: there is somebody behind a token of this server."""
    handle = str(flooded.ehr.launch("public", "Practitioner/dr", patient="A")["launch"])
    token = str(flooded.public.tokens(handle, "launch patient/*.rs")["access_token"])
    fill(flooded)
    here = From(flooded.transport, in_network(1))
    bearer = {"Authorization": f"Bearer {token}", "Content-Type": FORM}
    assert here.send("GET", f"{ISSUER}/userinfo", bearer).status == 403
    assert here.send("POST", f"{ISSUER}/introspect", bearer, b"token=x").status == 403
    assert (
        here.send("POST", f"{ISSUER}/ehr-session/end", bearer | {"Content-Type": "application/json"}, b"{}").status
        == 403
    )
    found = rows(flooded, "caller.refused", "introspection.refused", "ehr_session.ended")
    assert [row.reason for row in found] == ["insufficient_scope"] * 3


def test_wrong_passwords_are_on_record_one_by_one_whatever_else_is_flooded(flooded: World) -> None:
    """LC-02: nobody hides their guessing behind a flood; passwords have bounds of their own."""
    fill(flooded)
    browser = From(flooded.transport, in_network(1)).browser()
    assert browser.sign_in(browser.open(flooded.public.authorize_url(scope="openid")), "alice", "wrong").status == 401
    assert len(rows(flooded, "login.failed")) == 1


def test_requests_and_pages_of_apps_that_strangers_open_are_bounded_with_the_rest(flooded: World) -> None:
    """RL-02: bad requests, and one page that is loaded again from each address of a network."""
    first = From(flooded.transport, in_network(0))
    browser = first.browser()
    page = browser.open(flooded.public.authorize_url(scope="openid"))
    handle = dict(Forms(page.text).fields)["interaction"]
    for number in range(30):
        first.address = in_network(number)
        assert browser.open(f"{ISSUER}/authorize?interaction={handle}").status == 200
        assert first.send("GET", f"{ISSUER}/authorize?client_id=nobody").status == 400
        assert first.post("/logout", {"ui_locales": "x" * 257}).status == 400
    flooded.services.trail.sum_up()
    kinds = ("authorize.page_shown", "authorize.refused", "request.refused")
    alone = Counter(row.event for row in rows(flooded, *kinds))
    assert sum(alone.values()) == MOST
    assert alone + counted(flooded)[FLOODED] == Counter(dict.fromkeys(kinds, 30) | {"authorize.page_shown": 31})


def test_a_token_that_is_over_fills_no_disk_either(flooded: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """RL-02, H6: it names whose it was, who may have it still; from as many addresses as they like."""
    monkeypatch.setattr(flood, "OF_PERSON", replace(flood.OF_PERSON, tries=MOST))
    app = flooded.public
    tokens = app.redeem(flooded.standalone(app, "launch/patient openid patient/*.rs offline_access", "alice")).json()
    assert app.post("/revoke", {"token": tokens["refresh_token"], "client_id": app.client_id}).status == 200
    for number in range(MOST + 10):
        away = replace(app, transport=From(flooded.transport, in_network(number)))
        assert away.refresh(tokens["refresh_token"]).status == 400
    assert len(rows(flooded, "token.refused")) == MOST
    flooded.services.trail.sum_up()
    told = rows(flooded, "strangers.counted")
    alice = flooded.services.users.by_name("alice")
    assert alice is not None
    assert {(row.reason, row.sub) for row in told} == {("person", alice.sub)}
    assert sum(row.detail["events"]["token.refused"] for row in told) == 10
    guessing = Event(EventName.LOGIN_FAILED, "refused", "wrong_code", sub=alice.sub, peer=Peer(in_network(0)))
    flooded.services.trail.refused(guessing)
    assert [row.reason for row in rows(flooded, "login.failed")] == ["wrong_code"]  # hidden by none of it


def test_a_token_that_is_good_for_something_else_fills_no_disk_and_names_its_person(
    flooded: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RL-02, H6, decision 45."""
    monkeypatch.setattr(flood, "OF_PERSON", replace(flood.OF_PERSON, tries=MOST))
    app = flooded.public
    tokens = app.redeem(flooded.standalone(app, "launch/patient patient/*.rs", "alice")).json()
    told = flooded.fhir_server.introspect(tokens["access_token"])
    for number in range(2 * MOST):
        here = From(flooded.transport, in_network(number))
        answer = here.send("GET", f"{ISSUER}/userinfo", {"Authorization": f"Bearer {tokens['access_token']}"})
        assert answer.status == 403
    found = rows(flooded, "caller.refused")
    assert len(found) == MOST
    named = {(row.reason, row.sub, row.client_id, row.token_id) for row in found}
    assert named == {("insufficient_scope", told["sub"], "public", told["jti"])}
    assert {row.grant_id for row in found} != {None}


def test_theft_that_shows_itself_is_told_in_the_midst_of_a_flood(flooded: World) -> None:
    """AZ-74, TK-26, security.md 4.1: a spent code and refresh token, once each, and a launch with another app."""
    app = flooded.public
    code = flooded.standalone(app, "launch/patient openid patient/*.rs offline_access", "alice")
    other = flooded.standalone(app, "launch/patient openid patient/*.rs", "alice")
    refresh_token = app.redeem(code).json()["refresh_token"]
    assert [app.redeem(other).status, app.refresh(refresh_token).status] == [200, 200]
    handle = str(flooded.ehr.launch("public", "Practitioner/dr", patient="A")["launch"])
    flooded.clock.forward(seconds=60)
    fill(flooded)
    thief = replace(app, transport=From(flooded.transport, in_network(99)))
    assert [thief.refresh(refresh_token).status for _ in range(2)] == [400, 400]
    assert [thief.redeem(other).status for _ in range(2)] == [400, 400]
    swapped = replace(flooded.confidential, transport=thief.transport)
    assert swapped.launched(handle, "launch patient/*.rs").location_parameters["error"] == "invalid_request"
    told = [(row.event, row.reason) for row in rows(flooded, "refresh.replayed", "code.replayed", "launch.refused")]
    assert told == [("refresh.replayed", None), ("code.replayed", None), ("launch.refused", "launch_of_other_client")]


def test_a_number_that_can_not_be_written_is_written_later(flooded: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Section 4: nothing is lost silently."""
    fill(flooded)
    with monkeypatch.context() as away:

        def gone() -> None:
            raise Unavailable("away")

        away.setattr(flooded.services.db, "write", gone)
        flooded.services.trail.sum_up()
        fill_more = Counter({"token.refused": 1})
        trail_flood(flooded).note([replace(one, events=fill_more) for one in trail_flood(flooded).counted.values()])
    flooded.services.trail.sum_up()
    assert counted(flooded) == {FLOODED: Counter({"token.refused": 11})}


def test_a_process_that_stops_tells_what_it_counted(flooded: World) -> None:
    fill(flooded)
    jobs = Background.begin(flooded.app)
    jobs.end()
    assert counted(flooded) == {FLOODED: Counter({"token.refused": 10})}
