"""The administrators' pages in a real browser, without JavaScript: to read, to touch, and by keyboard alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.browser.test_pages import check_looks, new_context
from tests.browser.test_pages import served as served  # noqa: PLC0414  the fixture
from tests.developers.maker import open_registration
from tests.flows.test_administration import add_administrator
from tests.flows.test_branding import square
from tests.flows.test_review_pages import register_at

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page
    from pyotp import TOTP

    from tests.world import World

pytestmark = pytest.mark.browser

NAME = "Growth Chart with quite a long name that its makers like very much indeed"


@pytest.fixture(scope="module")
def app(served: World) -> TOTP:
    """The authenticator app of the one administrator."""
    open_registration(served)
    return add_administrator(served)


@pytest.fixture
def opened(served: World, app: TOTP) -> World:
    """A while after the last sign-in, whose code is spent."""
    served.clock.forward(minutes=1)
    return served


def sign_in(page: Page, world: World, app: TOTP) -> None:
    page.goto(f"{world.issuer}/admin")
    page.fill("[name=username]", "ada")
    page.fill("[name=password]", "ada-password")
    page.fill("[name=code]", app.at(world.clock()))
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("Apps that registered themselves")


def proposing(world: World) -> str:
    """An app with everything a page can show: a logo, a report, a history, a proposed change."""
    client_id = register_at(world, world.issuer, client_name=NAME, client_uri="https://elsewhere.example")
    with world.services.db.write() as session:
        world.services.client_logos.upload(session, client_id, square())
        world.services.registration.checks.ask(session, client_id)
    members = world.services.registration.review.show(client_id).metadata | {"client_name": f"{NAME}, changed"}
    world.services.registration.proposals.propose(client_id, members, "A better name")
    return client_id


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1280])
def test_every_page_is_readable_and_large_enough_to_touch(
    chromium: Browser, opened: World, app: TOTP, scheme: str, width: int
) -> None:
    """WCAG 2.2 AA: 1.4.3 contrast, 1.4.10 reflow at 320 px, 2.5.8 target size; REQ-121."""
    client_id = proposing(opened)
    context = new_context(chromium, color_scheme=scheme, viewport={"width": width, "height": 700})
    page = context.new_page()
    page.goto(f"{opened.issuer}/admin")
    check_looks(page)
    page.fill("[name=username]", "ada")
    page.fill("[name=password]", "wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_be_visible()
    check_looks(page)
    sign_in(page, opened, app)
    for path in ("", "?state=approved", f"/{client_id}", f"/{client_id}/consent"):
        page.goto(f"{opened.issuer}/admin/registrations{path}")
        check_looks(page)
    opened.clock.forward(minutes=14)
    page.goto(f"{opened.issuer}/admin/registrations")
    opened.clock.forward(minutes=14)
    page.goto(f"{opened.issuer}/admin/registrations/{client_id}")
    page.locator("form", has=page.locator("button[value=approve]")).locator("[name=code]").fill("1")
    page.get_by_role("button", name="Approve").click()
    expect(page.get_by_role("alert")).to_contain_text("Nothing was decided.")
    check_looks(page)
    context.close()


def test_an_app_is_declined_by_keyboard_alone(chromium: Browser, opened: World, app: TOTP) -> None:
    """WCAG 2.1.1, 2.4.3: everything is reached in the order of reading."""
    client_id = register_at(opened, opened.issuer, client_name="Zinnia")
    context = new_context(chromium)
    page = context.new_page()
    sign_in(page, opened, app)
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent").strip().startswith("Zinnia"):
            break
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_contain_text("Zinnia")
    reason = page.locator("form", has=page.locator("button[value=decline]")).locator("[name=note]")
    for _ in range(60):
        page.keyboard.press("Tab")
        if reason.evaluate("e => e === document.activeElement"):
            break
    page.keyboard.type("The privacy policy is missing")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_contain_text("declined")
    expect(page.locator(".steps")).to_contain_text("The privacy policy is missing")
    assert opened.services.registration.review.show(client_id).state.value == "declined"
    context.close()
