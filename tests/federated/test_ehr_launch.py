"""An EHR launch that must be confirmed by signing in at the hospital's provider: in a tab, and in the EHR's frame."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.actors import Browser

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.federated.conftest import Hospital
    from tests.transport import Reply

SCOPE = "launch patient/*.rs openid fhirUser"
DOCTOR = {"sub": "idp-doctor", "fhirUser": "Practitioner/dr"}
CODE = re.compile(r"<strong>(\d{3}) (\d{3})</strong>")


class TopLevel(Browser):
    """A browser that says what every browser says of a page without a frame around it (Fetch Metadata)."""

    def request(self, method: str, url: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Reply:
        return super().request(method, url, body, {**(headers or {}), "Sec-Fetch-Dest": "document"})


class Framed(Browser):
    """The EHR's frame: what a site sets there is not kept (decision 14)."""

    def request(self, method: str, url: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Reply:
        reply = super().request(method, url, body, {**(headers or {}), "Sec-Fetch-Dest": "iframe"})
        self.cookies.clear()
        return reply


@pytest.fixture(autouse=True)
def confirmed(hospital: Hospital) -> None:
    hospital.provider.person = dict(DOCTOR)
    with hospital.world.services.db.write() as session:
        hospital.world.services.fhir_servers.update(session, "main", {"reauthenticate": True})


def launch_url(hospital: Hospital, user: str = "doctor") -> str:
    launch = hospital.world.ehr.launch("public", user, patient="A")["launch"]
    return hospital.world.public.authorize_url(launch=launch, scope=SCOPE)


def window_link(hospital: Hospital, page: Reply) -> str:
    """Where the button of the framed page leads, in a window of its own."""
    link = re.search(r'href="(/sign-in/hospital\?[^"]+)" target="_blank" rel="noopener"', page.text)
    assert link is not None, page.text
    return hospital.world.issuer + link[1].replace("&amp;", "&")


def sign_in_beside(hospital: Hospital, page: Reply) -> str:
    """The code that the window shows after the sign-in there."""
    window = TopLevel(hospital.world.transport)
    shown = window.open(hospital.provider.visited(window.open(window_link(hospital, page)).location))
    code = CODE.search(shown.text)
    assert code is not None, shown.text
    return f"{code[1]} {code[2]}"


def test_in_a_tab_the_launch_goes_to_the_provider_and_on_to_the_app(hospital: Hospital) -> None:
    """Issue 6.1, decision 14: the launch survives the round trip; a new sign-in is demanded, not an earlier one."""
    browser = TopLevel(hospital.world.transport)
    away = browser.open(launch_url(hospital))
    asked = away.location_parameters
    assert (asked["prompt"], asked["max_age"]) == ("login", "0")
    done = browser.open(hospital.provider.visited(away.location))
    tokens = hospital.world.public.redeem(done.location_parameters["code"]).json()
    claims = hospital.world.services.keyring.verify(tokens["id_token"])
    assert (tokens["patient"], claims["fhirUser"]) == ("A", "https://fhir.example/r4/Practitioner/dr")
    assert claims["amr"] == ["mfa", "hwk"]
    assert "authz_session" not in browser.cookies


def test_an_earlier_sign_in_does_not_confirm_a_launch(hospital: Hospital) -> None:
    """OIDC Core §3.1.2.1: whoever walks up to an open EHR is not the one who signed in an hour ago."""
    hospital.provider.auth_time = hospital.provider.now() - 3600
    browser = TopLevel(hospital.world.transport)
    page = browser.open(hospital.provider.visited(browser.open(launch_url(hospital)).location))
    assert (page.status, "You have to sign in anew" in page.text) == (403, True)


def test_somebody_else_at_the_provider_gets_nothing_of_the_launch(hospital: Hospital) -> None:
    """Decision 15, LC-14: only the launch's user goes on, whoever the provider vouches for."""
    hospital.provider.person = {"sub": "idp-alice", "fhirUser": "Patient/A"}
    browser = TopLevel(hospital.world.transport)
    page = browser.open(hospital.provider.visited(browser.open(launch_url(hospital)).location))
    assert (page.status, "This was opened for somebody else" in page.text) == (403, True)


def test_in_a_frame_a_window_is_opened_and_its_code_goes_on_in_the_frame(hospital: Hospital) -> None:
    """Decision 14, LC-13: no cookie in the frame; the provider's pages are never framed."""
    frame = Framed(hospital.world.transport)
    page = frame.open(launch_url(hospital))
    assert page.status == 200
    assert "frame-ancestors https://ehr.example" in (page.header("content-security-policy") or "")
    assert page.header("set-cookie") is None
    code = sign_in_beside(hospital, page)
    done = frame.submit(page, {"code": code}, press="collect")
    assert hospital.world.public.redeem(done.location_parameters["code"]).json()["patient"] == "A"


def test_without_the_code_of_the_window_the_frame_does_not_go_on(hospital: Hospital) -> None:
    """LC-26, RFC 9700 §4.7: who lures somebody into signing in for a launch of theirs sees no code."""
    frame = Framed(hospital.world.transport)
    page = frame.open(launch_url(hospital))
    page = frame.submit(page, {"code": "123456"}, press="collect")
    assert (page.status, "Sign in first." in page.text) == (401, True)
    code = sign_in_beside(hospital, page)
    wrong = f"{(int(code.replace(' ', '')) + 1) % 10**6:06}"
    for _ in range(2):
        page = frame.submit(page, {"code": wrong}, press="collect")
        assert (page.status, "That is not the code in the window." in page.text) == (401, True)
    page = frame.submit(page, {"code": wrong}, press="collect")
    assert "Sign in again." in page.text
    page = frame.submit(page, {"code": code}, press="collect")
    assert (page.status, "Sign in first." in page.text) == (401, True)
    assert [reason for _, reason, _ in hospital.trail("login.failed")] == ["wrong_window_code"] * 3


def test_the_window_alone_gets_nothing_but_a_code(hospital: Hospital) -> None:
    """Decision 14: the launch stays with the frame that claimed it, whoever opens the link."""
    frame = Framed(hospital.world.transport)
    page = frame.open(launch_url(hospital))
    window = TopLevel(hospital.world.transport)
    shown = window.open(hospital.provider.visited(window.open(window_link(hospital, page)).location))
    assert shown.status == 200
    assert "authz_session" not in window.cookies
    assert 'name="interaction"' not in shown.text


def test_a_browser_that_says_nothing_of_frames_is_taken_for_a_framed_one(hospital: Hospital) -> None:
    """The page works in both; a redirect to the provider would not."""
    page = hospital.world.browser().open(launch_url(hospital))
    assert (page.status, 'name="code"' in page.text) == (200, True)


def test_a_failure_in_the_window_is_shown_there_and_may_be_tried_again(hospital: Hospital) -> None:
    frame = Framed(hospital.world.transport)
    page = frame.open(launch_url(hospital))
    window = TopLevel(hospital.world.transport)
    away = window.open(window_link(hospital, page))
    failed = window.open(hospital.provider.visited(away.location, code=None, error="access_denied"))
    assert (failed.status, "Hospital ID did not sign you in." in failed.text) == (403, True)
    again = re.search(r'href="(/sign-in/hospital\?[^"]+)">', failed.text)
    assert again is not None
    away = window.open(hospital.world.issuer + again[1].replace("&amp;", "&"))
    code = CODE.search(window.open(hospital.provider.visited(away.location)).text)
    assert code is not None
    done = frame.submit(page, {"code": f"{code[1]}{code[2]}"}, press="collect")
    assert "code" in done.location_parameters
