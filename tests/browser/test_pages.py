"""The server's own pages in a real browser, without JavaScript: by keyboard, on a phone, in the dark."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect
from werkzeug.serving import make_server

from tests.servers import free_port
from tests.world import APP, build, settings_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, BrowserContext, Page

    from tests.world import World

pytestmark = pytest.mark.browser

SCOPE = "launch/patient openid fhirUser patient/Observation.cruds patient/Condition.rs offline_access"
# Every visible text against the first ground below it that is not transparent (WCAG 2.2 §1.4.3, relative luminance).
TOO_FAINT = """() => {
  const parts = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = (colour) => {
    const [r, g, b] = parts(colour).slice(0, 3).map((v) => v / 255)
      .map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const colour = getComputedStyle(e).backgroundColor;
      if (parts(colour).length === 3 || parts(colour)[3] === 1) return colour;
    }
    return "rgb(255, 255, 255)";
  };
  const texts = [...document.body.querySelectorAll("*")].filter(
    (e) => e.offsetParent && [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim()));
  return texts.map((e) => {
    const [a, b] = [light(getComputedStyle(e).color), light(ground(e))].sort((x, y) => y - x);
    return { text: e.textContent.trim().slice(0, 40), ratio: (a + 0.05) / (b + 0.05) };
  }).filter((found) => found.ratio < 4.5);
}"""
TOO_SMALL = """() => [...document.querySelectorAll("button, input:not([type=hidden]):not([type=checkbox]), label.row")]
  .filter((e) => e.getBoundingClientRect().height < 44).map((e) => e.textContent.trim() || e.name)"""
WIDER_THAN_THE_SCREEN = "() => document.documentElement.scrollWidth > document.documentElement.clientWidth"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A populated server behind real HTTP."""
    port = free_port()
    world = build(settings_in(tmp_path_factory.mktemp("served"), issuer=f"http://127.0.0.1:{port}"))
    server = make_server("127.0.0.1", port, world.app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    with world.app.app_context():
        yield world
        server.shutdown()
        thread.join()
        server.server_close()
        world.services.db.engine.dispose()
    world.services.backend.close()


def new_context(chromium: Browser, **options: Any) -> BrowserContext:
    context = chromium.new_context(java_script_enabled=False, **options)
    context.set_default_timeout(15_000)
    return context


def check_looks(page: Page) -> None:
    assert page.evaluate(TOO_FAINT) == []
    assert page.evaluate(TOO_SMALL) == []
    assert page.evaluate(WIDER_THAN_THE_SCREEN) is False
    expect(page.locator("h1")).to_have_count(1)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1280])
def test_every_page_is_readable_and_large_enough_to_touch(
    chromium: Browser, served: World, scheme: str, width: int
) -> None:
    """WCAG 2.2 AA: 1.4.3 contrast, 1.4.10 reflow at 320 px, 2.5.8 target size; REQ-121."""
    context = new_context(chromium, color_scheme=scheme, viewport={"width": width, "height": 700})
    page = context.new_page()
    page.goto(served.public.authorize_url(scope=SCOPE))
    check_looks(page)
    page.fill("[name=username]", "parent")
    page.fill("[name=password]", "wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_have_text("The user name or the password is not right.")
    check_looks(page)
    page.fill("[name=password]", "parent-password")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("Whose records should Public App open?")
    check_looks(page)
    page.get_by_role("button", name="Patient child-2").click()
    expect(page.locator(".patient strong")).to_have_text("Patient child-2")
    check_looks(page)
    page.goto(f"{served.issuer}/authorize?client_id=unknown")
    expect(page.get_by_role("alert")).to_be_visible()
    check_looks(page)
    context.close()


def test_a_patient_signs_in_and_agrees_by_keyboard_alone(chromium: Browser, served: World) -> None:
    """WCAG 2.2 §2.1.1; the redirect to the app passes the page's form-action (security.md LC-22)."""
    context = new_context(chromium)
    page = context.new_page()
    page.goto(served.public.authorize_url(scope=SCOPE))
    expect(page.get_by_label("User name")).to_be_focused()
    page.keyboard.type("alice")
    page.keyboard.press("Tab")
    page.keyboard.type("alice-password")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Allow", exact=True)).to_be_visible()
    boxes = page.get_by_role("checkbox")
    assert boxes.count() == 3
    page.keyboard.press("Tab")
    page.keyboard.press("Space")  # not the first one
    expect(boxes.nth(0)).not_to_be_checked()
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Allow", exact=True)).to_be_focused()
    with page.expect_request(f"{APP}/cb?code=*"):  # nobody is there; a form-action that forbids it asks nobody
        page.keyboard.press("Enter")
    context.close()


def test_refusing_leads_back_to_the_app(chromium: Browser, served: World) -> None:
    context = new_context(chromium)
    page = context.new_page()
    page.goto(served.public.authorize_url(scope=SCOPE))
    with page.expect_request(f"{APP}/cb?error=access_denied*"):
        page.get_by_role("button", name="Cancel").click()
    context.close()
