"""The demo hospital in a real browser: what a stranger sees in the first two minutes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.browser.pictures import picture

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, FrameLocator, Page, Request

    from tests.hospital import Hospital

pytestmark = pytest.mark.browser

PATIENT, NAME = "child-1", "Brandt"


def chart(context: BrowserContext, hospital: Hospital, patient: str = PATIENT) -> Page:
    """The clinician signs in at the EHR and opens a chart's apps."""
    page = context.new_page()
    page.goto(f"{hospital.config.ehr}/")
    page.click(".person[data-name=clinician]")
    page.wait_for_url(lambda url: "sign-in" not in url)
    page.goto(f"{hospital.config.ehr}/patients/{patient}?tab=apps")
    return page


def in_frame(page: Page) -> FrameLocator:
    page.click("text=Open in the chart")
    frame = page.frame_locator("#app-frame")
    frame.locator("svg.plot").wait_for()
    return frame


def cookies_to_issuer(context: BrowserContext, hospital: Hospital) -> list[str | None]:
    """The Cookie headers of the frame's requests to the authorization endpoint, as they went out."""
    seen: list[str | None] = []

    def watch(request: Request) -> None:
        if request.url.startswith(f"{hospital.config.issuer}/authorize"):
            seen.append(request.all_headers().get("cookie"))

    page = context.new_page()
    page.goto(f"{hospital.config.issuer}/jwks")
    page.evaluate("document.cookie = 'control=1; SameSite=None; Secure; Path=/'")
    assert [cookie["name"] for cookie in context.cookies(hospital.config.issuer)] == ["control"]
    page.close()
    context.on("requestfinished", watch)
    return seen


def test_in_the_ehrs_frame_the_app_shows_the_patient_without_a_login_page(
    strict_profile: BrowserContext, hospital: Hospital
) -> None:
    """Decision 14: with cookies of other sites blocked, the launch itself signs the clinician in.

    REQ-4, REQ-70, REQ-130, REQ-D10.
    """
    seen = cookies_to_issuer(strict_profile, hospital)
    page = chart(strict_profile, hospital)
    frame = in_frame(page)
    expect(frame.locator("body")).to_contain_text(NAME)
    picture(page.main_frame, "demo-ehr-launch")
    assert seen == [None]  # the control cookie, SameSite=None, did not arrive in the frame


def test_the_control_cookie_arrives_where_other_sites_cookies_are_allowed(
    lenient_profile: BrowserContext, hospital: Hospital
) -> None:
    """The control of the test above: the same cookie does arrive in a frame when nothing blocks it."""
    seen = cookies_to_issuer(lenient_profile, hospital)
    in_frame(chart(lenient_profile, hospital))
    assert seen == ["control=1"]


def test_standing_alone_the_app_signs_in_by_password_and_asks_for_consent(
    strict_profile: BrowserContext, hospital: Hospital
) -> None:
    """SMART section 6.2: sign-in, consent, and the patient's own record."""
    page = strict_profile.new_page()
    page.goto(f"{hospital.config.app}/")
    page.get_by_role("button", name="Connect to Lakeside General").click()
    page.fill("input[name=username]", "patient")
    page.fill("input[name=password]", "patient")
    page.click("button[value=sign_in]")
    expect(page.locator("h1")).to_contain_text("Growth Chart")
    page.click("button[value=allow]")
    page.locator("svg.plot").wait_for()
    expect(page.locator("#patient")).to_contain_text("Okafor")
