"""``launch/encounter`` of an app that was opened by itself: which of the patient's visits, or none (SMART SCP-21)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from authz.outbound import Answer
from tests.actors import Forms
from tests.fhir import encounter
from tests.pickers.test_staff_picker import change, doctor, granted, offered, search, text, trail

if TYPE_CHECKING:
    from tests.actors import Browser
    from tests.fhir import FakeFhir
    from tests.transport import Reply
    from tests.world import World

SCOPE = "launch/patient launch/encounter openid fhirUser patient/Observation.rs"


def alice(world: World, scope: str = SCOPE, **changes: str | None) -> tuple[Browser, Reply]:
    browser = world.browser()
    page = browser.open(world.public.authorize_url(scope=scope, **changes))
    return browser, browser.sign_in(page, "alice", "alice-password")


def test_a_patient_chooses_one_of_their_own_visits(world: World, fhir: FakeFhir) -> None:
    """SMART LAU-11, CTX-12, SCP-21, FIELD context.encounter: the patient is known, the visit is asked for."""
    browser, page = alice(world)
    assert "Which visit should Public App open?" in page.text
    assert "Visits of Alice Anders born 11 Feb 1985 · female · MRN MRN-A" in text(page)
    assert offered(page, "encounter") == ["visit-A"]
    assert "2 Feb 2026 Outpatient visit: Well child check · Children&#39;s clinic · finished" in text(page)
    answer = granted(world, browser, browser.submit(page, press="visit-A"))
    assert (answer["patient"], answer["encounter"], answer["scope"]) == ("A", "visit-A", SCOPE)
    assert {asked.token["scope"] for asked in fhir.asked} == {"user/Patient.rs user/Encounter.rs"}
    assert world.fhir_server.introspect(answer["access_token"])["encounter"] == "visit-A"


def test_a_clinician_chooses_the_patient_and_then_the_visit(world: World) -> None:
    """House, flow "Authorize": forward only; the newest visit first."""
    change(world, staff_picker=True)
    browser, page = doctor(world, SCOPE)
    page = browser.submit(search(browser, page, name="berg"), press="B")
    assert offered(page, "encounter") == ["visit-2", "visit-1"]
    answer = granted(world, browser, browser.submit(page, press="visit-1"))
    assert (answer["patient"], answer["encounter"]) == ("B", "visit-1")
    names = [row.event for row in trail(world, "patient.chosen", "encounter.chosen", "code.issued")]
    assert sorted(names) == ["code.issued", "encounter.chosen", "patient.chosen"]


def test_one_may_go_on_without_a_visit(world: World) -> None:
    """Nothing is promised that does not come: ``launch/encounter`` is not granted without a visit."""
    browser, page = alice(world)
    answer = granted(world, browser, browser.submit(page, press="without"))
    assert "encounter" not in answer
    assert answer["scope"] == "launch/patient openid fhirUser patient/Observation.rs"


def test_without_any_visit_the_page_says_so(world: World, fhir: FakeFhir) -> None:
    fhir.records = [record for record in fhir.records if record["id"] != "visit-A"]
    browser, page = alice(world)
    assert "No visit is recorded." in page.text
    assert "encounter" not in granted(world, browser, browser.submit(page, press="without"))


def test_the_visit_stays_with_the_grant(world: World) -> None:
    """SMART CTX-10: context is repeated at every refresh."""
    browser, page = alice(world, f"{SCOPE} offline_access")
    answer = granted(world, browser, browser.submit(page, press="visit-A"))
    again = world.public.refresh(answer["refresh_token"]).json()
    assert (again["patient"], again["encounter"], again["scope"]) == ("A", "visit-A", f"{SCOPE} offline_access")


@pytest.mark.parametrize("scope", ["launch/encounter openid user/Observation.rs", "launch/encounter openid"])
def test_a_visit_of_nobody_is_not_asked_for(world: World, scope: str) -> None:
    """Without a patient in context there are no visits to choose from; the rest is granted."""
    change(world, staff_picker=True)
    browser, page = doctor(world, scope)
    answer = granted(world, browser, page)
    assert "encounter" not in answer
    assert answer["scope"] == scope.removeprefix("launch/encounter ")


@pytest.mark.parametrize("forged", ["visit-1", "nothing", "A", "../visit-A", ""])
def test_only_a_visit_of_this_patient_can_be_chosen(world: World, forged: str) -> None:
    """security.md LC-14: another patient's visit, another kind of record: 403, nothing issued."""
    browser, page = alice(world)
    assert browser.submit(page, {"encounter": forged}).status == 403
    assert trail(world, "code.issued") == []


def test_a_visit_is_not_a_patient(world: World, fhir: FakeFhir) -> None:
    """security.md LC-27: what the page of visits offered can't be posted as a patient."""
    browser, page = alice(world)
    handle = dict(Forms(page.text).fields)["interaction"]
    reply = browser.request(
        "POST",
        f"{world.issuer}/select-patient",
        f"interaction={handle}&patient=visit-A".encode(),
        {"Content-Type": "application/x-www-form-urlencoded"},
    )
    assert reply.status == 403


def test_visits_of_somebody_else_are_left_out_whatever_the_fhir_server_says(world: World, fhir: FakeFhir) -> None:
    """The encounter must belong to the patient in context."""
    mixed: list[dict[str, Any]] = [encounter("visit-B", "B", "2026-07-01"), encounter("visit-A", "A", "2026-02-02")]
    entries = [{"resource": resource} for resource in mixed]
    everything = {"resourceType": "Bundle", "type": "searchset", "entry": entries}
    nobody = {"resourceType": "Bundle", "type": "searchset"}
    fhir.says = [Answer(200, {}, json.dumps(one).encode()) for one in (nobody, everything)]
    _, page = alice(world)
    assert offered(page, "encounter") == ["visit-A"]
    assert "Visits of Patient A" in text(page)


def test_older_visits_come_on_further_pages(world: World, fhir: FakeFhir) -> None:
    change(world, patient_search={"page_size": 2})
    fhir.records = [r for r in fhir.records if r["resourceType"] == "Patient"]
    fhir.records += [encounter(f"v{day}", "A", f"2026-03-0{day}") for day in (5, 4, 3, 2, 1)]
    browser, page = alice(world)
    assert offered(page, "encounter") == ["v5", "v4"]
    page = browser.submit(page, press="more")
    assert offered(page, "encounter") == ["v3", "v2"]
    assert granted(world, browser, browser.submit(page, press="v2"))["encounter"] == "v2"


def test_a_fhir_server_that_does_not_answer_is_told_and_can_be_tried_again(world: World, fhir: FakeFhir) -> None:
    """Never a silent "no visits"; going on without one stays possible."""
    fhir.is_down = True
    browser, page = alice(world)
    assert "The health record system does not answer." in page.text
    assert "No visit" not in page.text
    fhir.is_down = False
    page = browser.submit(page, press="search")
    assert offered(page, "encounter") == ["visit-A"]


def test_with_prompt_none_a_visit_that_has_to_be_chosen_is_an_error(world: World, fhir: FakeFhir) -> None:
    """OIDC Core §3.1.2.6: ``interaction_required``."""
    browser, _ = alice(world)
    fhir.asked.clear()
    reply = browser.open(world.public.authorize_url(scope=SCOPE, prompt="none"))
    assert reply.location_parameters["error"] == "interaction_required"
    assert fhir.asked == []


def test_cancel_on_the_page_of_visits(world: World) -> None:
    browser, page = alice(world)
    assert browser.submit(page, press="cancel").location_parameters["error"] == "access_denied"
