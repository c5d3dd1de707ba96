"""What was agreed to, and when nobody is asked: never more than was said, and no rule that wakes up late is missed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from authz.authorize import situation
from authz.authorize.checks import Protected
from tests.flows.test_breaking_the_glass import GLASS
from tests.my_apps.test_story import title

if TYPE_CHECKING:
    from tests.actors import Browser
    from tests.world import World

AGREED = "launch/patient openid patient/Observation.rs?category=laboratory patient/Condition.rs"
SILENTLY = {  # asked with prompt=none -> what is granted, or the error
    AGREED: AGREED,
    "launch/patient patient/Observation.rs": "consent_required",
    "launch/patient patient/Observation.rs?category=laboratory,vital-signs": "consent_required",
    "launch/patient patient/Observation.rs?category=vital-signs": "consent_required",
    "launch/patient patient/Observation.rs?category=http://x|laboratory": "consent_required",
    "launch/patient patient/Observation.rs?status=final": "consent_required",
    "launch/patient patient/*.rs": "consent_required",
    "launch/patient patient/Condition.rs offline_access": "consent_required",
    "launch/patient patient/Condition.rs online_access": "consent_required",
    "launch/patient patient/Condition.rs openid profile": "consent_required",
    "launch/patient patient/Condition.rs openid fhirUser": "consent_required",
    "launch/patient patient/Condition.rs launch/encounter": "interaction_required",
    "launch/patient patient/Condition.rsu": "launch/patient",  # more than a patient may pass on
    "launch/patient patient/Condition.cruds": "launch/patient patient/Condition.rs",
}
UNTICKED = ("See problems", "Keep this access")
BOTH = "launch/patient patient/Observation.rs patient/Condition.rs offline_access"


def silently(world: World, browser: Browser, scope: str) -> str:
    told = browser.open(world.public.authorize_url(scope=scope, prompt="none")).location_parameters
    return str(told["error"] if "error" in told else world.public.redeem(told["code"]).json()["scope"])


def test_nothing_wider_is_granted_silently(world: World) -> None:
    """AZ-58, LC-10, decision 0052: by kind, category, system, letter, duration and what is told of the person."""
    browser = world.browser()
    page = browser.sign_in(browser.open(world.public.authorize_url(scope=AGREED)), "alice", "alice-password")
    browser.submit(page, press="allow")
    assert {scope: silently(world, browser, scope) for scope in SILENTLY} == SILENTLY


def test_what_was_left_out_later_is_not_granted_by_what_was_said_before(world: World) -> None:
    """Decision 0052: the last word counts, for a part of it and for how long as well."""
    browser = world.browser()
    page = browser.sign_in(browser.open(world.public.authorize_url(scope=BOTH)), "alice", "alice-password")
    browser.submit(page, press="allow")
    assert silently(world, browser, BOTH) == BOTH
    world.clock.forward(seconds=1)
    page = browser.open(world.public.authorize_url(scope=BOTH, prompt="consent"))
    browser.submit(page, press="allow", untick=UNTICKED)
    refused = (BOTH, "launch/patient patient/Observation.rs offline_access", "launch/patient patient/Condition.r")
    assert {silently(world, browser, scope) for scope in refused} == {"consent_required"}


@pytest.mark.parametrize("untick", [(), ("See problems",)], ids=["whole", "in part"])
def test_records_that_become_protected_while_somebody_agrees_need_a_reason(
    world: World, monkeypatch: pytest.MonkeyPatch, untick: tuple[str, ...]
) -> None:
    """REQ-87, decision 0054: the hospital's rules are asked twice for an answer; a doubt at either time counts."""
    handle = str(world.ehr.launch("public", "Practitioner/dr", patient="B")["launch"])
    scope = "launch patient/Observation.rs patient/Condition.rs"
    browser = world.browser()
    page = browser.open(world.public.authorize_url(scope=scope, launch=handle, prompt="consent"))
    answers = [Protected.NO] * len(untick)
    monkeypatch.setattr(situation, "is_protected", lambda *_: answers.pop() if answers else Protected.PERHAPS)
    assert title(browser.submit(page, press="allow", untick=untick)) == GLASS
