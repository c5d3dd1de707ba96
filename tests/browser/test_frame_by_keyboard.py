"""A launch in the EHR's frame by keyboard alone, without JavaScript and without a cookie."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

import pytest
from playwright.sync_api import expect

from tests.browser.test_hospital_sign_in import ehr as ehr  # noqa: PLC0414  the fixture
from tests.browser.test_pages import new_context, tab_to
from tests.browser.test_pages import served as served  # noqa: PLC0414  the fixture
from tests.browser.visit import PUT
from tests.world import APP

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from tests.world import World

pytestmark = pytest.mark.browser

SCOPE = "launch openid patient/Observation.rs patient/Condition.rs"


def test_a_clinician_signs_in_and_unticks_in_the_frame_by_keyboard_alone(
    chromium: Browser, served: World, ehr: str
) -> None:
    """WCAG 2.2 §2.1.1, decision 14, REQ-4: into the frame by Tab; what is unticked is not granted."""
    with served.services.db.write() as session:
        served.services.fhir_servers.update(session, "main", {"reauthenticate": True, "ehr_origins": [ehr]})
    made = served.ehr.launch("public", "Practitioner/dr", patient="A")
    url = served.public.authorize_url(launch=made["launch"], scope=SCOPE, prompt="consent")
    context = new_context(chromium)
    page = context.new_page()
    page.goto(f"{ehr}/")
    page.evaluate(PUT, url)
    frame = page.frame_locator("iframe")
    for password in ("wrong", "doctor-password"):
        tab_to(page, frame.get_by_label("User name"))
        page.keyboard.press("ControlOrMeta+a")
        page.keyboard.type("doctor")
        page.keyboard.press("Tab")
        page.keyboard.type(password)
        page.keyboard.press("Enter")
        if password == "wrong":
            expect(frame.get_by_role("alert")).to_have_text("The user name or the password is not right.")
    allow = frame.get_by_role("button", name="Allow", exact=True)
    expect(allow).to_be_visible()
    tab_to(page, frame.get_by_role("checkbox", name="See problems and diagnoses"))
    page.keyboard.press("Space")
    tab_to(page, allow)
    with page.expect_request(f"{APP}/cb?code=*") as sent:
        page.keyboard.press("Enter")
    code = dict(parse_qsl(urlsplit(sent.value.url).query))["code"]
    answer = served.public.redeem(code).json()
    assert (answer["scope"], answer["patient"]) == ("launch openid patient/Observation.rs", "A")
    assert context.cookies() == []
    context.close()
