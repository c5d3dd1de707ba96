"""An EHR launch that leaves the patient or the visit open: hints, and a picker where the policy allows it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from authz.users.user import Representation
from tests.actors import Browser
from tests.my_apps.test_story import says
from tests.pickers.test_staff_picker import change, granted, offered, search
from tests.world import EHR_ORIGIN, ISSUER

if TYPE_CHECKING:
    from tests.fhir import FakeFhir
    from tests.transport import Reply
    from tests.world import World

SCOPE = "launch launch/patient openid fhirUser patient/Observation.rs user/Patient.rs"


def launched(world: World, scope: str = SCOPE, user: str = "Practitioner/dr", **context: Any) -> tuple[Browser, Reply]:
    """The app, opened by the EHR in its frame; ``prompt=consent`` shows the page that a vetted app would skip."""
    handle = str(world.ehr.launch("public", user, **context)["launch"])
    browser = Browser(world.transport)
    page = browser.open(world.public.authorize_url(launch=handle, scope=scope, prompt="consent"))
    browser.url = ISSUER
    return browser, page


def test_where_the_policy_allows_it_the_missing_patient_is_chosen(world: World) -> None:
    """REQ-132, SMART CTX-11: in the EHR's frame, without a cookie, the handle replaced at each step (decision 14)."""
    change(world, staff_picker=True, launch_picker=True)
    browser, page = launched(world)
    assert "Whose records should Public App open?" in page.text
    assert f"frame-ancestors {EHR_ORIGIN};" in (page.header("content-security-policy") or "")
    found = search(browser, page, name="brandt")
    assert offered(found) == ["child-1", "child-2"]
    assert browser.submit(page, {"action": "search", "name": "brandt"}).status == 400  # that page is over
    consent = browser.submit(found, press="child-1")
    answer = granted(world, browser, consent)
    assert (answer["patient"], answer["scope"]) == ("child-1", SCOPE)
    assert browser.cookies == {}
    assert consent.header("cross-origin-opener-policy") == "unsafe-none"


@pytest.mark.parametrize("pickers", [{"staff_picker": True}, {"launch_picker": True}, {}])
def test_where_it_does_not_the_hint_is_ignored(world: World, fhir: FakeFhir, pickers: dict[str, bool]) -> None:
    """REQ-132, CTX-11: no patient, and no ``patient/`` scope without one (CTX-10)."""
    change(world, **pickers)
    browser, page = launched(world)
    answer = granted(world, browser, page)
    assert "patient" not in answer
    assert answer["scope"] == "launch launch/patient openid fhirUser user/Patient.rs"
    assert fhir.asked == []


def test_the_patient_of_the_launch_is_never_chosen_anew(world: World, fhir: FakeFhir) -> None:
    """security.md AZ-78, CTX-11: the EHR's context wins over ``launch/patient`` beside it."""
    change(world, staff_picker=True, launch_picker=True)
    browser, page = launched(world, patient="B")
    assert "Share health records" in page.text
    assert browser.submit(page, {"patient": "A", "action": "allow"}).location_parameters["code"]
    assert [one.parameters for one in fhir.asked] == [[("_id", "B"), ("_count", "1")]]  # for the name on the page


def test_a_visit_is_chosen_beside_the_patient_of_the_launch(world: World) -> None:
    """REQ-133: ``launch/encounter`` in an EHR launch without an encounter."""
    change(world, launch_picker=True)
    browser, page = launched(world, f"{SCOPE} launch/encounter", patient="B", need_patient_banner=False)
    assert offered(page, "encounter") == ["visit-2", "visit-1"]
    answer = granted(world, browser, browser.submit(page, press="visit-2"))
    assert (answer["patient"], answer["encounter"], answer["need_patient_banner"]) == ("B", "visit-2", False)


def test_the_visit_of_the_launch_is_never_chosen_anew(world: World, fhir: FakeFhir) -> None:
    change(world, launch_picker=True)
    browser, page = launched(world, f"{SCOPE} launch/encounter", patient="B", encounter="visit-1")
    assert granted(world, browser, page)["encounter"] == "visit-1"
    assert [one.parameters for one in fhir.asked] == [[("_id", "B"), ("_count", "1")]]  # for the name on the page


def test_whose_visit_the_ehr_named_is_not_guessed(world: World, fhir: FakeFhir) -> None:
    """An encounter without a patient: a patient chosen here could be another than the visit's."""
    change(world, staff_picker=True, launch_picker=True)
    browser, page = launched(world, encounter="visit-1")
    answer = granted(world, browser, page)
    assert ("patient" in answer, answer["encounter"]) == (False, "visit-1")
    assert fhir.asked == []


def test_a_patient_who_launches_from_a_portal_is_the_patient(world: World) -> None:
    """CTX-13: self, silently, where the launch named nobody and the policy allows it."""
    change(world, launch_picker=True)
    browser, page = launched(world, "launch patient/Observation.rs", user="Patient/A")
    assert granted(world, browser, page)["patient"] == "A"


def test_a_representative_chooses_within_a_launch_unless_the_ehr_speaks_for_them(world: World) -> None:
    """CTX-13, Q-25: only represented patients; where the EHR vouches, it also says for whom."""
    change(world, launch_picker=True)
    browser, page = launched(world, "launch patient/Observation.rs", user="RelatedPerson/rel")
    assert offered(page) == ["child-1", "child-2"]
    assert granted(world, browser, browser.submit(page, press="child-2"))["patient"] == "child-2"
    change(world, vouched_representatives=True)
    browser, page = launched(world, "launch openid patient/Observation.rs", user="RelatedPerson/rel")
    assert "patient" not in granted(world, browser, page)


def test_cancel_within_a_launch(world: World) -> None:
    change(world, staff_picker=True, launch_picker=True)
    browser, page = launched(world)
    assert browser.submit(page, press="cancel").location_parameters["error"] == "access_denied"


# --- representatives who open an app by themselves


def test_a_representative_sees_names_not_numbers(world: World, fhir: FakeFhir) -> None:
    """CTX-13: birth date, sex and record number of those they represent; nobody else is asked for."""
    browser = world.browser()
    scope = "launch/patient patient/Observation.rs"
    page = browser.sign_in(browser.open(world.public.authorize_url(scope=scope)), "parent", "parent-password")
    assert "Ella Brandt born 2 Jan 2024 · female · MRN MRN-child-1" in says(page)
    assert "Jonas Brandt" in page.text
    assert 'name="name"' not in page.text
    (asked,) = fhir.asked
    assert asked.parameters == [("_id", "child-1,child-2"), ("_count", "2")]
    assert granted(world, browser, browser.submit(page, press="child-1"))["patient"] == "child-1"


def test_a_record_the_representative_may_not_see_there_is_shown_by_its_number(world: World, fhir: FakeFhir) -> None:
    """The FHIR server does not know every representative; this server's own register decides whom they may share."""
    fhir.sees["RelatedPerson/rel"] = {"child-1"}
    browser = world.browser()
    scope = "launch/patient patient/Observation.rs"
    page = browser.sign_in(browser.open(world.public.authorize_url(scope=scope)), "parent", "parent-password")
    assert "Patient child-2" in page.text
    assert offered(page) == ["child-1", "child-2"]


def test_without_names_nobody_is_offered(world: World, fhir: FakeFhir) -> None:
    """Wrong patient: while the FHIR server does not answer, the page says so and can be tried again."""
    fhir.is_down = True
    browser = world.browser()
    scope = "launch/patient patient/Observation.rs"
    page = browser.sign_in(browser.open(world.public.authorize_url(scope=scope)), "parent", "parent-password")
    assert "The health record system does not answer." in page.text
    assert offered(page) == []
    assert browser.submit(page, {"patient": "child-1"}).status == 403
    page = browser.open(world.public.authorize_url(scope=scope))
    fhir.is_down = False
    assert offered(browser.submit(page, press="search")) == ["child-1", "child-2"]


def test_a_person_is_a_representative_too(world: World, fhir: FakeFhir) -> None:
    """Q-25, CTX-13: a ``Person`` is not refused at the picker."""
    with world.services.db.write() as session:
        user = world.services.users.add(session, "grandmother", "Grandmother")
        world.services.users.link(session, user.sub, "main", "Person/p1")
        world.services.passwords.set_password(session, user.sub, "grandmother-password")
        for key in ("child-1", "child-2"):
            world.services.users.represent(session, user.sub, "main", Representation(key, "grandmother"))
    fhir.sees["Person/p1"] = {"child-1", "child-2"}
    browser = world.browser()
    scope = "launch/patient patient/Observation.rs"
    page = browser.open(world.public.authorize_url(scope=scope))
    page = browser.sign_in(page, "grandmother", "grandmother-password")
    assert "You are their grandmother" in page.text
    assert granted(world, browser, browser.submit(page, press="child-2"))["patient"] == "child-2"


def test_who_is_represented_no_more_can_not_be_chosen(world: World) -> None:
    """decision 20: the register is asked again at the choice."""
    browser = world.browser()
    scope = "launch/patient patient/Observation.rs"
    page = browser.sign_in(browser.open(world.public.authorize_url(scope=scope)), "parent", "parent-password")
    parent = world.services.users.by_name("parent")
    assert parent is not None
    with world.services.db.write() as session:
        world.services.users.represent(session, parent.sub, "main", Representation("child-3", "parent"))
        world.services.users.stop_representing(session, parent.sub, "main", "child-1")
    assert browser.submit(page, press="child-1").location_parameters["error"] == "access_denied"
