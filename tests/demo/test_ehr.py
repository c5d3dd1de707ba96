"""The demo's EHR: who sees which chart, and what it tells the authorization server when an app is opened."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from demo.authorization_server import Refused
from demo.config import EHR_CREDENTIAL, DemoConfig
from demo.ehr import create_ehr
from demo.hospital import Journal
from tests.demo.conftest import NOW, TalkingServer

if TYPE_CHECKING:
    from flask.testing import FlaskClient
    from werkzeug.test import TestResponse

ORIGIN = "http://localhost:9001"


class Browser:
    """A person at the EHR's pages."""

    def __init__(self, client: FlaskClient) -> None:
        self.client = client

    def get(self, path: str) -> TestResponse:
        return self.client.get(path, base_url=ORIGIN)

    def post(self, path: str, fields: dict[str, str], origin: str = ORIGIN) -> TestResponse:
        return self.client.post(path, data=fields, base_url=ORIGIN, headers={"Origin": origin})

    def sign_in(self, name: str) -> Browser:
        answer = self.post("/sign-in", {"name": name, "password": name})
        assert (answer.status_code, answer.location) == (303, "/")
        return self

    @property
    def csrf(self) -> str:
        match = re.search(r'name="csrf" value="([^"]+)"', self.get("/patients/child-1").text + self.get("/?q=").text)
        assert match
        return match[1]

    def launch(self, patient: str, app: str, where: str = "frame") -> TestResponse:
        return self.post(f"/patients/{patient}/launch", {"csrf": self.csrf, "app": app, "where": where})


@pytest.fixture
def browser(config: DemoConfig, server: TalkingServer) -> Browser:
    return Browser(create_ehr(config, server, EHR_CREDENTIAL, lambda: NOW).test_client())  # type: ignore[arg-type]  # a fake


def launches(server: TalkingServer) -> list[tuple[dict[str, Any], str]]:
    return [what for name, what in server.calls if name == "launch"]


@pytest.mark.parametrize("path", ["/", "/patients/pat-1", "/patients/pat-1?tab=apps"])
def test_nobody_sees_anything_before_signing_in(browser: Browser, path: str) -> None:
    answer = browser.get(path)
    assert (answer.status_code, answer.location) == (302, "/sign-in")


@pytest.mark.parametrize(
    ("name", "password"), [("clinician", "patient"), ("nobody", "nobody"), ("", ""), ("clinician", "é")]
)
def test_a_wrong_password_and_an_unknown_name_are_told_the_same(browser: Browser, name: str, password: str) -> None:
    answer = browser.post("/sign-in", {"name": name, "password": password})
    assert answer.status_code == 401
    assert "That name and password do not belong together" in answer.text
    assert "Set-Cookie" not in answer.headers


def test_the_session_cookie_has_the_ehrs_own_name_and_is_out_of_reach_for_scripts(browser: Browser) -> None:
    answer = browser.post("/sign-in", {"name": "clinician", "password": "clinician"})
    assert re.fullmatch(
        r"demo_ehr_session=[\w-]{43}; Expires=[^;]+; Max-Age=28800; HttpOnly; Path=/; SameSite=Lax",
        answer.headers["Set-Cookie"],
    )


def test_a_clinician_sees_all_patients_and_finds_one_by_name_or_number(browser: Browser) -> None:
    browser.sign_in("clinician")
    rows = re.findall(r'href="/patients/([\w-]+)"', browser.get("/").text)
    assert len(rows) == 14
    assert re.findall(r'href="/patients/([\w-]+)"', browser.get("/?q=brandt").text) == ["child-1", "child-2"]
    assert re.findall(r'href="/patients/([\w-]+)"', browser.get("/?q=lg-40127").text) == ["pat-1"]
    assert "Nobody here matches “&lt;zz&gt;”" in browser.get("/?q=<zz>").text


def test_a_parent_sees_the_children_and_nobody_else(browser: Browser) -> None:
    browser.sign_in("parent")
    assert re.findall(r'href="/patients/([\w-]+)"', browser.get("/").text) == ["child-1", "child-2"]
    assert browser.get("/patients/child-2").status_code == 200
    assert browser.get("/patients/pat-1").status_code == 404
    assert browser.launch("pat-1", "growth-chart").status_code == 404


def test_a_patient_comes_straight_to_the_own_record(browser: Browser) -> None:
    browser.sign_in("patient")
    answer = browser.get("/")
    assert (answer.status_code, answer.location) == (302, "/patients/pat-1")
    assert browser.get("/patients/pat-2").status_code == 404


@pytest.mark.parametrize("tab", ["summary", "results", "visits", "apps"])
@pytest.mark.parametrize("patient", ["pat-2", "pat-9", "child-1"])
def test_every_part_of_a_chart_has_the_banner(browser: Browser, patient: str, tab: str) -> None:
    page = browser.sign_in("clinician").get(f"/patients/{patient}?tab={tab}")
    assert page.status_code == 200
    assert re.search(r'<section class="banner card" aria-label="Patient">.*LG-\d{5}', page.text, re.DOTALL)
    assert browser.get(f"/patients/{patient}?tab=other").status_code == 404


def test_a_framed_launch_tells_who_which_app_and_which_chart(
    browser: Browser, server: TalkingServer, config: DemoConfig
) -> None:
    """LAU-01, LAU-04; in the frame the chart's own banner stays in sight (``need_patient_banner``)."""
    answer = browser.sign_in("clinician").launch("child-1", "growth-chart")
    [(body, caller)] = launches(server)
    session = body.pop("session")
    assert caller == "demo-ehr"
    assert len(session) == 43
    assert body == {
        "client_id": "growth-chart",
        "fhir_server": config.fhir,
        "launch_url": f"{config.app}/launch.html",
        "user": "Practitioner/prac-1",
        "patient": "child-1",
        "encounter": "enc-11",
        "need_patient_banner": False,
        "web_messaging_origin": ORIGIN,
    }
    shown = answer.json
    assert shown == {
        "launch_url": f"{config.app}/launch.html?iss={config.fhir}&launch=handle-of-this-launch",
        "launch_id": "L1",
        "handle": "hand…nch",
        "expires_in": 300,
        "told": body | {"session": f"{session[:4]}…{session[-3:]}"},
    }


def test_the_referral_app_is_told_the_open_request_and_is_never_framed(browser: Browser, server: TalkingServer) -> None:
    browser.sign_in("clinician").launch("pat-2", "referral", "frame")
    [(body, _)] = launches(server)
    assert body["fhirContext"] == [{"reference": "ServiceRequest/sr-1"}]
    assert body["need_patient_banner"] is True
    assert body["launch_url"].endswith("/referral/launch")


def test_an_app_for_staff_is_not_there_for_patients(browser: Browser, server: TalkingServer) -> None:
    browser.sign_in("patient")
    assert "Referral Desk" not in browser.get("/patients/pat-1?tab=apps").text
    assert browser.post("/patients/pat-1/launch", {"csrf": browser.csrf, "app": "referral"}).status_code == 404
    assert browser.launch("pat-1", "growth-chart").status_code == 200
    [(body, _)] = launches(server)
    assert (body["user"], body["patient"]) == ("Patient/pat-1", "pat-1")


def test_a_refused_launch_and_a_missing_server_are_explained(browser: Browser, server: TalkingServer) -> None:
    browser.sign_in("clinician")
    server.refuses = Refused(400, "invalid_request", "the app is not registered")
    refused = browser.launch("child-1", "growth-chart")
    assert (refused.status_code, refused.json) == (
        502,
        {"problem": "The authorization server refused the launch.", "detail": "the app is not registered"},
    )
    server.refuses, server.broken = None, True
    away = browser.launch("child-1", "growth-chart")
    words = "The authorization server does not answer. Is it running? Try again in a moment."
    assert (away.status_code, away.json) == (503, {"problem": words, "detail": ""})


def test_a_form_from_another_site_or_without_its_token_is_refused(browser: Browser, server: TalkingServer) -> None:
    fields = {"csrf": browser.sign_in("clinician").csrf, "app": "growth-chart"}
    assert browser.post("/patients/child-1/launch", fields, origin="http://evil.example").status_code == 403
    assert browser.post("/patients/child-1/launch", fields, origin="null").status_code == 403
    assert browser.post("/patients/child-1/launch", fields | {"csrf": "guess"}).status_code == 403
    assert browser.post("/sign-out", {}).status_code == 403
    stranger = {"name": "clinician", "password": "clinician"}
    assert browser.post("/sign-in", stranger, origin="http://evil.example").status_code == 403
    assert launches(server) == []


def test_signing_out_ends_the_session_here_and_at_the_authorization_server(
    browser: Browser, server: TalkingServer
) -> None:
    browser.sign_in("clinician").launch("child-1", "growth-chart")
    [(body, _)] = launches(server)
    cookie = browser.client.get_cookie("demo_ehr_session", domain="localhost")
    browser.get("/patients/child-1")
    answer = browser.post("/sign-out", {"csrf": browser.csrf})
    assert (answer.status_code, answer.location) == (303, "/sign-in")
    assert server.calls[-1] == ("end_session", (body["session"], "demo-ehr"))
    assert ("touch_session", (body["session"], "demo-ehr")) in server.calls
    assert cookie
    browser.client.set_cookie("demo_ehr_session", cookie.value, domain="localhost")
    assert browser.get("/patients/child-1").location == "/sign-in"


def test_signing_out_works_when_the_authorization_server_is_away(browser: Browser, server: TalkingServer) -> None:
    browser.sign_in("clinician")
    server.broken = True
    assert browser.post("/sign-out", {"csrf": browser.csrf}).status_code == 303
    assert browser.get("/").location == "/sign-in"


def test_what_an_app_writes_appears_in_the_chart_whatever_it_is(browser: Browser, config: DemoConfig) -> None:
    """The EHR reads what the FHIR server stores; an app may have stored half a resource."""
    browser.sign_in("clinician")
    journal = Journal(config.state_dir / "journal.jsonl")
    journal.begin()
    subject = {"subject": {"reference": "Patient/pat-9"}}
    value = {"valueQuantity": {"value": 81.25, "unit": "kg"}, "effectiveDateTime": "2026-03-02T09:00:00Z"}
    journal.append(
        "Observation",
        "w",
        {"resourceType": "Observation", "id": "w", "code": {"text": "Body weight"}} | subject | value,
    )
    halves: dict[str, dict[str, Any]] = {
        "a": {},
        "b": {"code": {"coding": []}, "valueQuantity": {"value": "x"}},
        "c": {"code": "x"},
    }
    for key, rest in halves.items():
        journal.append("Observation", key, {"resourceType": "Observation", "id": key} | subject | rest)
        journal.append("Condition", key, {"resourceType": "Condition", "id": key} | subject | rest)
        journal.append("Encounter", key, {"resourceType": "Encounter", "id": key, "status": "in-progress"} | subject)
    with journal.path.open("a") as file:
        file.write('{"type": "Observation", "half a li')
    assert "81.25 kg" in browser.get("/patients/pat-9?tab=results").text
    assert browser.get("/patients/pat-9").status_code == 200
    assert browser.get("/patients/pat-9?tab=visits").status_code == 200
    journal.append("Patient", "pat-9", None)


HANDLE = {
    "active": True,
    "token_type": "smart_web_messaging_handle",
    "scope": "messaging/ui",
    "app_origins": ["http://127.0.0.1:9002"],
    "smart_web_messaging_origin": ORIGIN,
    "patient": "child-1",
    "launch_id": "L1",
    "ehr_session": "known to the back ends only",
    "sub": "known to the back ends only",
    "allowed": True,
}
ASKED = {"handle": "swm_1", "origin": "http://127.0.0.1:9002", "message_type": "ui.done", "window": "w1"}


def test_the_page_hears_whose_a_handle_is_and_never_the_session(browser: Browser, server: TalkingServer) -> None:
    """WM-05: the back end names the session of this person, whatever the page says."""
    server.handles["swm_1"] = HANDLE
    csrf = browser.sign_in("clinician").csrf
    path = "/patients/child-1/messages/verify"
    answer = browser.post(path, {"csrf": csrf, **ASKED, "ehr_session": "another"})
    assert (answer.status_code, answer.json) == (
        200,
        {k: v for k, v in HANDLE.items() if k not in ("ehr_session", "sub")},
    )
    name, (fields, caller) = server.calls[-1]
    assert len(fields.pop("ehr_session")) == 43
    assert (name, fields, caller) == ("introspect_handle", ASKED, "demo-ehr")
    without_window = {name: value for name, value in ASKED.items() if name != "window"}
    browser.post(path, {"csrf": csrf, **without_window})
    assert server.calls[-1][1][0].keys() == {*without_window, "ehr_session"}


def test_a_handle_counts_in_the_chart_of_its_patient_only(browser: Browser, server: TalkingServer) -> None:
    """WM-05: unknown, or of another patient's chart: the same answer."""
    server.handles["swm_1"] = HANDLE
    csrf = browser.sign_in("clinician").csrf
    for path, handle in (("child-2", "swm_1"), ("child-1", "swm_2")):
        answer = browser.post(f"/patients/{path}/messages/verify", {"csrf": csrf, **ASKED, "handle": handle})
        assert (answer.status_code, answer.json) == (200, {"active": False})
    assert browser.sign_in("parent").post("/patients/pat-1/messages/verify", {"csrf": browser.csrf}).status_code == 404


def test_a_handle_that_can_not_be_verified_or_revoked_is_no_yes(browser: Browser, server: TalkingServer) -> None:
    server.handles["swm_1"] = HANDLE
    csrf = browser.sign_in("clinician").csrf
    assert browser.post("/patients/child-1/messages/verify", ASKED).status_code == 403
    server.broken = True
    answer = browser.post("/patients/child-1/messages/verify", {"csrf": csrf, **ASKED})
    assert (answer.status_code, answer.json) == (503, {"active": False})
    assert browser.post("/patients/child-1/messages/revoke", {"csrf": csrf, "handle": "swm_1"}).status_code == 503


def test_the_handle_of_an_app_that_is_done_is_revoked(browser: Browser, server: TalkingServer) -> None:
    csrf = browser.sign_in("clinician").csrf
    assert browser.post("/patients/child-1/messages/revoke", {"csrf": csrf, "handle": "swm_1"}).status_code == 204
    assert server.calls[-1] == ("revoke_handle", ("swm_1", "demo-ehr"))


def test_pages_allow_frames_of_the_app_and_the_authorization_server_only(browser: Browser, config: DemoConfig) -> None:
    answer = browser.get("/sign-in")
    assert answer.headers["Content-Security-Policy"] == (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; "
        f"frame-src {config.app} {config.issuer}; form-action 'self' {config.app} {config.issuer}; "
        "frame-ancestors 'none'; base-uri 'none'"
    )
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Referrer-Policy"] == "same-origin"


def test_the_ehr_has_one_address(browser: Browser) -> None:
    """At 127.0.0.1 it would be the same site as the apps, and its frame would prove nothing."""
    answer = browser.client.get("/sign-in", base_url="http://127.0.0.1:9001")
    assert (answer.status_code, answer.location) == (302, ORIGIN)
