"""What the EHR's back end is told about a handle, by whom it may be asked, and how little it says of any other."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from joserfc.jwk import ECKey

from authz.clients.metadata import ClientMetadata
from authz.clients.registry import HospitalDecisions
from authz.tokens import scan_alarm
from tests.actors import Ehr, SmartApp, basic
from tests.backend import KEYS, Backend, key_set, register
from tests.flows.test_introspection_callers import events
from tests.messaging import SCOPE, Window, messaging_world
from tests.world import APP, CONFIDENTIAL, EHR_ORIGIN, FHIR, ISSUER, OTHER_FHIR

if TYPE_CHECKING:
    from tests.world import World

INACTIVE = {"active": False}
FAILED = {"error": "invalid_client", "error_description": "client authentication failed"}


@pytest.fixture
def window(world: World) -> Window:
    return messaging_world(world)


WORDS = st.text(max_size=60).filter(str.isprintable)
WRONG: dict[str, dict[str, str]] = {
    "another origin": {"origin": "https://conf.example"},
    "null": {"origin": "null"},
    "one that begins the same": {"origin": f"{APP}.evil"},
    "with a slash": {"origin": f"{APP}/"},
    "in capitals": {"origin": APP.upper()},
    "another port": {"origin": f"{APP}:8443"},
    "without TLS": {"origin": "http://app.example"},
    "any": {"origin": "*"},
    "the EHR's own": {"origin": EHR_ORIGIN},
    "a message from nowhere": {"message_type": "ui.done"},
    "a message from nowhere, said so": {"message_type": "ui.done", "origin": ""},
    "another session": {"ehr_session": "s-2"},
}


@pytest.mark.parametrize("told", WRONG.values(), ids=WRONG.keys())
def test_what_does_not_fit_is_inactive_and_nothing_else(window: Window, told: dict[str, str]) -> None:
    """WM-05, WM-10, REQ-17: the same answer as for a handle that there never was, from SQL and from the hot copy."""
    handle = window.handle(session="s-1")
    for _ in range(2):
        assert window.check(handle, **told) == INACTIVE
        assert window.check(handle, origin=APP, ehr_session="s-1")["active"] is True
    assert window.check("swm_" + secrets.token_urlsafe(32), origin=APP) == INACTIVE


def test_a_session_that_the_launch_did_not_name_fits_none(window: Window) -> None:
    """web-messaging 10.1: and the answer names none."""
    handle = window.handle()
    assert "ehr_session" not in window.check(handle)
    assert window.check(handle, ehr_session="s-1") == INACTIVE


@pytest.mark.parametrize(
    ("scope", "allowed"),
    [
        ("messaging/ui", {"ui.done", "ui.launchActivity"}),
        ("messaging/ui.launchActivity", {"ui.launchActivity"}),
        ("messaging/scratchpad", {"scratchpad.create", "scratchpad.read", "scratchpad.update", "scratchpad.delete"}),
        ("messaging/scratchpad.read messaging/ui.done", {"scratchpad.read", "ui.done"}),
        ("messaging/fhir", {"fhir.http"}),
    ],
)
def test_a_message_is_allowed_within_the_granted_scope(window: Window, scope: str, allowed: set[str]) -> None:
    """WM-10, REQ-9, REQ-10, REQ-19, 10.8 (5): a narrow scope is echoed as it was asked for; a handshake needs none."""
    _, tokens = window.opened(f"launch patient/*.rs {scope}")
    assert tokens["scope"] == f"launch patient/*.rs {scope}"
    handle = tokens["smart_web_messaging_handle"]
    drafts = [f"scratchpad.{name}" for name in ("create", "read", "update", "delete")]
    known = ["ui.done", "ui.launchActivity", "fhir.http", "status.handshake", *drafts]
    others = ("ui", "ui.", "ui.*", "UI.done", "status", "org.example.transmogrify", "scratchpad", "*", "..", "ui.done ")
    told = {name: window.check(handle, origin=APP, message_type=name) for name in (*known, *others)}
    assert {name for name, answer in told.items() if answer["allowed"]} == allowed | {"status.handshake"}
    assert {answer["scope"] for answer in told.values()} == {scope}
    assert "allowed" not in window.check(handle, origin=APP)


def test_a_message_itself_is_none_of_our_business(window: Window) -> None:
    """REQ-25: the EHR asks whose it is; what the app wrote is not sent here, and would change nothing."""
    handle = window.handle()
    asked = {"origin": APP, "message_type": "scratchpad.create"}
    told = window.check(handle, **asked, messageId="1", payload='{"resource":{"resourceType":"ServiceRequest"}}')
    assert told == window.check(handle, **asked)
    assert "ServiceRequest" not in str(told)


def test_the_first_window_binds_the_handle(world: World, window: Window) -> None:
    """web-messaging 10.1, A8: another one is inactive, from SQL and the hot copy; a wrong origin binds nothing."""
    handle = window.handle()
    assert window.check(handle, origin="https://conf.example", window="w-2") == INACTIVE
    first = window.check(handle, origin=APP, window="w-1")
    assert first["active"] is True
    for _ in range(2):
        assert window.check(handle, origin=APP, window="w-2") == INACTIVE
        assert window.check(handle, origin=APP, window="w-1") == first
        assert window.check(handle, origin=APP) == first
        world.clock.forward(seconds=61)  # the hot copy is over
    assert window.is_active(window.handle(), window="w-2")


def test_only_the_fhir_servers_of_the_launch_hear_of_it(world: World, window: Window) -> None:
    """WM-05, web-messaging 10.1: another tenant's EHR gets the same as for a handle that there is not."""
    other = Window(world.other_ehr, SmartApp(world.transport, "public", world.public.redirect_uri, OTHER_FHIR))
    mine, theirs = window.handle(), other.handle()
    assert (window.is_active(mine), other.is_active(theirs)) == (True, True)
    assert (window.check(theirs, origin=APP), other.check(mine, origin=APP)) == (INACTIVE, INACTIVE)
    assert (window.check(mine)["aud"], other.check(theirs)["aud"]) == (FHIR, OTHER_FHIR)


def test_of_two_ehrs_at_one_fhir_server_each_has_its_own_handles(world: World, window: Window) -> None:
    """WM-05, web-messaging 10.1: from SQL and the hot copy, whatever it is asked with; it can't end it either."""
    with world.services.db.write() as session:
        world.services.ehrs.add(session, ["main"], "ehr-second", "ehr-second-secret")
    second = Window(Ehr(world.transport, "ehr-second", "ehr-second-secret", FHIR), world.public)
    handle, theirs = window.handle(session="s-1"), second.handle()
    launch_id = window.check(handle)["launch_id"]
    assert second.is_active(theirs)
    for asked in ({}, {"origin": APP}, {"ehr_session": "s-1"}, {"window": "w-1"}):
        assert second.check(handle, **asked) == INACTIVE
        assert window.check(theirs, **asked) == INACTIVE
    for which in ({"handle": handle}, {"launch_id": launch_id}, {"ehr_session": "s-1"}):
        assert second.revoke(**which).status == 200
        assert window.is_active(handle, window="w-2")
    world.clock.forward(seconds=61)  # the hot copy is over
    assert second.check(handle) == INACTIVE
    assert window.is_active(handle)


def test_whoever_is_no_ehr_is_refused(world: World, window: Window) -> None:
    """WM-07: no credential, a wrong one, an app's, a FHIR server's, a token without the scope; each on the trail."""
    _, tokens = window.opened()
    form = {"handle": tokens["smart_web_messaging_handle"]}
    expected: list[tuple[dict[str, str], int, str, str]] = [
        ({}, 401, "invalid_token", 'Bearer realm="authz"'),
        (basic("ehr-main", "wrong"), 401, "invalid_client", 'Basic realm="authz"'),
        (basic("confidential", "confidential-test-secret"), 401, "invalid_client", 'Basic realm="authz"'),
        (basic("rs-main", "rs-main-secret"), 401, "invalid_client", 'Basic realm="authz"'),
        ({"Authorization": f"Bearer {form['handle']}"}, 401, "invalid_token", ""),
        ({"Authorization": f"Bearer {tokens['access_token']}"}, 403, "insufficient_scope", ""),
    ]
    for path in ("introspect", "revoke"):
        for headers, status, error, challenge in expected:
            reply = window.post(path, form, headers)
            assert (reply.status, reply.json()["error"]) == (status, error)
            assert (reply.header("www-authenticate") or "").startswith(challenge or "Bearer")
    assert window.is_active(form["handle"])


def test_a_client_or_a_token_with_the_scope_may_ask_and_may_not_revoke(world: World, window: Window) -> None:
    """Decision 17: ``__swm_introspect`` says what a handle is good for; to end one takes an EHR, or ``__launch``."""
    handle = window.handle()
    expected = window.check(handle)
    service = register(world, "router", ("main",), scope="__swm_introspect")
    metadata = ClientMetadata.load({**CONFIDENTIAL, "scope": "__swm_introspect"})
    with world.services.db.write() as session:
        world.services.clients.add(session, metadata, HospitalDecisions(("main",)), client_id="asking", secret="s" * 43)
    by_secret, by_token = basic("asking", "s" * 43), {"Authorization": f"Bearer {service.token('__swm_introspect')}"}
    for headers in (by_secret, by_token):
        assert window.post("introspect", {"handle": handle}, headers).json() == expected
        assert window.post("revoke", {"handle": handle}, headers).status in {401, 403}
    assert service.post("/web-messaging/introspect", handle=handle).json() == expected
    assert service.post("/web-messaging/revoke", handle=handle).status == 401
    assert window.is_active(handle)


def test_a_client_that_makes_launches_is_one_ehr_among_others(world: World, window: Window) -> None:
    """WM-05, SECURITY.md H3, decision 17: whatever its token is for, it hears of the handles of its own launches only.

    And ends no others; those of an operator's launches are any EHR's. ``__launch`` asks nothing, it ends.
    """
    speaker = register(world, "speaking", ("main",), scope="__swm_introspect __launch")
    asking, ending = ({"Authorization": f"Bearer {speaker.token(scope)}"} for scope in ("__swm_introspect", "__launch"))
    record = {"client_id": "public", "fhir_server": FHIR, "user": "Practitioner/dr", "launch_url": f"{APP}/launch"}
    operators, _ = world.services.launches.create(None, record | {"web_messaging_origin": window.origin}, None)
    launches = (speaker.launch(web_messaging_origin=window.origin), operators)
    mine, anybodys = (world.public.tokens(one, SCOPE)["smart_web_messaging_handle"] for one in launches)
    theirs = window.handle()
    for _ in range(2):  # from SQL and the hot copy
        assert window.post("introspect", {"handle": theirs}, asking).json() == INACTIVE
        assert speaker.post("/web-messaging/introspect", handle=theirs).json() == INACTIVE
        assert window.check(mine) == INACTIVE
        assert window.is_active(theirs)
        for handle in (mine, anybodys):
            assert window.post("introspect", {"handle": handle}, asking).json()["active"] is True
            assert speaker.post("/web-messaging/introspect", handle=handle).json()["active"] is True
    for handle in (theirs, mine):
        assert window.post("revoke", {"handle": handle}, ending).status == 200
    assert window.is_active(theirs)
    assert window.post("introspect", {"handle": mine}, asking).json() == INACTIVE


def test_an_ehr_may_call_by_the_key_that_signs_its_launches(world: World, window: Window) -> None:
    """RFC 7523 §3, web-messaging 10.1: as a client does; each assertion once, for us, by an EHR that is not off."""
    ehr, other = Backend(world, "ehr-main"), Backend(world, "ehr-other")
    with world.services.db.write() as session:
        world.services.ehrs.set_keys(session, "ehr-main", key_set(**KEYS))
    handle, here = window.handle(), f"{ISSUER}/web-messaging/introspect"
    good = ehr.assertion(aud=here)
    assert ehr.post("/web-messaging/introspect", client_assertion=good, handle=handle).json()["active"] is True
    unknown = Backend(world, "ehr-main", {"ES384": ECKey.generate_key("P-384")})
    for wrong in (
        {"client_assertion": good},
        {"client_assertion": ehr.assertion(aud=f"{ISSUER}/elsewhere")},
        {"client_assertion": ehr.assertion(exp=0)},
        {"client_assertion": other.assertion()},
        {"client_assertion": unknown.assertion()},
        {"client_assertion": "x"},
        {"client_assertion_type": "x"},
        {"client_id": "other"},
    ):
        reply = ehr.post("/web-messaging/introspect", handle=handle, **wrong)
        assert (reply.status, reply.json()) == (401, FAILED), wrong
    with world.services.db.write() as session:
        world.services.ehrs.set_enabled(session, "ehr-main", enabled=False)
    assert ehr.post("/web-messaging/revoke", handle=handle).json() == FAILED


def test_a_question_without_a_handle_is_refused_in_oauths_form(world: World, window: Window) -> None:
    """web-messaging 10.1; no page of another origin reads an answer, and nothing goes by GET."""
    for form in ({}, {"handle": ""}, {"origin": APP}):
        reply = window.post("introspect", form)
        assert (reply.status, reply.json()) == (
            400,
            {"error": "invalid_request", "error_description": "handle is missing"},
        )
    for path in ("introspect", "revoke"):
        reply = world.transport.send("GET", f"{ISSUER}/web-messaging/{path}", basic("ehr-main", "ehr-main-secret"))
        assert (reply.status, reply.json()["error"], reply.header("allow")) == (405, "invalid_request", "OPTIONS, POST")
    headers = {**basic("ehr-main", "ehr-main-secret"), "Origin": APP}
    reply = window.post("introspect", {"handle": window.handle()}, headers)
    assert (reply.status, reply.header("access-control-allow-origin")) == (200, None)


def test_an_ehr_that_guesses_raises_an_alarm(world: World, window: Window, monkeypatch: pytest.MonkeyPatch) -> None:
    """WM-05, IN-11: handles that do not fit count like tokens that there are not."""
    monkeypatch.setattr(scan_alarm, "MANY", 3)
    handle = window.handle()
    for origin in (APP, "https://conf.example", "https://conf.example", APP):
        window.check(handle, origin=origin)
    assert events(world, "many_unknown") == 0
    window.check("guess")
    assert events(world, "many_unknown") == 1


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(WORDS.filter(bool), WORDS, WORDS, WORDS, WORDS)
def test_whatever_is_asked_about_what_is_not_there_is_answered_the_same(
    window: Window, handle: str, origin: str, kind: str, session: str, name: str
) -> None:
    """WM-05, security.md 3.5: any text as a handle, an origin, a type of message, a session or a window."""
    more = {"origin": origin, "message_type": kind, "ehr_session": session, "window": name}
    assert window.check(handle, **more) == INACTIVE
