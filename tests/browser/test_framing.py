"""Who may show this server's pages in a frame, as Chromium sees it."""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from demo.config import EHR_CREDENTIAL, GROWTH_CHART
from tests.actors import Ehr, SmartApp
from tests.transport import OverHttp

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import BrowserContext, Frame

    from tests.hospital import Hospital

pytestmark = pytest.mark.browser


class Blank(BaseHTTPRequestHandler):
    """A site that has nothing to do with the hospital."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>A stranger</title>")


@pytest.fixture(scope="module")
def stranger() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Blank)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()
    thread.join()


def framed(context: BrowserContext, around: str, url: str) -> Frame:
    """A frame that a page of that site opens, when it has arrived somewhere."""
    page = context.new_page()
    page.goto(around)
    with page.expect_event("framenavigated"):
        page.evaluate(
            "url => document.body.append(Object.assign(document.createElement('iframe'), {src: url, width: 600}))", url
        )
    frame = page.frames[1]
    frame.wait_for_load_state()
    return frame


def page_of_a_launch(hospital: Hospital, prompt: str) -> str:
    config = hospital.config
    transport = OverHttp(config.issuer)
    ehr = Ehr(transport, EHR_CREDENTIAL.name, EHR_CREDENTIAL.secret, config.fhir)
    made = ehr.launch(GROWTH_CHART, "Practitioner/prac-1", launch_url=f"{config.app}/launch.html", patient="child-1")
    app = SmartApp(transport, GROWTH_CHART, f"{config.app}/", config.fhir)
    return app.authorize_url(launch=made["launch"], scope="launch patient/*.rs", prompt=prompt)


def sign_in_standalone(hospital: Hospital) -> str:
    config = hospital.config
    app = SmartApp(OverHttp(config.issuer), GROWTH_CHART, f"{config.app}/", config.fhir)
    return app.authorize_url(scope="patient/*.rs")


PAGES = {"login": "Sign in", "consent": "Growth Chart"}  # by prompt, and the heading


@pytest.mark.parametrize("prompt", PAGES)
def test_the_page_of_a_launch_is_shown_in_the_frame_of_its_ehr(
    strict_profile: BrowserContext, hospital: Hospital, prompt: str
) -> None:
    """REQ-4, REQ-130, AUTHZ-25: the control of the tests below."""
    frame = framed(strict_profile, f"{hospital.config.ehr}/", page_of_a_launch(hospital, prompt))
    expect(frame.locator("h1")).to_contain_text(PAGES[prompt])


@pytest.mark.parametrize("prompt", PAGES)
def test_no_other_site_frames_the_page_of_a_launch(
    strict_profile: BrowserContext, hospital: Hospital, stranger: str, prompt: str
) -> None:
    """REQ-4, REQ-D10, AUTHZ-25: clickjacking, by nobody known, and by the page of the app itself."""
    strict_profile.route(f"{hospital.config.app}/around", lambda route: route.fulfill(body="<!doctype html>"))
    for around in (stranger, f"{hospital.config.app}/around"):
        frame = framed(strict_profile, around, page_of_a_launch(hospital, prompt))
        assert frame.url.startswith("chrome-error:")


def test_the_ehr_of_another_fhir_server_does_not_frame_the_consent_page(
    strict_profile: BrowserContext, hospital: Hospital, stranger: str
) -> None:
    """REQ-4, AUTHZ-25: an origin is registered with one FHIR server, and frames the launches of that one."""
    elsewhere = ("--base-url", "https://fhir.elsewhere.example", "--ehr-origin", stranger.rstrip("/"))
    hospital.authz("fhir-server", "add", "elsewhere", *elsewhere)
    frame = framed(strict_profile, stranger, page_of_a_launch(hospital, "consent"))
    assert frame.url.startswith("chrome-error:")


def test_not_even_the_ehr_frames_the_page_of_a_standalone_launch(
    strict_profile: BrowserContext, hospital: Hospital
) -> None:
    """REQ-D10, AUTHZ-25: there the person's session is at stake."""
    frame = framed(strict_profile, f"{hospital.config.ehr}/", sign_in_standalone(hospital))
    assert frame.url.startswith("chrome-error:")


@pytest.mark.parametrize("path", ["/logout", "/authorize?client_id=unknown", "/jwks", "/nowhere", "/static/authz.css"])
def test_not_even_the_ehr_frames_anything_else(strict_profile: BrowserContext, hospital: Hospital, path: str) -> None:
    """REQ-D10: pages, documents and errors alike."""
    frame = framed(strict_profile, f"{hospital.config.ehr}/", f"{hospital.config.issuer}{path}")
    assert frame.url.startswith("chrome-error:")
