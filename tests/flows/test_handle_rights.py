"""A handle is good for no longer, and for no more, than what the user may share with the app."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.flows.test_breaking_the_glass import give, protect
from tests.messaging import MESSAGES, Window, messaging_world
from tests.world import APP

if TYPE_CHECKING:
    from tests.world import World

INACTIVE = {"active": False}
HANDLE = "smart_web_messaging_handle"


@pytest.fixture
def window(world: World) -> Window:
    return messaging_world(world)


def glass_broken(world: World, window: Window, scope: str, seconds: int = 0, **context: Any) -> dict[str, Any]:
    """The tokens of an app that a doctor opened for protected patient B; it redeems its code so much later."""
    protect(world, sensitive_patients=["B"])
    made = window.ehr.launch("public", "Practitioner/dr", patient="B", web_messaging_origin=window.origin, **context)
    browser = world.browser()
    page = browser.open(world.public.authorize_url(launch=made["launch"], scope=scope))
    code = give(browser, page).location_parameters["code"]
    world.clock.forward(seconds=seconds)
    tokens: dict[str, Any] = world.public.redeem(code).json()
    return tokens


@pytest.mark.parametrize("seconds", [0, 59])
@pytest.mark.parametrize("session", [{"session": "s-1"}, {}], ids=["session", "none"])
def test_a_broken_glass_gives_a_handle_for_as_long_as_its_token(
    world: World, window: Window, seconds: int, session: dict[str, str]
) -> None:
    """REQ-87, web-messaging 2.5: 15 minutes from the token on, for no message is worth more; and it says why."""
    tokens = glass_broken(world, window, f"launch patient/*.cruds offline_access {MESSAGES}", seconds, **session)
    told = window.check(tokens[HANDLE], origin=APP, message_type="fhir.http")
    token = world.fhir_server.introspect(tokens["access_token"])
    assert (told["purpose_of_use"], told["allowed"], told["fhir_scope"]) == ("ETREAT", True, "patient/*.cruds")
    assert (told["exp"], told["exp"] - told["iat"]) == (token["exp"], 900)
    world.clock.forward(seconds=899)
    assert window.is_active(tokens[HANDLE])
    world.clock.forward(seconds=1)
    assert window.check(tokens[HANDLE], origin=APP) == INACTIVE


def test_no_other_handle_speaks_of_a_reason(window: Window) -> None:
    """REQ-87: whoever was asked for none gave none."""
    assert "purpose_of_use" not in window.check(window.handle())
