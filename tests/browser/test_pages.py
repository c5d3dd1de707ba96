"""The server's own pages in a real browser, without JavaScript: by keyboard, on a phone, in the dark."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from playwright.sync_api import expect
from werkzeug.serving import make_server

from tests.browser.looking import WIDER_THAN_THE_SCREEN
from tests.browser.pictures import picture
from tests.fhir import FakeFhir
from tests.servers import free_port
from tests.world import APP, EVERYTHING, build, settings_in

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, BrowserContext, Locator, Page

    from authz.outbound import Outbound
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
TOO_SMALL = """() => {
  const targets = "button, a.button, a.card, summary, label.row, "
    + "input:not([type=hidden]):not([type=checkbox]):not([type=radio])";
  return [...document.querySelectorAll(targets)]
    .filter((e) => e.checkVisibility() && e.getBoundingClientRect().height < 44)
    .map((e) => e.textContent.trim() || e.name);
}"""
WITHOUT_LABEL_OR_GROUP = """() => {
  const legend = (e) => e.closest("fieldset").querySelector(":scope > legend");
  return [...document.querySelectorAll("input[type=checkbox], input[type=radio]")]
    .filter((e) => !e.labels[0]?.textContent.trim() || !legend(e)?.textContent.trim())
    .map((e) => e.value);
}"""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A populated server behind real HTTP."""
    fhir = FakeFhir()
    with serving(tmp_path_factory.mktemp("served"), fhir, fhir) as world:
        yield world


@contextmanager
def serving(folder: Path, fhir: FakeFhir, outbound: Outbound, **settings: str) -> Iterator[World]:
    port = free_port()
    world = build(settings_in(folder, issuer=f"http://127.0.0.1:{port}", **settings), outbound=outbound)
    fhir.introspect = world.fhir_server.introspect
    with world.app.app_context(), world.services.db.write() as session:
        world.services.fhir_servers.update(session, "main", {"staff_picker": True})
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
    page.get_by_role("button", name="Jonas Brandt").click()
    expect(page.locator(".patient strong")).to_have_text("Jonas Brandt")
    check_looks(page)
    page.goto(f"{served.issuer}/authorize?client_id=unknown")
    expect(page.get_by_role("alert")).to_be_visible()
    check_looks(page)
    context.close()


def test_a_patient_signs_in_and_unticks_by_keyboard_alone(chromium: Browser, served: World) -> None:
    """WCAG 2.2 §2.1.1, N07, LC-22: without JavaScript; what was unticked is what the app does not get."""
    context = new_context(chromium)
    page = context.new_page()
    page.goto(served.public.authorize_url(scope=SCOPE))
    expect(page.get_by_label("User name")).to_be_focused()
    page.keyboard.type("alice")
    page.keyboard.press("Tab")
    page.keyboard.type("alice-password")
    page.keyboard.press("Enter")
    allow = page.get_by_role("button", name="Allow", exact=True)
    expect(allow).to_be_visible()
    for label in ("See measurements and results", "The problem list", "Keep this access"):
        tab_to(page, page.get_by_role("checkbox", name=label))
        page.keyboard.press("Space")
        expect(page.get_by_role("checkbox", name=label)).not_to_be_checked()
    meanings = page.get_by_text("Illnesses and complaints that the people who treat keep an eye on.")
    expect(meanings).to_be_hidden()
    tab_to(page, page.get_by_text("What these words mean"))
    page.keyboard.press("Enter")
    expect(meanings).to_be_visible()
    tab_to(page, allow)
    with page.expect_request(f"{APP}/cb?code=*") as sent:  # nobody is there; a form-action that forbids it asks nobody
        page.keyboard.press("Enter")
    code = dict(parse_qsl(urlsplit(sent.value.url).query))["code"]
    condition = "http://terminology.hl7.org/CodeSystem/condition-category|encounter-diagnosis"
    concern = "http://hl7.org/fhir/us/core/CodeSystem/condition-category|health-concern"
    assert served.public.redeem(code).json()["scope"] == (
        "launch/patient openid fhirUser"
        f" patient/Condition.rs?category={condition} patient/Condition.rs?category={concern}"
    )
    context.close()


def tab_to(page: Page, wanted: Locator) -> None:
    for _ in range(40):
        if wanted.evaluate("(element) => element === document.activeElement"):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"{wanted} is not reached by the Tab key")


CONSENT_PAGES = {
    "few": ("alice", "launch/patient openid patient/Immunization.rs"),
    "categories": ("alice", SCOPE),
    "all": ("alice", "launch/patient openid fhirUser patient/*.rs offline_access"),
    "changing": ("doctor", "launch openid patient/*.cruds user/Observation.cruds __own"),
}


@pytest.mark.parametrize("name", CONSENT_PAGES)
def test_every_consent_page_is_readable_and_large_enough_to_touch(chromium: Browser, served: World, name: str) -> None:
    """WCAG 2.2 AA: 1.3.1 each box with a label in a named group, 1.4.3, 1.4.10, 2.5.8; folded and unfolded."""
    context = new_context(chromium)
    page = context.new_page()
    open_consent(page, served, *CONSENT_PAGES[name])
    assert page.evaluate(WITHOUT_LABEL_OR_GROUP) == []
    look_everywhere(page, name)
    folded = page.locator("details:not([open]) > summary")
    while folded.count():
        folded.first.click()
    look_everywhere(page, f"{name}-unfolded")
    context.close()


def open_consent(page: Page, served: World, user: str, scope: str) -> None:
    if user == "doctor":
        with served.services.db.write() as session:
            served.services.clients.update(session, "public", {"scope": f"{EVERYTHING} __own"}, {})
        made = served.ehr.launch("public", "Practitioner/dr", patient="A")
        page.goto(served.public.authorize_url(scope=scope, launch=made["launch"], prompt="consent"))
    else:
        page.goto(served.public.authorize_url(scope=scope))
        page.fill("[name=username]", user)
        page.fill("[name=password]", f"{user}-password")
        page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Allow", exact=True)).to_be_visible()


def look_everywhere(page: Page, name: str) -> None:
    for width, scheme in ((320, "light"), (320, "dark"), (1280, "light"), (1280, "dark")):
        page.set_viewport_size({"width": width, "height": 700})
        page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        picture(page.main_frame, f"{name}-{width}-{scheme}")
        check_looks(page)


def test_refusing_leads_back_to_the_app(chromium: Browser, served: World) -> None:
    context = new_context(chromium)
    page = context.new_page()
    page.goto(served.public.authorize_url(scope=SCOPE))
    with page.expect_request(f"{APP}/cb?error=access_denied*"):
        page.get_by_role("button", name="Cancel").click()
    context.close()


PICKED = "launch/patient launch/encounter openid patient/Observation.rs"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1280])
def test_every_page_on_which_staff_choose_is_readable_and_large_enough_to_touch(
    chromium: Browser, served: World, scheme: str, width: int
) -> None:
    """WCAG 2.2 AA on the search without and with results, with nobody found, with a problem, and on the visits."""
    context = new_context(chromium, color_scheme=scheme, viewport={"width": width, "height": 700})
    page = context.new_page()
    page.goto(served.public.authorize_url(scope=PICKED))
    page.fill("[name=username]", "doctor")
    page.fill("[name=password]", "doctor-password")
    page.keyboard.press("Enter")
    expect(page.get_by_label("Name")).to_be_focused()
    check_looks(page)
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_have_text("Type a name, a birth date or a record number.")
    check_looks(page)
    page.keyboard.type("nobody at all")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("Nobody was found")
    check_looks(page)
    page.get_by_label("Name").fill("b")
    page.get_by_label("Name").press("End")
    page.keyboard.type("r")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="2 people found")).to_be_focused()
    check_looks(page)
    page.get_by_label("Name").fill("berg")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Bo Berg").click()
    expect(page.locator(".patient strong")).to_have_text("Bo Berg")
    check_looks(page)
    page.get_by_role("button", name="1 Jun 2026").click()
    expect(page.locator(".patient strong")).to_have_text("Bo Berg")
    check_looks(page)
    context.close()


def test_a_clinician_finds_a_patient_and_a_visit_by_keyboard_alone(chromium: Browser, served: World) -> None:
    """WCAG 2.2 §2.1.1, without JavaScript: sign in, search, choose, agree."""
    context = new_context(chromium)
    page = context.new_page()
    page.goto(served.public.authorize_url(scope=PICKED, prompt="consent"))
    expect(page.get_by_label("User name")).to_be_focused()
    press(page, "doctor", "Tab", "doctor-password", "Enter")
    expect(page.get_by_label("Name")).to_be_focused()
    press(page, "brandt jo", "Enter")
    expect(page.get_by_role("heading", name="1 person found")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Jonas Brandt")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Which visit")).to_be_visible()
    expect(page.get_by_text("No visit is recorded.")).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="go on without a visit")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Allow", exact=True)).to_be_visible()
    for _ in range(20):
        if page.get_by_role("button", name="Allow", exact=True).evaluate("e => e === document.activeElement"):
            break
        page.keyboard.press("Tab")
    with page.expect_request(f"{APP}/cb?code=*"):
        page.keyboard.press("Enter")
    context.close()


def press(page: Page, *keys: str) -> None:
    """Keys by name, anything else as it is typed."""
    for key in keys:
        page.keyboard.press(key) if key in {"Tab", "Enter"} else page.keyboard.type(key)
