"""The pages for the makers of apps in a real browser, without JavaScript."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.browser.pictures import picture
from tests.browser.small_app import SmallApp, running
from tests.browser.test_pages import check_looks, new_context
from tests.browser.test_pages import served as served  # noqa: PLC0414  the fixture
from tests.developers.maker import open_registration
from tests.flows.test_administration import add_administrator
from tests.world import FHIR

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

    from tests.world import World

pytestmark = pytest.mark.browser


@pytest.fixture
def opened(served: World) -> World:
    open_registration(served)
    return served


@pytest.fixture
def app(opened: World) -> Iterator[SmallApp]:
    with running(SmallApp(opened.issuer, FHIR)) as app:
        yield app


def register(page: Page, world: World, app: SmallApp) -> None:
    """An app for clinicians, by the form; the app gets what the page shows once."""
    page.goto(f"{world.issuer}/developers")
    page.get_by_role("link", name="Register an app").first.click()
    page.get_by_role("link", name="An app that clinicians open from the EHR").first.click()
    page.get_by_label("Name of the app").fill("Small App")
    page.locator("[name=redirect_uri]").first.fill(f"{app.origin}/callback")
    page.locator("[name=launch_uri]").first.fill(f"{app.origin}/launch")
    page.get_by_label("Results and measurements").check()
    page.get_by_role("button", name="Show what will be sent").click()
    expect(page.locator("pre").first).to_contain_text('"client_name": "Small App"')
    page.get_by_role("button", name="Register the app").click()
    expect(page.locator("h1")).to_have_text("Small App is registered")
    app.client_id = shown(page, "client_id")
    app.secret = shown(page, "client_secret")


def shown(page: Page, name: str) -> str:
    return page.locator(f"dt:text-is('{name}') + dd").inner_text()


def open_alone(page: Page, app: SmallApp, user: str) -> None:
    """Somebody opens the app themselves and signs in."""
    page.goto(f"{app.origin}/start")
    page.fill("[name=username]", user)
    page.fill("[name=password]", f"{user}-password")
    page.get_by_role("button", name="Sign in").click()


def approve(chromium: Browser, world: World, app: SmallApp) -> None:
    """Somebody at the hospital looks at it and agrees."""
    context = new_context(chromium)
    page = context.new_page()
    second_factor = add_administrator(world)
    page.goto(f"{world.issuer}/admin/registrations/{app.client_id}")
    page.fill("[name=username]", "ada")
    page.fill("[name=password]", "ada-password")
    page.fill("[name=code]", second_factor.at(world.clock()))
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("link", name="Small App").click()
    expect(page.locator("h1")).to_contain_text("Small App")
    page.locator("form", has=page.locator("button[value=approve]")).locator("[name=note]").fill("Welcome.")
    page.get_by_role("button", name="Approve").click()
    context.close()


def test_an_app_goes_from_the_form_to_production(chromium: Browser, opened: World, app: SmallApp) -> None:
    """REQ-112, LAU-01: registers, launches in the sandbox, is refused for somebody real, is approved, works."""
    context = new_context(chromium)
    page = context.new_page()
    register(page, opened, app)

    page.get_by_role("link", name="Go to the page of this app").click()
    expect(page.locator(".patient strong")).to_have_text("In the sandbox")
    page.get_by_role("link", name="Try it").click()
    page.get_by_role("button", name="Make a launch").click()
    with context.expect_page() as tab:
        page.get_by_role("link", name="Open the app as the EHR would").click()
    tried = tab.value
    expect(tried.locator("body")).to_contain_text("Not approved by Test Hospital.")
    tried.get_by_role("button", name="Allow", exact=True).click()
    expect(tried.locator("#told")).to_have_text("patient A, scope launch openid fhirUser patient/Observation.rs")

    stranger = new_context(chromium)
    real = stranger.new_page()
    with opened.services.db.write() as session:
        user = opened.services.users.add(session, "nurse", "Nora Real")
        opened.services.users.link(session, user.sub, "main", "Practitioner/nora")
        opened.services.passwords.set_password(session, user.sub, "nurse-password")
    open_alone(real, app, "nurse")
    expect(real.locator("#told")).to_contain_text("access_denied: the app is not approved yet: only test accounts can")
    page.get_by_role("link", name="See what happened").click()
    picture(page.main_frame, "makers-what-happened")
    refused = page.locator("li.bad").first
    expect(refused).to_contain_text("the request was refused access_denied the app is not approved yet")
    expect(page.locator("main")).not_to_contain_text("Nora")

    page.get_by_role("link", name="Your app", exact=True).click()
    page.get_by_role("button", name="Ask for production").click()
    expect(page.locator(".patient strong")).to_have_text("Waiting for a decision")
    approve(chromium, opened, app)
    page.reload()
    expect(page.locator(".patient strong")).to_have_text("In production")
    expect(page.locator(".patient")).to_contain_text("The hospital says: Welcome.")

    launch = opened.ehr.launch(app.client_id, "nurse", patient="real-1")
    real.goto(launch["launch_url"])
    expect(real.locator("body")).not_to_contain_text("Not approved")
    real.get_by_role("button", name="Allow", exact=True).click()
    expect(real.locator("#told")).to_have_text("patient real-1, scope launch openid fhirUser patient/Observation.rs")
    page.goto(f"{opened.issuer}/developers/app/attempts")
    expect(page.locator("main")).not_to_contain_text("real-1")
    stranger.close()
    context.close()


def focus(page: Page, selector: str) -> None:
    """Go on with the Tab key until the keyboard is there."""
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("(wanted) => document.activeElement.matches(wanted)", selector):
            return
    raise AssertionError(f"{selector} can not be reached by keyboard")


def test_an_app_is_registered_by_keyboard_alone(chromium: Browser, opened: World) -> None:
    """WCAG 2.2 §2.1.1, §3.3.1: without JavaScript and without a mouse; an error is beside its field and announced."""
    context = new_context(chromium)
    page = context.new_page()
    page.goto(f"{opened.issuer}/developers")
    focus(page, "a.button[href$='/register']")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("What kind of app is it?")
    focus(page, "a.card[href*='kind=patient-web'][href*='main']")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("An app for patients, on the web")
    focus(page, "[name=client_name]")
    page.keyboard.type("Keyboard App")
    focus(page, "[name=redirect_uri]")
    page.keyboard.type("http://app.example/cb")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_be_visible()
    wrong = page.locator("[name=redirect_uri]").first
    expect(wrong).to_have_accessible_description("http://app.example/cb: http is for loopback only; use https")
    focus(page, "[name=redirect_uri]")
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type("https://app.example/cb")
    focus(page, "[name=data][value=results]")
    page.keyboard.press("Space")
    focus(page, "[name=stays]")
    page.keyboard.press("ArrowDown")
    focus(page, "button[value=review]")
    page.keyboard.press("Enter")
    expect(page.locator("pre").first).to_contain_text("online_access patient/Patient.rs patient/Observation.rs")
    focus(page, "button[value=send]")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("Keyboard App is registered")
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1280])
def test_every_page_is_readable_and_large_enough_to_touch(
    chromium: Browser, opened: World, app: SmallApp, scheme: str, width: int
) -> None:
    """WCAG 2.2 AA: 1.4.3 contrast, 1.4.10 reflow at 320 px, 2.5.8 target size; REQ-121."""
    context = new_context(chromium, color_scheme=scheme, viewport={"width": width, "height": 700})
    page = context.new_page()
    for path in ("", "/scopes", "/register", "/sign-in", "/register?kind=backend&fhir_server=main"):
        page.goto(f"{opened.issuer}/developers{path}")
        check_looks(page)
    page.get_by_label("Name of the app").fill("No keys")
    page.get_by_role("button", name="Show what will be sent").click()
    expect(page.get_by_role("alert")).to_be_visible()
    check_looks(page)
    register(page, opened, app)
    check_looks(page)
    for path in ("/app", "/app/launch", "/app/attempts", "/app/keys", "/app/change", "/app/delete", "/consent-preview"):
        page.goto(f"{opened.issuer}/developers{path}")
        check_looks(page)
    context.close()
