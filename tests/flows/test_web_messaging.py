"""An app that an EHR opened gets a handle for messages, and the EHR's back end learns what it is good for."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.messaging import SCOPE, Window, messaging_world
from tests.world import APP, EHR_ORIGIN, EVERYTHING, FHIR, ISSUER

if TYPE_CHECKING:
    from tests.world import World

HANDLE = re.compile(r"swm_[A-Za-z0-9_-]{43}")
INACTIVE = {"active": False}


@pytest.fixture
def window(world: World) -> Window:
    return messaging_world(world)


def test_an_app_gets_a_handle_and_the_ehr_learns_what_it_is_good_for(world: World, window: Window) -> None:
    """REQ-2, REQ-5, REQ-13, REQ-14, REQ-15, REQ-16, REQ-17, WM-02: both members beside the token; the whole answer."""
    made, tokens = window.opened(patient="A", encounter="E1", session="s-77")
    handle = tokens["smart_web_messaging_handle"]
    assert tokens == {
        "patient": "A",
        "encounter": "E1",
        "access_token": tokens["access_token"],
        "refresh_token": tokens["refresh_token"],
        "token_type": "Bearer",
        "expires_in": 3600,
        "scope": SCOPE,
        "smart_web_messaging_handle": handle,
        "smart_web_messaging_origin": EHR_ORIGIN,
    }
    assert HANDLE.fullmatch(handle)
    now = int(world.clock().timestamp())
    said = world.fhir_server.introspect(tokens["access_token"])
    reply = window.ask(handle, origin=APP, message_type="ui.launchActivity", ehr_session="s-77", window="w-1")
    assert (reply.status, reply.header("content-type"), reply.header("cache-control")) == (
        200,
        "application/json",
        "no-store",
    )
    assert reply.json() == {
        "active": True,
        "token_type": "smart_web_messaging_handle",
        "iss": ISSUER,
        "client_id": "public",
        "client_name": "Public App",
        "scope": "messaging/ui messaging/scratchpad",
        "fhir_scope": "patient/Observation.rs",
        "app_origins": [APP],
        "smart_web_messaging_origin": EHR_ORIGIN,
        "aud": FHIR,
        "sub": said["sub"],
        "fhirUser": f"{FHIR}/Practitioner/dr",
        "patient": "A",
        "encounter": "E1",
        "launch_id": made["launch_id"],
        "ehr_session": "s-77",
        "grant_id": world.ehr.look_up(made["launch_id"]).json()["grant_id"],
        "iat": now,
        "exp": now + 12 * 3600,
        "allowed": True,
    }


def test_only_a_web_app_that_the_ehr_opened_from_its_window_gets_a_handle(world: World, window: Window) -> None:
    """REQ-21, WM-01, web-messaging 2.6, 10.8 (2, 3): else the scopes are dropped, and both members are not there."""
    told = [window.opened("launch patient/*.rs")[1]]  # not asked for
    told.append(Window(window.ehr, window.app, origin=None).opened()[1])  # the EHR named no window
    code = world.standalone(world.public, "launch/patient patient/Observation.rs messaging/ui", "alice")
    told.append(world.public.redeem(code).json())
    with world.services.db.write() as session:
        world.services.clients.update(session, "public", {"application_type": "native"}, {})
    told.append(window.opened()[1])
    with world.services.db.write() as session:
        world.services.clients.update(session, "public", {"application_type": "web", "scope": EVERYTHING}, {})
    told.append(window.opened()[1])  # not registered
    for tokens in told:
        assert "access_token" in tokens
        assert "messaging" not in f"{tokens['scope']} {' '.join(tokens)}"
