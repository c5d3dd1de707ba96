"""The pages of a person's apps in a real browser, without JavaScript: by keyboard, on a phone, in the dark."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from authz.clients.metadata import ClientMetadata
from authz.clients.registry import HospitalDecisions
from tests.browser.test_pages import look_everywhere, new_context, served, tab_to
from tests.my_apps.test_story import open_app
from tests.world import PUBLIC

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    from tests.world import World

__all__ = ["served"]
pytestmark = pytest.mark.browser

SCOPE = "launch/patient openid fhirUser patient/*.rs offline_access"
LONG = "Extraordinarily" * 17


def sign_in(page: Page, world: World, user: str) -> None:
    page.goto(f"{world.issuer}/my-apps?fhir_server=main")
    page.get_by_label("User name").fill(user)
    page.get_by_label("Password").fill(f"{user}-password")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Your apps")


def test_every_page_is_readable_large_enough_to_touch_and_fits(chromium: Browser, served: World) -> None:
    """WCAG 2.2 AA: 1.4.3, 1.4.10, 2.5.8; empty, one, many with a name without spaces, details, receipt, sessions."""
    context = new_context(chromium)
    page = context.new_page()
    page.goto(f"{served.issuer}/my-apps")
    look_everywhere(page, "where")
    sign_in(page, served, "doctor")
    look_everywhere(page, "my-apps-none")
    page.goto(f"{served.issuer}/my-apps/sessions")
    look_everywhere(page, "sessions-one")
    page.goto(f"{served.issuer}/logout")
    page.get_by_role("button", name="Sign out").click()
    with served.services.db.write() as session:
        metadata = ClientMetadata.load({**PUBLIC, "client_name": LONG, "client_uri": "https://maker.example"})
        served.services.clients.add(session, metadata, HospitalDecisions(), client_id="long")
    browser = served.browser()
    for client_id, child in (("public", "child-1"), ("long", "child-2")):
        served.public.client_id = client_id
        open_app(served, "parent", SCOPE, child, browser)
    served.public.client_id = "public"
    sign_in(page, served, "parent")
    expect(page.get_by_role("listitem")).to_have_count(2)
    look_everywhere(page, "my-apps-two")
    page.get_by_role("link", name="Ella Brandt").click()
    look_everywhere(page, "app")
    page.get_by_role("link", name="Receipt of").click()
    look_everywhere(page, "receipt")
    page.emulate_media(media="print", color_scheme="light")
    expect(page.get_by_role("link", name="Sign out")).to_be_hidden()
    page.emulate_media(media="screen")
    page.go_back()
    page.get_by_role("link", name="Take it back").click()
    look_everywhere(page, "stop")
    page.get_by_role("button", name="Take it back").click()
    expect(page.get_by_role("status")).to_have_text("Public App has no access because of you.")
    look_everywhere(page, "stopped")
    page.get_by_role("link", name="Where you are signed in").click()
    look_everywhere(page, "sessions-two")
    context.close()


def test_a_person_takes_an_app_back_by_keyboard_alone(chromium: Browser, served: World) -> None:
    """WCAG 2.2 §2.1.1, MGT-02, without JavaScript: sign in, open the app, take it back."""
    tokens = open_app(served, "alice", "launch/patient openid patient/Immunization.rs offline_access")
    context = new_context(chromium)
    page = context.new_page()
    page.goto(f"{served.issuer}/my-apps?fhir_server=main")
    expect(page.get_by_label("User name")).to_be_focused()
    page.keyboard.type("alice")
    page.keyboard.press("Tab")
    page.keyboard.type("alice-password")
    page.keyboard.press("Enter")
    for role, name in (("link", "Public App"), ("link", "Take it back"), ("button", "Take it back")):
        wanted = page.get_by_role(role, name=name)  # type: ignore[arg-type]  # one of the roles
        expect(wanted).to_be_visible()
        tab_to(page, wanted)
        page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_have_text("Public App has no access because of you.")
    assert served.fhir_server.introspect(tokens["access_token"]) == {"active": False}
    context.close()


def test_a_reason_is_given_by_keyboard_alone_and_the_page_is_readable(chromium: Browser, served: World) -> None:
    """REQ-87, WCAG 2.2 AA 1.4.3, 1.4.10, 2.1.1, 2.5.8, 3.3.1: as asked, and with what is missing said."""
    with served.services.db.write() as session:
        served.services.fhir_servers.update(session, "main", {"sensitive_patients": ["B"]})
    made = served.ehr.launch("public", "Practitioner/dr", patient="B")
    context = new_context(chromium)
    page = context.new_page()
    page.goto(served.public.authorize_url(launch=made["launch"], scope="launch patient/*.rs", prompt="consent"))
    expect(page.get_by_role("heading", level=1)).to_have_text("These records are protected")
    look_everywhere(page, "glass")
    tab_to(page, page.get_by_role("radio", name="Emergency treatment"))
    page.keyboard.press("Space")
    page.keyboard.press("Tab")
    page.keyboard.type("no         time")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("say in 10 to 500 characters")
    expect(page.get_by_role("radio", name="Emergency treatment")).to_be_checked()
    look_everywhere(page, "glass-problem")
    tab_to(page, page.get_by_label("In your words"))
    page.keyboard.type(" to ask anybody")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Allow", exact=True)).to_be_visible()
    look_everywhere(page, "after-the-glass")
    context.close()
