"""Where and when a protected patient was treated is protected itself: staff say why before visits are shown."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pytest

from authz.audit.disclosures import disclosures
from authz.audit.search import Query, search
from authz.policy.sensitive import HookedSensitivity
from tests.actors import FORM, Forms
from tests.flows.test_breaking_the_glass import GLASS, WHY, Rules, broken, give
from tests.my_apps.test_story import title
from tests.pickers.test_launch_picker import launched
from tests.pickers.test_staff_picker import change, doctor, granted, offered, trail
from tests.pickers.test_staff_picker import search as look_for
from tests.world import ISSUER

if TYPE_CHECKING:
    from collections.abc import Callable

    from authz.policy.sensitive import Sensitivity, SensitivityQuestion
    from tests.actors import Browser
    from tests.fhir import FakeFhir
    from tests.transport import Reply
    from tests.world import World

    Opening = Callable[[World], tuple[Browser, Reply]]

VISITS = "Which visit should Public App open?"
ALONE = "launch/patient launch/encounter openid fhirUser patient/Observation.rs"
FROM_EHR = "launch launch/encounter patient/Observation.rs"


def alone(world: World) -> tuple[Browser, Reply]:
    """A clinician opens the app by itself, and chooses patient B."""
    browser, page = doctor(world, ALONE)
    return browser, browser.submit(look_for(browser, page, name="berg"), press="B")


def from_ehr(world: World) -> tuple[Browser, Reply]:
    return launched(world, FROM_EHR, patient="B")


def as_visits(browser: Browser, page: Reply, action: str) -> Reply:
    """What the page sent, had it been the one of the visits."""
    handle = dict(Forms(page.text).fields)["interaction"]
    body = urlencode({"interaction": handle, "action": action}).encode()
    return browser.follow(browser.request("POST", f"{ISSUER}/select-encounter", body, {"Content-Type": FORM}))


class WithoutVisit:
    """Rules by which records are protected unless they are opened for a visit."""

    def is_sensitive(self, question: SensitivityQuestion) -> bool:
        return "launch/encounter" not in question.scope


OPENINGS = pytest.mark.parametrize("opening", [alone, from_ehr])


@pytest.fixture
def world(world: World) -> World:
    change(world, staff_picker=True, launch_picker=True, sensitive_patients=["B"])
    return world


def asked_of(world: World, rules: Sensitivity) -> None:
    object.__setattr__(world.services.authorization.judge, "sensitivity", HookedSensitivity(rules))


def visits_searched(fhir: FakeFhir) -> bool:
    return any("Encounter" in asked.token["scope"] for asked in fhir.asked)


@OPENINGS
def test_the_reason_is_asked_before_the_visits_are_shown(world: World, fhir: FakeFhir, opening: Opening) -> None:
    """REQ-87, LAU-11: reason, visit, consent; where there was a reason, it is not asked for again."""
    browser, page = opening(world)
    assert (page.status, title(page)) == (200, GLASS)
    assert not visits_searched(fhir)
    page = give(browser, page)
    assert title(page) == VISITS
    assert offered(page, "encounter") == ["visit-2", "visit-1"]
    answer = granted(world, browser, browser.submit(page, press="visit-1"))
    wanted = ("patient", "encounter", "purpose_of_use", "expires_in")
    assert {name: answer[name] for name in wanted} == {
        "patient": "B",
        "encounter": "visit-1",
        "purpose_of_use": "ETREAT",
        "expires_in": 900,
    }


@OPENINGS
def test_no_other_form_leads_past_the_reason_to_the_visits(world: World, fhir: FakeFhir, opening: Opening) -> None:
    """LC-27, REQ-87: neither a search of visits, nor to go on without one."""
    browser, page = opening(world)
    page = as_visits(browser, page, "search")
    assert title(page) == GLASS
    assert as_visits(browser, page, "without").status == 403
    assert not visits_searched(fhir)


@OPENINGS
def test_who_saw_the_visits_is_on_the_trail_whatever_becomes_of_it(world: World, opening: Opening) -> None:
    """REQ-87, AU-11: one line for each time, also where nothing is granted in the end."""
    browser, page = opening(world)
    page = give(browser, page)
    (event,) = broken(world)
    assert (event["reason"], event["patient"], event["detail"]) == ("ETREAT", "B", {"text": WHY})
    assert browser.submit(page, press="cancel").location_parameters["error"] == "access_denied"
    assert broken(world) == [event]
    assert {row.launch_id for row in trail(world, "records.searched") if row.patient == "B"} == {event["launch_id"]}


@OPENINGS
def test_the_same_line_tells_of_what_was_granted(world: World, opening: Opening) -> None:
    """REQ-87, AU-11: the reason is found by what was granted, and among the disclosures."""
    browser, page = opening(world)
    granted(world, browser, browser.submit(give(browser, page), press="visit-1"))
    (event,) = broken(world)
    with world.services.db.read() as session:
        (issued,) = search(session, Query(event="token.issued", client_id="public"))
        (told,) = disclosures(session, Query(patient="B", client_id="public"))
    assert issued["grant_id"] == event["grant_id"]
    assert (told["purpose"], told["why"]) == ("ETREAT", f"emergency access by staff: {WHY}")


def test_it_is_looked_at_again_when_the_visit_is_known(world: World) -> None:
    """REQ-87: protected is what is granted in the end; a visit may change that."""
    change(world, sensitive_patients=[])
    asked_of(world, WithoutVisit())
    browser, page = alone(world)
    assert title(page) == VISITS
    page = browser.submit(page, press="without")
    assert title(page) == GLASS
    assert granted(world, browser, give(browser, page))["purpose_of_use"] == "ETREAT"


def test_rules_that_do_not_answer_show_no_visits(world: World, fhir: FakeFhir) -> None:
    """Decision 0054: as if the records were protected."""
    change(world, sensitive_patients=[])
    asked_of(world, Rules(OSError("down")))
    _, page = alone(world)
    assert title(page) == GLASS
    assert not visits_searched(fhir)
