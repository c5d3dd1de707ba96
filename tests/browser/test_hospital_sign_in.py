"""People sign in at the hospital's provider (npm oidc-provider) in Chromium: alone, and from the EHR's frame."""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

import pytest
from playwright.sync_api import expect

from tests.browser.looking import WIDER_THAN_THE_SCREEN
from tests.browser.test_pages import TOO_FAINT, TOO_SMALL
from tests.live import live_server
from tests.node_provider import SECRET, Hospital, know, provider
from tests.world import APP

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import BrowserContext, Page

pytestmark = [pytest.mark.browser, pytest.mark.node]


class Around(BaseHTTPRequestHandler):
    """The EHR's page, into which the test puts a frame."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>EHR</title>")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class's signature
        pass


@pytest.fixture(scope="module")
def ehr() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Around)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://localhost:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="module")
def hospital(tmp_path_factory: pytest.TempPathFactory, ehr: str) -> Iterator[Hospital]:
    with live_server(tmp_path_factory.mktemp("hospital")) as live, provider(live, client_secret=SECRET) as found:
        know(found, label="Hospital ID")
        live.change_fhir_server(ehr_origins=[ehr], reauthenticate=True)
        yield found


def at_the_provider(page: Page, hospital: Hospital, login: str) -> None:
    """Its own pages: name and password, then its own consent."""
    page.wait_for_url(f"{hospital.issuer}/interaction/**")
    page.fill("input[name=login]", login)
    page.fill("input[name=password]", "any")
    page.click("button[type=submit]")
    page.wait_for_load_state()
    page.click("button[type=submit]")


def code_of(url: str) -> str:
    return dict(parse_qsl(urlsplit(url).query))["code"]


def check_is_readable(page: Page) -> None:
    """WCAG 2.2 AA §1.4.3, §1.4.10, §2.5.8."""
    for width in (320, 1280):
        page.set_viewport_size({"width": width, "height": 700})
        assert page.evaluate(WIDER_THAN_THE_SCREEN) is False
    assert page.evaluate(TOO_FAINT) == []
    assert page.evaluate(TOO_SMALL) == []


def test_a_patient_signs_in_at_the_hospital_and_shares_with_an_app(
    strict_profile: BrowserContext, hospital: Hospital
) -> None:
    """Issue 6.1, HC-02: with cookies of other sites blocked; form-action and SameSite let the round trip through."""
    page = strict_profile.new_page()
    page.goto(hospital.live.public.authorize_url(scope="launch/patient patient/*.rs openid"))
    at_the_provider(page, hospital, "idp-alice")
    expect(page.locator("h1")).to_contain_text("Public App")
    with page.expect_request(f"{APP}/**") as asked:
        page.click("button[value=allow]")
    assert hospital.live.public.redeem(code_of(asked.value.url)).json()["patient"] == "A"


def test_in_the_frame_of_the_ehr_a_window_opens_and_its_code_goes_on(
    strict_profile: BrowserContext, hospital: Hospital, ehr: str
) -> None:
    """Issue 6.1, decision 14, REQ-4: no cookie in the frame, no script; the provider is never framed."""
    launch = hospital.live.ehr.launch("public", "doctor", patient="A")["launch"]
    url = hospital.live.public.authorize_url(launch=launch, scope="launch patient/*.rs openid")
    page = strict_profile.new_page()
    page.goto(f"{ehr}/")
    page.evaluate(
        "url => document.body.append(Object.assign(document.createElement('iframe'), "
        "{src: url, width: 600, height: 600}))",
        url,
    )
    frame = page.frame_locator("iframe")
    with strict_profile.expect_page() as opened:
        frame.get_by_text("Sign in with Hospital ID").press("Enter")
    window = opened.value
    at_the_provider(window, hospital, "idp-doctor")
    expect(window.locator("h1")).to_have_text("You are signed in")
    check_is_readable(window)
    code = window.locator(".patient strong").inner_text()
    frame.locator("input[name=code]").fill(code)
    with page.expect_request(f"{APP}/**") as asked:
        frame.get_by_role("button", name="Go on").press("Enter")
    assert hospital.live.public.redeem(code_of(asked.value.url)).json()["patient"] == "A"


def test_the_pages_of_the_sign_in_can_be_read(lenient_profile: BrowserContext, hospital: Hospital) -> None:
    """WCAG 2.2 AA: the choice, and a failure in words, on a phone and on a screen, in light and in dark."""
    made = hospital.live.app.extensions["authz"]
    with hospital.live.app.app_context(), made.db.write() as session:
        made.at_provider.federation.rulebook.update(session, "main", {"local_accounts": True})
    page = lenient_profile.new_page()
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        page.goto(hospital.live.public.authorize_url(scope="openid"))
        check_is_readable(page)
        page.get_by_text("Sign in with Hospital ID").click()
        page.wait_for_url(f"{hospital.issuer}/interaction/**")
        page.click("text=[ Cancel ]")
        expect(page.locator("[role=alert]")).to_contain_text("Hospital ID did not sign you in.")
        check_is_readable(page)
