"""Who opens an app, and how: the stories of the demo that ``test_demo`` does not tell."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.browser.test_demo import chart

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page

    from tests.hospital import Hospital

pytestmark = pytest.mark.browser


def portal(context: BrowserContext, hospital: Hospital, person: str, patient: str) -> Page:
    """Somebody who is no member of staff signs in at the EHR, which is a portal to them."""
    page = context.new_page()
    page.goto(f"{hospital.config.ehr}/")
    page.click(f".person[data-name={person}]")
    page.wait_for_url(lambda url: "sign-in" not in url)
    page.goto(f"{hospital.config.ehr}/patients/{patient}?tab=apps")
    return page


def test_in_a_new_tab_the_app_shows_the_open_chart_without_a_login_page(
    strict_profile: BrowserContext, hospital: Hospital
) -> None:
    """LAU-01, LAU-02, REQ-70: the same launch outside the frame; the window that opened it stays reachable."""
    page = chart(strict_profile, hospital, "child-2")
    with strict_profile.expect_page() as opened:
        page.locator(".app", has_text="Growth Chart").get_by_text("Open in a new tab").click()
    app = opened.value
    app.locator("svg.plot").wait_for()
    expect(app.locator("#patient")).to_contain_text("Brandt")
    assert app.evaluate("window.opener !== null")


def test_a_parent_opens_an_app_from_the_portal_and_is_always_asked(
    strict_profile: BrowserContext, hospital: Hospital
) -> None:
    """REQ-113, CTX-13: the launch vouches for the parent, the child is the patient; consent is shown each time."""
    page = portal(strict_profile, hospital, "parent", "child-2")
    for _ in range(2):
        page.reload()
        page.click("text=Open in the chart")
        frame = page.frame_locator("#app-frame")
        allow = frame.locator("button[value=allow]")
        allow.wait_for()
        expect(frame.locator("input[name=password]")).to_have_count(0)
        allow.press("Enter")
        frame.locator("svg.plot").wait_for()
        expect(frame.locator("#bar-end")).to_contain_text("Katharina Brandt")


def test_a_patient_opens_an_app_from_the_portal_in_a_new_tab_and_is_asked(
    strict_profile: BrowserContext, hospital: Hospital
) -> None:
    """CTX-13, AMB-30, REQ-88: no sign-in page, the consent page each time, and nobody's record but one's own."""
    page = portal(strict_profile, hospital, "patient", "pat-1")
    for _ in range(2):
        with strict_profile.expect_page() as opened:
            page.locator(".app", has_text="Growth Chart").get_by_text("Open in a new tab").click()
        app = opened.value
        allow = app.locator("button[value=allow]")
        allow.wait_for()
        expect(app.locator("input[name=password]")).to_have_count(0)
        allow.press("Enter")
        expect(app.locator("#patient")).to_contain_text("Okafor")
        app.close()


def test_a_parent_who_says_no_leaves_the_app_with_nothing(strict_profile: BrowserContext, hospital: Hospital) -> None:
    """REQ-88, AUTHZ-23: the app in the portal's frame hears ``access_denied``."""
    page = portal(strict_profile, hospital, "parent", "child-1")
    page.click("text=Open in the chart")
    frame = page.frame_locator("#app-frame")
    frame.locator("button[value=deny]").press("Enter")
    expect(frame.locator("body")).to_contain_text("did not agree")
