"""SMART Web Messaging in Chromium, between the EHR's origin, the app's and that of a stranger."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest
import urllib3
from joserfc.jwk import ECKey
from playwright.sync_api import Page, expect

from demo.config import EHR_CREDENTIAL
from tests.actors import FORM, Ehr, SmartApp, basic
from tests.browser.test_demo import chart
from tests.demo.test_browser import lookalike_hears
from tests.demo.test_bulk import bulk_token
from tests.transport import OverHttp

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Frame, Route

    from tests.hospital import Hospital

pytestmark = pytest.mark.browser

SEND_AND_LISTEN = """([to, message, origin]) => new Promise((done) => {
  const heard = [];
  window.addEventListener("message", ({ data, origin }) => heard.push([origin, data]));
  (to === "parent" ? window.parent : window.opener).postMessage(message, origin);
  setTimeout(() => done(heard), 1000);
})"""
HANDLE = "JSON.parse(sessionStorage['growth-chart session']).response.smart_web_messaging_handle"


def asked(hospital: Hospital, handle: str) -> Any:
    """What the authorization server says of a handle to the back end of this EHR."""
    return posted(hospital, {"handle": handle})


def posted(hospital: Hospital, form: dict[str, str]) -> Any:
    headers = {"Content-Type": FORM, **basic(EHR_CREDENTIAL.name, EHR_CREDENTIAL.secret)}
    url = f"{hospital.config.issuer}/web-messaging/introspect"
    return urllib3.request("POST", url, body=urlencode(form), headers=headers, retries=False, timeout=10).json()


def opened(page: Page, where: str) -> Frame:
    """Growth Chart, in the chart or in a new tab, wherever the server's pages lead it."""
    if where == "frame":
        page.click("text=Open in the chart")
        frame = page.frame_locator("#app-frame").owner.element_handle().content_frame()
        assert frame is not None
        return frame
    with page.context.expect_page() as tab:
        page.locator(".app", has_text="Growth Chart").get_by_text("Open in a new tab").click()
    return tab.value.main_frame


def in_sight(app: Frame) -> None:
    """A frame that has just been shown again is not painted yet: nothing is done in it before that."""
    app.page.bring_to_front()
    app.evaluate("new Promise((painted) => requestAnimationFrame(() => requestAnimationFrame(painted)))")


def press(app: Frame, name: str) -> None:
    """By keyboard: a click of these tests lands now and then on the frame's element instead of in the frame."""
    app.get_by_role("button", name=name).press("Enter")


def work(page: Page, app: Frame) -> str:
    """Say hello, draft an order, show it, and be done; returns the handle."""
    expect(app.locator("#ehr-state")).to_have_text("it answers")
    handle: str = app.evaluate(HANDLE)
    press(app, "Draft it in the EHR")
    expect(page.locator("#drafts li")).to_have_text(["Weight check in four weeks"])
    press(app, "Show the drafts there")
    expect(page.locator("#activity-by")).to_have_text("Growth Chart brought you here")
    page.bring_to_front()
    page.get_by_role("button", name="Discard what is ticked").click()
    expect(page.locator("#drafts-count")).to_have_text("0")
    in_sight(app)
    with page.expect_response("**/messages/revoke") as revoked:
        press(app, "I am done")
    assert revoked.value.status == 204
    expect(page.locator("#story li strong").last).to_have_text("The app said that it is done")
    return handle


@pytest.mark.parametrize("where", ["frame", "tab"])
def test_an_app_works_in_the_ehr_until_it_is_done_and_its_handle_dies(
    strict_profile: BrowserContext, hospital: Hospital, where: str
) -> None:
    """REQ-1, REQ-7, REQ-8, REQ-11: handshake, scratchpad, ui messages; cookies of other sites are blocked."""
    page = chart(strict_profile, hospital)
    app = opened(page, where)
    handle = work(page, app)
    assert asked(hospital, handle) == {"active": False}
    expect(page.locator("#frame-card")).to_be_hidden()
    assert where == "frame" or app.page.is_closed() or app.page.wait_for_event("close")


@pytest.mark.parametrize("where", ["frame", "tab"])
def test_the_way_through_sign_in_and_consent_does_not_cut_the_app_off(
    strict_profile: BrowserContext, hospital: Hospital, where: str
) -> None:
    """Decision 21: no page or redirect of a launch has a Cross-Origin-Opener-Policy that would."""

    def ask_everything(route: Route) -> None:
        if "prompt=" in route.request.url:
            route.continue_()
        else:
            route.fulfill(status=302, headers={"Location": f"{route.request.url}&prompt=login%20consent"})

    strict_profile.route(f"{hospital.config.issuer}/authorize?*", ask_everything)
    page = chart(strict_profile, hospital, "child-2")
    app = opened(page, where)
    app.fill("input[name=username]", "clinician")
    app.fill("input[name=password]", "clinician")
    app.locator("button[value=sign_in]").press("Enter")
    expect(app.locator("body")).to_contain_text("drafts")
    app.locator("button[value=allow]").press("Enter")
    work(page, app)


def portal(context: BrowserContext, hospital: Hospital) -> Page:
    """A mother at the EHR, which is a portal to her: she is asked each time."""
    page = context.new_page()
    page.goto(f"{hospital.config.ehr}/")
    page.click(".person[data-name=parent]")
    page.wait_for_url(lambda url: "sign-in" not in url)
    page.goto(f"{hospital.config.ehr}/patients/child-1?tab=apps")
    return page


def test_a_parent_who_agrees_lets_the_app_talk_to_the_portal(
    strict_profile: BrowserContext, hospital: Hospital
) -> None:
    """REQ-6: the consent page says what messages may do."""
    page = portal(strict_profile, hospital)
    app = opened(page, "frame")
    drafts = app.get_by_role("checkbox", name="read and change unsigned drafts in your current session")
    expect(drafts).to_be_checked()
    app.locator("button[value=allow]").press("Enter")
    work(page, app)


def test_without_the_persons_yes_to_messages_the_app_has_no_handle(
    strict_profile: BrowserContext, hospital: Hospital
) -> None:
    """WM-01, REQ-6: both unticked; the app works, and knows of no EHR to talk to."""
    app = opened(portal(strict_profile, hospital), "frame")
    for words in ("unsigned drafts in your current session", "another screen in the EHR"):
        box = app.get_by_role("checkbox", name=words)
        box.press("Space")
        expect(box).not_to_be_checked()
    app.locator("button[value=allow]").press("Enter")
    app.locator("svg.plot").wait_for()
    expect(app.locator("#in-ehr")).to_be_hidden()
    assert app.evaluate(HANDLE) is None


def test_a_stranger_gets_silence_whatever_handle_it_has(strict_profile: BrowserContext, hospital: Hospital) -> None:
    """WM-05: a third origin, with a guessed handle and with the right one; the app goes on undisturbed."""
    page = chart(strict_profile, hospital)
    app = opened(page, "frame")
    expect(app.locator("#ehr-state")).to_have_text("it answers")
    handle = app.evaluate(HANDLE)
    assert lookalike_hears(strict_profile, page) == ["silence"] * 3
    assert lookalike_hears(strict_profile, page, handle) == ["silence"] * 3
    assert asked(hospital, handle)["active"] is True
    in_sight(app)
    work(page, app)


def test_a_handle_is_worth_nothing_in_the_window_of_another_launch(
    strict_profile: BrowserContext, hospital: Hospital
) -> None:
    """WM-05: the same app and the same origin; what was stolen from one window is of no use in another."""
    page = chart(strict_profile, hospital)
    framed = opened(page, "frame")
    expect(framed.locator("#ehr-state")).to_have_text("it answers")
    stolen = framed.evaluate(HANDLE)
    tab = opened(page, "tab")
    expect(tab.locator("#ehr-state")).to_have_text("it answers")
    message = {"messagingHandle": stolen, "messageId": "m1", "messageType": "scratchpad.read", "payload": {}}
    assert tab.evaluate(SEND_AND_LISTEN, ["opener", message, hospital.config.ehr]) == []
    expect(page.locator("#story li").last).to_contain_text("A message got no answer")
    own = {**message, "messageId": "m2", "messagingHandle": tab.evaluate(HANDLE)}
    [[origin, answer]] = tab.evaluate(SEND_AND_LISTEN, ["opener", own, hospital.config.ehr])
    assert origin == hospital.config.ehr
    assert answer.pop("messageId")
    assert answer == {"responseToMessageId": "m2", "payload": {"scratchpad": []}}
    for wrong in (hospital.config.app, hospital.config.stranger):
        assert tab.evaluate(SEND_AND_LISTEN, ["opener", {**own, "messageId": f"to {wrong}"}, wrong]) == []
    expect(page.locator("#story li", has_text="A message got no answer")).to_have_count(1)


EHR_PAGE = """<!doctype html><title>EHR</title><iframe id="app"></iframe>
<script type="module">
  import { WebMessagingHost, throughFhir } from "/web-messaging/ehr.js";
  window.host = new WebMessagingHost({
    verify: (handle, { messageType, ...seen }) => askServer({ handle, message_type: messageType, ...seen }),
    ehrSession: "SESSION",
    handlers: throughFhir({ base: "BASE", execute: (request) => execute(request) }),
  });
</script>"""
APP_PAGE = """<!doctype html><title>App</title>
<script type="module">
  import { WebMessagingClient } from "/web-messaging/app.js";
  window.WebMessagingClient = WebMessagingClient;
</script>"""
SCOPE = "launch patient/Patient.rs patient/Observation.crs messaging/fhir"


@dataclass
class Desk:
    """A page at the EHR's origin that passes FHIR on, and in its frame an app that was launched for this patient."""

    hospital: Hospital
    page: Page
    handle: str
    launch_id: str
    session: str
    done: list[str] = field(default_factory=list)  # what the EHR did at the FHIR server

    @property
    def app(self) -> Frame:
        return self.page.frames[1]

    def talk(self, script: str, argument: Any = None) -> Any:
        """The app runs this with its ``client``."""
        made = f"new WebMessagingClient({{ handle: '{self.handle}', origin: '{self.hospital.config.ehr}' }})"
        return self.app.evaluate(f"async (argument) => {{ const client = {made}; return {script}; }}", argument)

    def execute(self, request: dict[str, Any]) -> dict[str, Any]:
        """With rights of its own that go far beyond the app's: what does not pass here was stopped in the page."""
        answer = fhir(self.hospital, request["method"], request["url"], request.get("resource"))
        self.done.append(f"{request['method']} {request['url']}")
        location = answer.headers.get("Location")
        return {
            "status": f"{answer.status} {answer.reason}",
            "resource": answer.json(),
            **({"location": location.removeprefix(f"{self.hospital.config.fhir}/")} if location else {}),
        }


def fhir(hospital: Hospital, method: str, url: str, resource: Any = None) -> urllib3.BaseHTTPResponse:
    key = ECKey.import_key(json.loads((hospital.folder / ".demo" / "bulk.jwks.json").read_text())["keys"][0])
    token = bulk_token(hospital, key, "ES384", "system/*.cruds")
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/fhir+json"}
    body = json.dumps(resource) if resource else None
    return urllib3.request(
        method, f"{hospital.config.fhir}/{url}", body=body, headers=headers, retries=False, timeout=10
    )


@pytest.fixture(scope="session")
def app_through_the_ehr(hospital: Hospital) -> str:
    """An app registered for ``messaging/fhir``, and an EHR's back end that may do everything."""
    at = f"{hospital.config.app}/pane"
    hospital.authz(
        *("client", "add", "--json", "--name", "Pane", "--client-id", "pane", "--auth-method", "none"),
        *("--scope", SCOPE, "--redirect-uri", at, "--launch-uri", at, "--fhir-server", "demo"),
        "--skip-consent-in-ehr-launch",
    )
    hospital.authz("client", "update", "bulk", "--scope", "system/*.cruds")
    return "pane"


@pytest.fixture
def desk(strict_profile: BrowserContext, hospital: Hospital, app_through_the_ehr: str) -> Desk:
    config = hospital.config
    transport = OverHttp(config.issuer)
    session = secrets.token_urlsafe(16)
    launch = Ehr(transport, EHR_CREDENTIAL.name, EHR_CREDENTIAL.secret, config.fhir).launch(
        app_through_the_ehr,
        "Practitioner/prac-1",
        launch_url=f"{config.app}/pane",
        patient="child-1",
        session=session,
        web_messaging_origin=config.ehr,
    )
    tokens = SmartApp(transport, app_through_the_ehr, f"{config.app}/pane", config.fhir).tokens(launch["launch"], SCOPE)
    page = strict_profile.new_page()
    made = Desk(hospital, page, tokens["smart_web_messaging_handle"], launch["launch_id"], session)
    page.expose_function("askServer", lambda form: posted(hospital, form))
    page.expose_function("execute", made.execute)
    ehr_page = EHR_PAGE.replace("BASE", config.fhir).replace("SESSION", session)
    html = {"content_type": "text/html"}
    page.route(f"{config.ehr}/desk", lambda route: route.fulfill(body=ehr_page, **html))
    page.route(f"{config.app}/pane", lambda route: route.fulfill(body=APP_PAGE, **html))
    page.goto(f"{config.ehr}/desk")
    page.evaluate(
        "([src, id]) => { app.src = src; host.bind(app.contentWindow, id); }", [f"{config.app}/pane", made.launch_id]
    )
    made.app.wait_for_function("'WebMessagingClient' in window")
    return made


def outcome(words: str) -> dict[str, Any]:
    issue = {"severity": "error", "code": "forbidden", "diagnostics": words}
    return {"response": {"status": "403 Forbidden", "outcome": {"resourceType": "OperationOutcome", "issue": [issue]}}}


def weight_of(patient: str) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "29463-7"}]},
        "subject": {"reference": f"Patient/{patient}"},
    }


def test_of_a_batch_only_what_the_apps_scopes_and_patient_allow_is_done(desk: Desk) -> None:
    """REQ-13: the EHR could do all of it; a scope, a patient and a create of another patient's record stop the rest."""
    bundle = {
        "resourceType": "Bundle",
        "type": "batch",
        "entry": [
            {"request": {"method": "GET", "url": "Patient/child-1"}},
            {"request": {"method": "GET", "url": "Patient/child-2"}},
            {"request": {"method": "GET", "url": "Condition?patient=child-1"}},
            {"request": {"method": "GET", "url": "Observation?patient=child-2"}},
            {"request": {"method": "POST", "url": "Observation"}, "resource": weight_of("child-2")},
            {"request": {"method": "POST", "url": "Observation"}, "resource": weight_of("child-1")},
            {"request": {"method": "DELETE", "url": "Patient/child-1"}},
        ],
    }
    before = fhir(desk.hospital, "GET", "Observation?patient=child-2&_count=1").json()["total"]
    answer = desk.talk("client.fhir(argument)", bundle)
    assert desk.done == ["GET Patient/child-1", "POST Observation"]
    patient, created = answer["entry"].pop(0), answer["entry"].pop(4)
    assert patient == {"response": {"status": "200 OK"}, "resource": patient["resource"]}
    assert (patient["resource"]["resourceType"], patient["resource"]["id"]) == ("Patient", "child-1")
    stored = created["resource"]
    assert created["response"] == {"status": "201 CREATED", "location": f"Observation/{stored['id']}"}
    assert fhir(desk.hospital, "GET", f"Observation/{stored['id']}").json() == stored
    assert answer == {
        "resourceType": "Bundle",
        "type": "batch-response",
        "entry": [
            outcome("This is not about the patient of the launch, or does not say so."),
            outcome("No granted scope lets this app do this (s) with Condition."),
            outcome("This is not about the patient of the launch, or does not say so."),
            outcome("This is not about the patient of the launch, or does not say so."),
            outcome("Only plain reads, searches and creates pass through the EHR."),
        ],
    }
    assert fhir(desk.hospital, "GET", "Observation?patient=child-2&_count=1").json()["total"] == before


def test_a_message_outside_the_granted_groups_is_refused_in_its_form(desk: Desk) -> None:
    """WM-10: the handle is good, the scope is not there; the EHR says so, and the window stays."""
    refused = "client.request(argument).catch((error) => error.payload)"
    assert desk.talk(refused, "ui.done") == {
        "status": "failure",
        "statusDetail": {"text": "The app was not granted messaging/ui."},
    }
    assert desk.talk(refused, "scratchpad.read")["outcome"]["issue"][0]["code"] == "forbidden"
    assert desk.talk("client.handshake()") == {}


def test_the_ehr_begins_with_the_handle_of_its_own_launch(desk: Desk) -> None:
    """REQ-29, REQ-D13: its back end reads the handle by the launch's id, before the app has said a word."""
    config = desk.hospital.config
    ehr = Ehr(OverHttp(config.issuer), EHR_CREDENTIAL.name, EHR_CREDENTIAL.secret, config.fhir)
    looked_up = ehr.look_up(desk.launch_id).json()
    assert looked_up["smart_web_messaging_handle"] == desk.handle
    made = f"new WebMessagingClient({{ handle: '{desk.handle}', origin: '{config.ehr}' }})"
    desk.app.evaluate(f"() => {{ window.client = {made}; }}")
    said = desk.page.evaluate(
        """([handle, origin]) => {
          host.introduce(app.contentWindow, handle, origin);
          return host.request(app.contentWindow, "status.handshake");
        }""",
        [looked_up["smart_web_messaging_handle"], config.app],
    )
    assert said == {}


def test_another_site_in_the_apps_own_window_hears_nothing_with_the_right_handle(desk: Desk) -> None:
    """WM-05: window, handle and launch are right, the origin is not: the app sent the person to where it must not."""
    assert desk.talk("client.handshake()") == {}
    there = f"{desk.hospital.config.stranger}/pane"
    desk.page.route(there, lambda route: route.fulfill(body=APP_PAGE, content_type="text/html"))
    desk.app.evaluate("(there) => { location.href = there; }", there)
    desk.app.wait_for_url(there)
    desk.app.wait_for_function("'WebMessagingClient' in window")
    no_answer = "client.request('status.handshake', {}, 1).catch((error) => error.constructor.name)"
    assert desk.talk(no_answer) == "NoAnswer"
    desk.app.evaluate("(back) => { location.href = back; }", f"{desk.hospital.config.app}/pane")
    desk.app.wait_for_url(f"{desk.hospital.config.app}/pane")
    desk.app.wait_for_function("'WebMessagingClient' in window")
    assert desk.talk("client.handshake()") == {}


def test_when_the_ehrs_session_ends_its_apps_are_met_with_silence(desk: Desk) -> None:
    """WM-06."""
    assert desk.talk("client.handshake()") == {}
    config = desk.hospital.config
    ehr = Ehr(OverHttp(config.issuer), EHR_CREDENTIAL.name, EHR_CREDENTIAL.secret, config.fhir)
    assert ehr.end_session(desk.session).status == 204
    desk.page.wait_for_timeout(2100)  # as long as the page believes an answer
    assert desk.talk("client.request('status.handshake', {}, 1).catch((error) => error.constructor.name)") == "NoAnswer"
