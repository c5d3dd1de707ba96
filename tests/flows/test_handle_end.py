"""When a handle is over: with the session, the grant and whoever it depends on, at once and for every worker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest

from tests.messaging import MESSAGES, SCOPE, Window, messaging_world
from tests.world import APP, EVERYTHING, FHIR, ISSUER

if TYPE_CHECKING:
    from collections.abc import Callable

    from authz.services import Services
    from tests.world import World

INACTIVE = {"active": False}
OFFLINE = SCOPE.replace("online_access", "offline_access openid")
MEMBERS = ("smart_web_messaging_handle", "smart_web_messaging_origin")


@pytest.fixture
def window(world: World) -> Window:
    return messaging_world(world)


def members(tokens: dict[str, Any]) -> list[str]:
    return [tokens[name] for name in MEMBERS if name in tokens]


def test_a_refresh_repeats_the_handle_and_a_smaller_token_has_none(world: World, window: Window) -> None:
    """WM-09, WM-01, 10.8 (8): per grant, not per token; what an app leaves out of one token it keeps for the next."""
    _, first = window.opened(session="s-1")
    assert world.fhir_server.introspect(first["access_token"]).keys().isdisjoint(MEMBERS)
    second = world.public.refresh(first["refresh_token"]).json()
    assert members(second) == members(first)
    smaller = world.public.refresh(second["refresh_token"], scope="patient/Observation.rs online_access").json()
    assert (smaller["scope"], members(smaller)) == ("patient/Observation.rs online_access", [])
    assert window.check(first[MEMBERS[0]])["scope"] == "messaging/ui messaging/scratchpad"
    narrower = world.public.refresh(smaller["refresh_token"], scope="messaging/ui.done").json()
    assert (narrower["scope"], members(narrower)) == ("messaging/ui.done", members(first))
    wider = world.public.refresh(narrower["refresh_token"], scope="messaging/fhir")
    assert (wider.status, wider.json()["error"]) == (400, "invalid_scope")


def test_every_launch_has_a_handle_of_its_own(window: Window) -> None:
    """WM-02, 10.8 (1): random, and nothing of the token or the patient is in it."""
    opened = [window.opened()[1] for _ in range(20)]
    handles = {tokens["smart_web_messaging_handle"] for tokens in opened}
    assert len(handles) == len(opened)
    assert all(len(handle) == len("swm_") + 43 for handle in handles)
    assert not handles & {tokens["access_token"] for tokens in opened}


ENDS: dict[str, Callable[[World, dict[str, Any]], object]] = {
    "the app revokes its refresh token": lambda w, t: w.public.revoke(t["refresh_token"]),
    "a used refresh token comes again": lambda w, t: reused(w, t["refresh_token"]),
    "the EHR ends the session": lambda w, _: w.ehr.end_session("s-1"),
    "the user is disabled": lambda w, _: revoke_user(w.services, "doctor"),
    "the client is disabled": lambda w, _: change(w, lambda s: s.revocation.revoke_client("public", "disabled")),
    "the FHIR server is disabled": lambda w, _: change(w, lambda s: s.revocation.revoke_fhir_server("main", "off")),
    "the EHR is disabled": lambda w, _: change(w, lambda s: s.revocation.revoke_ehr("ehr-main", "off")),
    "the patient is another's": lambda w, _: change(
        w, lambda s: s.revocation.revoke_patients([], "over", within=lambda _: [(sub(s, "doctor"), "main", "A")])
    ),
    "it gets too old": lambda w, _: w.clock.forward(hours=12),
}


def reused(world: World, token: str) -> None:
    assert world.public.refresh(token).status == 200
    world.clock.forward(seconds=11)
    assert world.public.refresh(token).json()["error"] == "invalid_grant"


def sub(services: Services, name: str) -> str:
    user = services.users.by_name(name)
    assert user is not None
    return user.sub


def revoke_user(services: Services, name: str) -> None:
    services.revocation.revoke_user(sub(services, name), "user_disabled")


def change(world: World, revoke: Callable[[Services], int]) -> None:
    assert revoke(world.services) == 1


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS.keys())
@pytest.mark.parametrize("scope", [SCOPE, OFFLINE], ids=["online", "offline"])
def test_it_is_over_at_once_with_what_it_depends_on(
    world: World, window: Window, end: Callable[[World, dict[str, Any]], object], scope: str
) -> None:
    """WM-06, 10.8 (7, 9), web-messaging 2.5: whatever the refresh scope, and although a hot copy lies there."""
    _, tokens = window.opened(scope, session="s-1")
    handle = tokens["smart_web_messaging_handle"]
    assert window.is_active(handle, origin=APP, ehr_session="s-1")
    end(world, tokens)
    assert window.check(handle, origin=APP) == INACTIVE
    assert window.check(handle) == INACTIVE


def test_a_replayed_code_takes_the_handle_back(world: World, window: Window) -> None:
    """WM-06, 10.8 (7), RFC 6749 §4.1.2."""
    made = window.ehr.launch("public", "Practitioner/dr", patient="A", web_messaging_origin=window.origin)
    code = world.public.code(made["launch"], SCOPE)
    handle = world.public.redeem(code).json()["smart_web_messaging_handle"]
    assert window.is_active(handle)
    assert world.public.redeem(code).json()["error"] == "invalid_grant"
    assert window.check(handle) == INACTIVE


def test_offline_access_goes_on_without_the_window(world: World, window: Window) -> None:
    """web-messaging 2.5, REQ-80: the session's end ends the handle; the refreshed token has no messaging scope."""
    _, tokens = window.opened(OFFLINE, session="s-1")
    assert window.is_active(tokens["smart_web_messaging_handle"])
    world.ehr.end_session("s-1")
    assert world.fhir_server.introspect(tokens["access_token"])["active"] is True
    later = world.public.refresh(tokens["refresh_token"]).json()
    assert (later["scope"], members(later)) == ("launch patient/Observation.rs offline_access openid", [])
    refused = world.public.refresh(later["refresh_token"], scope="messaging/ui")
    assert (refused.status, refused.json()["error"]) == (400, "invalid_grant")


def test_an_app_that_signs_its_user_out_has_no_handle_any_more(world: World, window: Window) -> None:
    """WM-06, OpenID Connect RP-Initiated Logout §2: of an EHR's session the app ends what is its own."""
    _, tokens = window.opened(OFFLINE, session="s-1")
    handle = tokens["smart_web_messaging_handle"]
    assert window.is_active(handle)
    world.browser().open(f"{ISSUER}/logout?{urlencode({'id_token_hint': tokens['id_token']})}")
    assert window.check(handle) == INACTIVE
    assert world.fhir_server.introspect(tokens["access_token"])["active"] is True


@pytest.mark.parametrize(("session", "hours"), [("s-1", 12), (None, 4)])
def test_it_lasts_no_longer_than_a_session_may(world: World, window: Window, session: str | None, hours: int) -> None:
    """Decision 10, web-messaging 2.5: whatever is not ended by its EHR ends by itself; a refresh does not help."""
    _, tokens = window.opened(OFFLINE, **({} if session is None else {"session": session}))
    handle = tokens["smart_web_messaging_handle"]
    expires = window.check(handle)["exp"]
    assert expires == int(world.clock().timestamp()) + hours * 3600
    world.clock.forward(hours=hours - 1)
    tokens = world.public.refresh(tokens["refresh_token"]).json()
    assert (tokens["smart_web_messaging_handle"], window.check(handle)["exp"]) == (handle, expires)
    world.clock.forward(hours=1)
    assert window.check(handle) == INACTIVE
    assert "messaging" not in str(world.public.refresh(tokens["refresh_token"]).json())


NEW = ["https://new.example"]
CHANGES: dict[str, Callable[[Any, Services], object]] = {
    "the app is not registered for it": lambda s, m: m.clients.update(s, "public", {"scope": EVERYTHING}, {}),
    "the app is native by now": lambda s, m: m.clients.update(s, "public", {"application_type": "native"}, {}),
    "the app's pages are elsewhere by now": lambda s, m: m.clients.update(
        s, "public", {"smart_web_messaging_origins": NEW}, {}
    ),
    "the origin is not the EHR's": lambda s, m: m.fhir_servers.update(s, "main", {"ehr_origins": ()}),
    "web messaging is switched off": lambda s, m: m.fhir_servers.update(s, "main", {"without": ("web-messaging",)}),
    "EHR launches are switched off": lambda s, m: m.fhir_servers.update(s, "main", {"without": ("ehr-launch",)}),
}


@pytest.mark.parametrize("undo", CHANGES.values(), ids=CHANGES.keys())
def test_what_is_registered_is_asked_again_every_minute(
    world: World, window: Window, undo: Callable[[Any, Services], object]
) -> None:
    """Decision 20: a change that revokes no grant ends the handle within a minute, and at the next refresh for good."""
    handle = window.handle()
    assert window.is_active(handle)
    with world.services.db.write() as session:
        undo(session, world.services)
    world.clock.forward(seconds=61)
    assert window.check(handle) == INACTIVE


def test_a_refresh_narrows_the_handle_to_what_the_policy_still_allows(world: World, window: Window) -> None:
    """Decision 20: and never widens it again; the last scope takes the handle with it."""
    _, tokens = window.opened()
    handle = tokens["smart_web_messaging_handle"]
    register(world, f"{EVERYTHING} messaging/ui.done")
    tokens = world.public.refresh(tokens["refresh_token"], scope="patient/Observation.rs online_access").json()
    assert window.check(handle)["scope"] == "messaging/ui.done"
    register(world, f"{EVERYTHING} {MESSAGES}")
    world.clock.forward(seconds=61)
    assert window.check(handle)["scope"] == "messaging/ui.done"
    register(world, EVERYTHING)
    tokens = world.public.refresh(tokens["refresh_token"]).json()
    register(world, f"{EVERYTHING} {MESSAGES}")
    tokens = world.public.refresh(tokens["refresh_token"]).json()
    assert (members(tokens), window.check(handle)) == ([], INACTIVE)


def register(world: World, scope: str) -> None:
    with world.services.db.write() as session:
        world.services.clients.update(session, "public", {"scope": scope}, {})


def test_the_ehr_ends_a_handle_a_session_or_a_launch(world: World, window: Window) -> None:
    """REQ-11, 10.8 (9), web-messaging 10.3: always 200, once or twice; the token of the app stays."""
    for name in ("handle", "ehr_session", "launch_id"):
        made, tokens = window.opened(session=f"s-{name}")
        _, other = window.opened(session="another")
        handle = tokens["smart_web_messaging_handle"]
        assert window.is_active(handle)
        which = {"handle": handle, "ehr_session": f"s-{name}", "launch_id": made["launch_id"]}[name]
        for _ in range(2):
            reply = window.revoke(**{name: which})
            assert (reply.status, reply.body, reply.header("cache-control")) == (200, b"", "no-store")
        assert window.check(handle) == INACTIVE
        assert window.is_active(other["smart_web_messaging_handle"])
        assert world.fhir_server.introspect(tokens["access_token"])["active"] is True
        later = world.public.refresh(tokens["refresh_token"]).json()
        assert (later["scope"], members(later)) == ("launch patient/Observation.rs online_access", [])
    for which in ("unknown", "swm_unknown"):
        assert window.revoke(handle=which).status == 200


def test_an_ehr_ends_nothing_of_another_fhir_server(world: World, window: Window) -> None:
    """WM-05, LA-02: its answer is the same."""
    made, tokens = window.opened(session="s-1")
    other = Window(world.other_ehr, world.public)
    handle = tokens["smart_web_messaging_handle"]
    for which in ({"handle": handle}, {"ehr_session": "s-1"}, {"launch_id": made["launch_id"]}):
        assert other.revoke(**which).status == 200
    assert window.is_active(handle)
    for form in ({}, {"handle": handle, "launch_id": made["launch_id"]}):
        reply = window.revoke(**form)
        assert (reply.status, reply.json()) == (
            400,
            {"error": "invalid_request", "error_description": "say which: one of handle, ehr_session, launch_id"},
        )


def test_a_handle_that_was_ended_before_it_was_told_is_never_told(world: World, window: Window) -> None:
    """web-messaging 2.5: the launch was ended while the app held its code."""
    made = window.ehr.launch("public", "Practitioner/dr", patient="A", web_messaging_origin=window.origin)
    code = world.public.code(made["launch"], SCOPE)
    assert window.revoke(launch_id=made["launch_id"]).status == 200
    tokens = world.public.redeem(code).json()
    assert (tokens["scope"], members(tokens)) == ("launch patient/Observation.rs online_access", [])


def test_the_ehr_sees_its_launch_through_to_the_end(world: World, window: Window) -> None:
    """REQ-29, REQ-D13, web-messaging 10.2: with the handle as soon as the app has it, and as long as it is good."""
    made = window.ehr.launch("public", "Practitioner/dr", patient="A", web_messaging_origin=window.origin, session="s")
    asked = made["launch_id"]
    assert world.ehr.look_up(asked).json() == {
        "launch_id": asked,
        "state": "created",
        "expires_in": 300,
        "client_id": "public",
        "fhir_server": FHIR,
        "launch_url": f"{APP}/launch",
        "session": "s",
        "web_messaging_origin": window.origin,
        "patient": "A",
    }
    code = world.public.code(made["launch"], SCOPE)
    used = {"launch_id": asked, "client_id": "public", "at": int(world.clock().timestamp())}
    authorized = world.ehr.look_up(asked).json()
    granted = {"grant_id": authorized["grant_id"], "scope": SCOPE}
    assert authorized == {**used, "state": "authorized", **granted}
    tokens = world.public.redeem(code).json()
    issued = {**used, "state": "token_issued", **granted}
    assert world.ehr.look_up(asked).json() == {**issued, **dict(zip(MEMBERS, members(tokens), strict=True))}
    assert window.check(tokens["smart_web_messaging_handle"])["grant_id"] == granted["grant_id"]
    assert world.other_ehr.look_up(asked).status == 404
    window.revoke(launch_id=asked)
    assert world.ehr.look_up(asked).json() == issued
    world.ehr.end_session("s")
    assert world.ehr.look_up(asked).json() == {**used, "state": "ended", "reason": "ehr_session_ended"}


def test_a_handle_opens_nothing_else(world: World, window: Window) -> None:
    """WM-03, REQ-14, 10.8 (6): no bearer token, no code, no refresh token, no launch; no introspection by any hint."""
    handle = window.handle()
    assert window.is_active(handle)
    hints = ({}, *({"token_type_hint": hint} for hint in ("access_token", "refresh_token", "urn:authz:handle")))
    for hint in hints:
        assert world.fhir_server.ask(handle, **hint).json() == INACTIVE
    bearer = {"Authorization": f"Bearer {handle}"}
    for method, path in (("GET", "/userinfo"), ("POST", "/launch"), ("POST", "/introspect")):
        reply = world.transport.send(method, ISSUER + path, bearer)
        assert (reply.status, reply.json()["error"]) == (401, "invalid_token"), path
    assert world.public.redeem(handle).json()["error"] == "invalid_grant"
    assert world.public.refresh(handle).json()["error"] == "invalid_grant"
    assert world.public.launched(handle, SCOPE).location_parameters["error"] == "invalid_request"
    assert world.public.revoke(handle).status == 200
    assert window.is_active(handle)


def test_a_token_is_no_handle(window: Window) -> None:
    """WM-03: neither the access token nor the refresh token nor the launch."""
    made, tokens = window.opened()
    for other in (tokens["access_token"], tokens["refresh_token"], made["launch"], made["launch_id"]):
        assert window.check(other, origin=APP) == INACTIVE
