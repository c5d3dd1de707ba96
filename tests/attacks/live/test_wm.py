"""WM: the handle for SMART Web Messaging (security.md 2.10)."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

import pytest

from tests.actors import basic
from tests.attacks.live.people import again, revoke_client
from tests.attacks.live.target import ALONE, LAUNCHED
from tests.messaging import SCOPE, Window
from tests.world import APP, SECRET

if TYPE_CHECKING:
    from tests.attacks.live.target import Target

INACTIVE = {"active": False}
OFFLINE = f"{SCOPE} offline_access".replace("online_access ", "")


def window(target: Target) -> Window:
    return Window(target.ehr, target.pub)


def is_active(target: Target, handle: str, **more: str) -> bool:
    return window(target).is_active(handle, **{"origin": APP, **more})


def test_no_handle_without_a_messaging_scope(target: Target) -> None:
    """WM-01: nor without an EHR's window, nor when a person opened the app alone."""
    members = {"smart_web_messaging_handle", "smart_web_messaging_origin"}
    _, without = window(target).opened(LAUNCHED)
    nowhere = target.bought(scope=f"{LAUNCHED} messaging/ui")
    alone = target.tokens_for_alice(f"{ALONE} messaging/ui")
    for tokens in (without, nowhere, alone):
        assert members.isdisjoint(tokens)
        assert "messaging" not in tokens["scope"]
    _, tokens = window(target).opened()
    assert members <= tokens.keys()


def test_handles_are_random_and_tell_nothing(target: Target) -> None:
    """WM-02: 256 bits, nothing in common with the access token or with one another."""
    opened = [window(target).opened()[1] for _ in range(12)]
    handles = [one["smart_web_messaging_handle"] for one in opened]
    assert len(set(handles)) == len(handles)
    for tokens, handle in zip(opened, handles, strict=True):
        assert len(handle.removeprefix("swm_")) >= 43
        assert handle.removeprefix("swm_")[:8] not in tokens["access_token"]
    columns = zip(*(handle.removeprefix("swm_")[:42] for handle in handles), strict=True)
    assert all(len(set(letters)) > 1 for letters in columns)


def test_a_handle_is_nothing_but_a_handle(target: Target) -> None:
    """WM-03: no bearer token, no launch, code, refresh token or session."""
    handle = window(target).handle()
    bearer = {"Authorization": f"Bearer {handle}"}
    assert target.send("GET", "/userinfo", bearer).status == 401
    target.inactive(target.rs.ask(handle))
    target.redirected(target.pub.launched(handle, LAUNCHED), "invalid_request")
    target.refused(target.pub.redeem(handle), 400, "invalid_grant")
    target.refused(target.pub.refresh(handle), 400, "invalid_grant")
    asked = {"X-Original-Method": "GET", "X-Original-URI": "/r4/Patient/A", **bearer}
    assert target.send("GET", "/forward-auth/main", asked).status == 401
    browser = target.browser()
    browser.cookies["authz_session"] = handle
    assert 'name="password"' in browser.open(target.pub.authorize_url(scope=ALONE)).text
    assert target.send("GET", f"/authorize?interaction={handle}").status == 400
    for path in ("/introspect", "/web-messaging/introspect"):
        reply = target.send("POST", path, {"Content-Type": "application/x-www-form-urlencoded", **bearer}, b"token=x")
        target.refused(reply, 401, "invalid_token")
    assert is_active(target, handle)


WRONG: list[dict[str, str]] = [
    *({"origin": origin} for origin in ("null", "", "*", f"{APP}.evil", f"{APP}/", APP.upper(), "http://app.example")),
    {"origin": "https://app.example:8443"},
    {"origin": "https://conf.example"},
    {"ehr_session": "wm-2"},
    {"ehr_session": ""},
]


def test_whatever_does_not_fit_reads_the_same(target: Target) -> None:
    """WM-05: a handle from nowhere, of another FHIR server, another session, another or no origin."""
    handle = window(target).handle(session="wm-1")
    one = window(target)
    told = [one.check("swm_" + secrets.token_urlsafe(32), origin=APP), one.check("x", origin=APP)]
    told += [
        one.check(handle, **{"origin": APP, "message_type": "ui.done", **wrong})
        for wrong in WRONG
        if all(wrong.values())
    ]
    told += [one.check(handle, message_type="ui.done")]
    told += [
        one.check(almost, origin=APP)
        for almost in (handle + "A", handle[:-1], handle.swapcase(), handle.removeprefix("swm_"))
    ]
    elsewhere = Window(target.ehr2, target.pub)
    told.append(elsewhere.check(handle, origin=APP))
    assert all(answer == INACTIVE for answer in told), told
    assert is_active(target, handle, ehr_session="wm-1")


def test_a_handle_ends_with_what_it_stands_on(target: Target) -> None:
    """WM-06: revocation of its grant, sign-out of the EHR, its own end, a client switched off, time."""
    handle, tokens = tokens_of(target, session="wm-2")
    target.pub.revoke(tokens["refresh_token"])
    assert not is_active(target, handle)
    handle, _ = tokens_of(target, session="wm-3")
    target.ehr.end_session("wm-3")
    assert not is_active(target, handle)
    handle, _ = tokens_of(target)
    assert window(target).revoke(handle=handle).status == 200
    assert not is_active(target, handle)
    handle, _ = tokens_of(target)
    with again(target, client_id="public"):
        revoke_client(target, "public")
        assert not is_active(target, handle)
    handle, _ = tokens_of(target)
    target.clock.forward(hours=13)
    assert not is_active(target, handle)


def tokens_of(target: Target, **context: Any) -> tuple[str, dict[str, Any]]:
    _, tokens = window(target).opened(**context)
    return tokens["smart_web_messaging_handle"], tokens


def test_only_an_ehr_checks_handles(target: Target) -> None:
    """WM-07: neither app nor FHIR server, and another tenant's EHR ends none."""
    handle, tokens = tokens_of(target)
    for path in ("introspect", "revoke"):
        for headers, status in (
            ({}, 401),
            (basic("confidential", SECRET), 401),
            (basic("asking", "ZZ9-secret-of-the-asking-client"), 401),
            ({"Authorization": f"Bearer {tokens['access_token']}"}, 403),
            (basic("ehr-main", "wrong"), 401),
        ):
            reply = window(target).post(path, {"handle": handle, "origin": APP}, headers)
            target.refused(reply, status, "invalid_client", "invalid_token", "insufficient_scope")
    assert Window(target.ehr2, target.pub).revoke(handle=handle).status == 200
    assert is_active(target, handle)


def test_a_refresh_brings_no_messages_and_keeps_the_handle(target: Target) -> None:
    """WM-09: as docs/how-to/web-messaging.md says; the old one is the same one, or dead."""
    _, without = window(target).opened(f"{LAUNCHED} online_access")
    for scope in ("messaging/ui", f"{LAUNCHED} messaging/ui"):
        target.refused(target.pub.refresh(without["refresh_token"], scope=scope), 400, "invalid_scope")
    handle, tokens = tokens_of(target)
    target.refused(target.pub.refresh(tokens["refresh_token"], scope="messaging/fhir"), 400, "invalid_scope")
    after = target.pub.refresh(tokens["refresh_token"]).json()
    newest = after["smart_web_messaging_handle"]
    assert is_active(target, newest)
    assert newest == handle or not is_active(target, handle)


@pytest.mark.parametrize(
    "message_type",
    ["scratchpad.create", "fhir.http", "ui", "UI.done", "ui.done.x", "messaging/ui", "*", "ui.*", "x" * 300],
)
def test_a_message_outside_the_granted_groups_is_refused(target: Target, message_type: str) -> None:
    """WM-10."""
    _, tokens = window(target).opened("launch patient/Observation.rs messaging/ui")
    handle = tokens["smart_web_messaging_handle"]
    answer = window(target).check(handle, origin=APP, message_type=message_type)
    assert answer == INACTIVE or answer["allowed"] is False, answer
    assert window(target).check(handle, origin=APP, message_type="ui.done")["allowed"] is True
