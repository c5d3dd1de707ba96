"""The demo hospital in a real browser: what a stranger sees in the first two minutes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, FrameLocator, Page, Request

    from tests.hospital import Hospital

pytestmark = pytest.mark.browser

PATIENT, NAME = "child-1", "Brandt"


def new_context(browser: Browser) -> BrowserContext:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(15_000)
    return context


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

    context.on("requestfinished", watch)
    context.add_cookies(
        [
            {
                "name": "control",
                "value": "1",
                "url": hospital.config.issuer,
                "sameSite": "None",
                "secure": True,
            }
        ]
    )
    return seen


def test_in_the_ehrs_frame_the_app_shows_the_patient_without_a_login_page(
    chromium: Browser, hospital: Hospital
) -> None:
    """Decision 14: with cookies of other sites blocked, the launch itself signs the clinician in."""
    context = new_context(chromium)
    seen = cookies_to_issuer(context, hospital)
    page = chart(context, hospital)
    frame = in_frame(page)
    expect(frame.locator("body")).to_contain_text(NAME)
    page.screenshot(path="docs/images/ehr-launch.png")
    assert seen == [None]  # the control cookie, SameSite=None, did not arrive in the frame
    context.close()


def test_the_control_cookie_arrives_where_other_sites_cookies_are_allowed(
    lenient_chromium: Browser, hospital: Hospital
) -> None:
    """The control of the test above: the same cookie does arrive in a frame when nothing blocks it."""
    context = new_context(lenient_chromium)
    seen = cookies_to_issuer(context, hospital)
    in_frame(chart(context, hospital))
    assert seen == ["control=1"]
    context.close()


def test_standing_alone_the_app_signs_in_by_password_and_asks_for_consent(
    chromium: Browser, hospital: Hospital
) -> None:
    """SMART section 6.2: sign-in, consent, and the patient's own record."""
    context = new_context(chromium)
    page = context.new_page()
    page.goto(f"{hospital.config.app}/")
    page.screenshot(path="docs/images/app.png")
    page.click("#start, text=Start")
    page.fill("input[name=username]", "patient")
    page.screenshot(path="docs/images/sign-in.png")
    page.fill("input[name=password]", "patient")
    page.click("button[value=sign_in]")
    expect(page.locator("h1")).to_contain_text("Growth Chart")
    page.screenshot(path="docs/images/consent.png")
    page.click("button[value=allow]")
    page.locator("svg.plot").wait_for()
    expect(page.locator("body")).to_contain_text("Okafor")
    page.screenshot(path="docs/images/standalone.png")
    context.close()
