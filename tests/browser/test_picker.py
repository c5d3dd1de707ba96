"""A clinician opens the growth chart by itself, in a real browser, against the demo hospital's FHIR server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page

    from tests.hospital import Hospital

pytestmark = pytest.mark.browser


def signed_in(context: BrowserContext, hospital: Hospital) -> Page:
    page = context.new_page()
    page.goto(f"{hospital.config.app}/")
    page.get_by_role("button", name="Connect to Lakeside General").click()
    page.fill("input[name=username]", "clinician")
    page.fill("input[name=password]", "clinician")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Whose records should Growth Chart open?")).to_be_visible()
    return page


def test_a_clinician_standing_alone_finds_the_child_and_sees_the_chart(
    strict_profile: BrowserContext, hospital: Hospital
) -> None:
    """LAU-10, LAU-11, REQ-117, REQ-124: sign-in, patient picker on the clinician's own rights, consent, chart."""
    page = signed_in(strict_profile, hospital)
    page.get_by_label("Name").fill("Brandt")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="2 people found")).to_be_visible()
    ella = page.get_by_role("button", name="Ella Brandt")
    expect(ella).to_contain_text("female · MRN LG-46257")
    ella.click()
    expect(page.locator(".patient strong")).to_have_text("Ella Brandt")
    page.click("button[value=allow]")
    page.locator("svg.plot").wait_for()
    expect(page.locator("#patient")).to_contain_text("Ella Brandt")
    again = signed_in_already(strict_profile, hospital)
    expect(again.get_by_role("heading", name="Patients you opened before")).to_be_visible()
    expect(again.get_by_role("button", name="Ella Brandt")).to_be_visible()


def signed_in_already(context: BrowserContext, hospital: Hospital) -> Page:
    page = context.new_page()
    page.goto(f"{hospital.config.app}/")
    page.get_by_role("button", name="Connect to Lakeside General").click()
    return page


def test_a_patient_is_found_by_record_number_and_by_birth_date(
    strict_profile: BrowserContext, hospital: Hospital
) -> None:
    """REQ-124: the configured parameters, against a FHIR server that asks about the token."""
    page = signed_in(strict_profile, hospital)
    page.get_by_label("Record number").fill("LG-40127")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Amara Okafor")).to_be_visible()
    page.get_by_label("Record number").fill("")
    page.get_by_label("Birth date").fill("1901-01-01")
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_role("status")).to_contain_text("Nobody was found")
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("alert")).to_contain_text("Access was not allowed")
