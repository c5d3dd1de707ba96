"""The page of an EHR launch whose EHR session has ended, or that has stood open for long (security.md LAU-11, H4).

No cookie is asked for there: whoever sits at the screen would search in the clinician's name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.pickers.test_staff_picker import change, search, text, trail

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.actors import Browser
    from tests.fhir import FakeFhir
    from tests.transport import Reply
    from tests.world import World

SCOPE = "launch launch/patient patient/Observation.rs offline_access"
UNUSABLE = "the launch is unknown, expired or already used"


def left_open(world: World) -> tuple[Browser, Reply, str]:
    change(world, staff_picker=True, launch_picker=True)
    made = world.ehr.launch("public", "Practitioner/dr", session="s-1")
    browser = world.browser()
    page = browser.open(world.public.authorize_url(launch=str(made["launch"]), scope=SCOPE))
    page = search(browser, page, name="berg")
    assert "Berg" in text(page)
    return browser, page, str(made["launch_id"])


def refused(reply: Reply) -> bool:
    told = reply.location_parameters
    return told["error"] == "invalid_request" and UNUSABLE in told["error_description"]


def signs_out(world: World, _launch_id: str) -> None:
    assert world.ehr.end_session("s-1").status == 204


def withdraws(world: World, launch_id: str) -> None:
    assert world.ehr.withdraw(launch_id).status == 204


def loses_the_ehr(world: World, _launch_id: str) -> None:
    with world.services.db.write() as session:
        world.services.ehrs.set_enabled(session, "ehr-main", enabled=False)


@pytest.mark.parametrize("ends", [signs_out, withdraws, loses_the_ehr])
def test_nobody_searches_on_when_the_launch_is_over(
    world: World, fhir: FakeFhir, ends: Callable[[World, str], None]
) -> None:
    """SCP-33, REQ-87: neither the hospital's patients nor anybody's visits; the FHIR server is asked nothing."""
    browser, page, launch_id = left_open(world)
    ends(world, launch_id)
    before = len(fhir.asked)
    searched = len(trail(world, "records.searched"))
    assert refused(search(browser, page, name="brandt"))
    assert len(fhir.asked) == before
    assert len(trail(world, "records.searched")) == searched


def test_a_page_of_a_launch_does_not_stay_open_for_ever(world: World, fhir: FakeFhir) -> None:
    """SCP-33: each answer gives the page its time anew, but not beyond one page's time after the launch's own end."""
    browser, page, _ = left_open(world)
    seconds = world.services.settings.launch_seconds + world.services.settings.interaction_seconds
    world.clock.forward(seconds=seconds / 2)
    page = search(browser, page, name="brandt")
    assert "Brandt" in text(page)
    world.clock.forward(seconds=seconds / 2)
    before = len(fhir.asked)
    assert refused(search(browser, page, name="berg"))
    assert len(fhir.asked) == before
