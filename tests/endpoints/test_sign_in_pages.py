"""The pages a person meets: sign-in, choice of a patient, consent, and what went wrong."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urljoin

import pytest
from sqlalchemy import select, update

from authz.audit.model import AuditEventRow
from authz.fhir_servers.model import FhirServerRow
from authz.login.throttle import ACCOUNT
from tests.actors import FORM, Browser, Forms
from tests.world import APP, EHR_ORIGIN, ISSUER, build, settings_in

if TYPE_CHECKING:
    from pathlib import Path

    from tests.transport import Reply
    from tests.world import World

ALONE = "launch/patient openid fhirUser patient/Observation.rs patient/Condition.rs offline_access"
LAUNCHED = "launch openid fhirUser patient/Observation.rs"
EIGHT = re.compile(r"<code>([0-9A-HJKMNP-TV-Z]{8})</code>")


def consent_page(world: World, browser: Browser, user: str = "alice", scope: str = ALONE) -> Reply:
    page = browser.open(world.public.authorize_url(scope=scope))
    return browser.sign_in(page, user, f"{user}-password")


def launched_page(world: World, **changes: str) -> Reply:
    handle = world.ehr.launch("public", "Practitioner/dr", patient="A")["launch"]
    return world.public.launched(handle, LAUNCHED, **changes)


def interaction(page: Reply) -> str:
    return dict(Forms(page.text).fields)["interaction"]


def post(browser: Browser, path: str, **fields: str) -> Reply:
    return browser.follow(browser.request("POST", ISSUER + path, urlencode(fields).encode(), {"Content-Type": FORM}))


def events(world: World, support_code: str) -> list[tuple[str, str | None]]:
    with world.services.db.read() as session:
        rows = session.scalars(select(AuditEventRow).where(AuditEventRow.support_code == support_code))
        return [(row.event, row.reason) for row in rows]


def granted(world: World, reply: Reply) -> dict[str, Any]:
    answer: dict[str, Any] = world.public.redeem(reply.location_parameters["code"]).json()
    return answer


def test_the_sign_in_page_says_which_app_it_is_for_and_helps_password_managers(world: World) -> None:
    """REQ-121."""
    page = world.browser().open(world.public.authorize_url(scope=ALONE, login_hint="<alice>"))
    assert page.status == 200
    assert "to open <strong>Public App</strong> with records of Test Hospital" in page.text
    assert 'value="&lt;alice&gt;"' in page.text
    assert 'autocomplete="username"' in page.text
    assert 'autocomplete="current-password"' in page.text
    assert '<html lang="en" dir="ltr">' in page.text


def test_no_page_needs_a_script_or_anything_from_elsewhere(world: World) -> None:
    """security.md LC-22, LC-13, HC-01."""
    browser = world.browser()
    consent = consent_page(world, browser)
    policies = set()
    for page in (consent, world.browser().open(world.public.authorize_url(scope=ALONE))):
        assert "<script" not in page.text
        assert "style=" not in page.text
        assert not re.findall(
            r'(?:src|href)="(?!/static/authz\.css\?v=[0-9a-f]{16}"|data:,"|/logout"|/my-apps"|/my-apps/sessions")[^"]*"',
            page.text,
        )
        policy = page.header("content-security-policy")
        assert policy is not None
        nonce = re.search(r"'nonce-([^']+)'", policy)
        assert nonce is not None
        policies.add(nonce.group(1))
        assert policy.replace(nonce.group(1), "N") == (
            "default-src 'none'; style-src 'self' 'nonce-N'; img-src 'self' data:; "
            f"form-action 'self' {APP}; frame-ancestors 'none'; base-uri 'none'; object-src 'none'"
        )
        assert page.header("x-frame-options") == "DENY"
        assert page.header("cross-origin-opener-policy") == "same-origin"
        assert page.header("cache-control") == "no-store"
        assert page.header("access-control-allow-origin") is None
    assert len(policies) == 2


def test_cookies_are_for_this_server_only_and_a_sign_in_takes_a_new_session(world: World) -> None:
    """security.md HC-02, LC-05."""
    browser = world.browser()
    browser.cookies["authz_session"] = "planted"
    page = browser.open(world.public.authorize_url(scope=ALONE))
    (first,) = page.headers["set-cookie"]
    assert re.fullmatch(r"authz_browser=[\w-]{43}; Expires=[^;]+; Max-Age=900; HttpOnly; Path=/; SameSite=Lax", first)
    fields = {"interaction": interaction(page), "username": "alice", "password": "alice-password"}
    reply = browser.request("POST", f"{ISSUER}/login", urlencode(fields).encode(), {"Content-Type": FORM})
    assert reply.status == 303
    assert reply.location.startswith(f"{ISSUER}/authorize?interaction=")
    session, device = reply.headers["set-cookie"]
    assert re.fullmatch(
        r"authz_session=[\w-]{43}; Expires=[^;]+; Max-Age=28800; HttpOnly; Path=/; SameSite=Lax", session
    )
    assert device.startswith("authz_device=")
    assert browser.cookies["authz_session"] != "planted"


def test_on_https_cookies_are_bound_to_the_host(tmp_path: Path) -> None:
    """security.md HC-02: __Host-, Secure; and an issuer with a path keeps its forms below it (decision 29)."""
    world = build(settings_in(tmp_path, issuer="https://auth.example/smart"))
    with world.app.app_context():
        page = world.browser().open(world.public.authorize_url(scope=ALONE))
        world.services.db.engine.dispose()
    world.services.backend.close()
    (cookie,) = page.headers["set-cookie"]
    assert cookie.startswith("__Host-authz_browser=")
    assert "; Secure; HttpOnly; Path=/; SameSite=Lax" in cookie
    assert Forms(page.text).action == "/smart/login"
    assert 'href="/smart/static/authz.css?v=' in page.text


@pytest.mark.parametrize(("name", "password"), [("alice", "wrong"), ("nobody", "wrong"), ("alice", "")])
def test_a_wrong_password_and_an_unknown_name_look_the_same(world: World, name: str, password: str) -> None:
    """security.md LC-01: the page again, with one text for all, and the next try works."""
    browser = world.browser()
    page = browser.sign_in(browser.open(world.public.authorize_url(scope=ALONE)), name, password)
    assert page.status == 401
    assert "The user name or the password is not right." in page.text
    assert "<title>Error: Sign in" in page.text
    assert 'role="alert"' in page.text
    assert f'value="{name}"' in page.text
    assert "www-authenticate" not in page.headers
    assert "Share health records with Public App?" in browser.sign_in(page, "alice", "alice-password").text


def test_too_many_tries_are_told_with_the_time_to_wait(world: World) -> None:
    """security.md RL-02, RL-06: 429 with Retry-After; a browser that signed in before still can; REQ-121."""
    known = world.browser()
    consent_page(world, known)
    stranger = world.browser()
    page = stranger.open(world.public.authorize_url(scope=ALONE))
    for _ in range(ACCOUNT.tries):
        page = stranger.sign_in(page, "alice", "wrong")
    assert page.status == 429
    assert page.header("retry-after") == str(ACCOUNT.seconds)
    assert "Too many attempts" in page.text
    again = known.open(world.public.authorize_url(scope=ALONE, prompt="login"))
    assert known.sign_in(again, "alice", "alice-password").status == 200


def read(page: Reply) -> str:
    """What a person reads; names are kept apart from the text around them, which nobody sees."""
    return " ".join(re.sub(r"<[^>]+>", " ", re.sub(r"</?bdi>", "", page.text)).split())


def test_the_consent_page_tells_everything(world: World) -> None:
    """LC-15, REQ-88, REQ-89: app, where the answer goes, patient, data server, each scope in words, how long."""
    page = consent_page(world, world.browser())
    text = read(page)
    for told in (
        "Share health records with Public App?",
        "Records of Alice (you)",
        "Public App registered here",
        "Goes to app.example",
        "Comes from Test Hospital, https://fhir.example/r4",
        "Know who you are",
        "See measurements and results",
        "Lab results Blood, urine and other tests",
        "See problems and diagnoses",
        "Keep this access when you are not using the app",
        "It ends after 365 days, or earlier: when the app is not used for 90 days, or when you withdraw it.",
        "Without the last one access ends after 1 hour.",
        "Public App asks for this, not Test Hospital, and may keep elsewhere what it has received.",
        "Allow Do not allow",
    ):
        assert told in text


def test_what_is_unticked_is_not_granted(world: World) -> None:
    """LC-10: the form can only narrow; made-up scopes and other fields change nothing."""
    browser = world.browser()
    page = consent_page(world, browser)
    forged = {"scope": "system/*.cruds", "client_id": "confidential", "patient": "B"}
    unwanted = ["See measurements and results", "Keep this access when you are not using the app"]
    answer = granted(world, browser.submit(page, forged, press="allow", untick=unwanted))
    assert (answer["scope"], answer["patient"]) == ("launch/patient openid fhirUser patient/Condition.rs", "A")
    assert "refresh_token" not in answer


def test_no_is_as_easy_as_yes(world: World) -> None:
    """security.md LC-18: access_denied to the app, with its state; it is asked anew next time; REQ-88."""
    browser = world.browser()
    told = browser.submit(consent_page(world, browser), press="deny").location_parameters
    assert (told["error"], told["state"], told["iss"]) == ("access_denied", world.public.state, ISSUER)
    page = browser.open(world.public.authorize_url(scope=ALONE))
    assert "Share health records with Public App?" in page.text


@pytest.mark.parametrize("path", ["/login", "/consent", "/select-patient"])
@pytest.mark.parametrize("handle", ["", "unknown", "x" * 5000])
def test_a_form_without_a_living_interaction_goes_nowhere(world: World, path: str, handle: str) -> None:
    """security.md LC-11, LC-26, LC-27: one page for all, findable on the trail; REQ-121."""
    page = post(world.browser(), path, interaction=handle, action="allow", username="alice", password="alice-password")
    assert page.status == 400
    assert "This page is out of date, or it was opened in another browser." in page.text
    found = EIGHT.search(page.text)
    assert found is not None
    assert events(world, found.group(1)) == [("authorize.refused", "out_of_date")]


def test_a_form_counts_once_and_in_its_own_browser_only(world: World) -> None:
    """security.md LC-09, LC-11, LC-19, LC-26."""
    browser, other = world.browser(), world.browser()
    page = consent_page(world, browser)
    assert browser.submit(page, press="allow").location_parameters["code"]
    assert browser.submit(page, press="allow").status == 400
    page = browser.open(world.public.authorize_url(scope=ALONE, prompt="consent"))
    consent_page(world, other)
    other.url = browser.url
    assert other.submit(page, press="allow").status == 400


def test_a_page_shown_to_one_person_is_not_answered_for_another(world: World) -> None:
    """security.md LC-09: the session switched to somebody else in another tab."""
    browser = world.browser()
    consent_page(world, browser)
    page = browser.open(world.public.authorize_url(scope=ALONE, prompt="consent"))
    assert "Alice (you)" in page.text
    other_tab = browser.open(world.public.authorize_url(scope=ALONE, prompt="login"))
    browser.sign_in(other_tab, "parent", "parent-password")
    reply = browser.submit(page, press="allow")
    assert reply.status == 403
    assert "somebody else has signed in, since this page was shown" in reply.text


def end_sign_ins(world: World, name: str) -> None:
    user = world.services.users.by_name(name)
    assert user is not None
    world.clock.forward(seconds=1)
    with world.services.db.write() as session:
        world.services.passwords.set_password(session, user.sub, "another")


def test_a_session_that_was_ended_meanwhile_agrees_to_nothing(world: World) -> None:
    """Decision 3, security.md LC-09: an operator ends a person's sessions while the consent page waits."""
    browser = world.browser()
    page = consent_page(world, browser)
    end_sign_ins(world, "alice")
    reply = browser.submit(page, press="allow")
    assert reply.status == 403
    assert "You have signed out" in reply.text


def test_a_sign_in_within_a_launch_that_was_ended_meanwhile_agrees_to_nothing(world: World) -> None:
    """Decision 3: the same without a session."""
    reauthenticate(world)
    browser = Browser(world.transport, url=ISSUER)
    page = browser.sign_in(launched_page(world, prompt="consent"), "doctor", "doctor-password")
    assert "Share health records with Public App?" in page.text
    end_sign_ins(world, "doctor")
    assert browser.submit(page, press="allow").location_parameters["error"] == "access_denied"


def test_a_representative_chooses_one_of_their_own(world: World) -> None:
    """SMART section 6.2, security.md LC-14: several patients are offered, nobody else can be posted."""
    browser = world.browser()
    page = consent_page(world, browser, "parent")
    choices = [value for name, value in Forms(page.text).buttons if name == "patient"]
    assert choices == ["child-1", "child-2"]
    assert "You are their parent" in page.text
    consent = browser.submit(page, press="child-2")
    assert "Jonas Brandt born 30 Jul 2019 · male · MRN MRN-child-2" in read(consent)
    assert granted(world, browser.submit(consent, press="allow"))["patient"] == "child-2"


@pytest.mark.parametrize("patient", ["A", "", "../A", "child-1,child-2", "Patient/child-1", "CHILD-1"])
def test_a_patient_who_was_not_offered_can_not_be_had(world: World, patient: str) -> None:
    """security.md LC-14: refused, on the trail, nothing issued."""
    browser = world.browser()
    page = consent_page(world, browser, "parent")
    reply = post(browser, "/select-patient", interaction=interaction(page), patient=patient)
    assert reply.status == 403
    found = EIGHT.search(reply.text)
    assert found is not None
    assert events(world, found.group(1)) == [("authorize.refused", "page")]


def test_choosing_nobody_is_a_refusal(world: World) -> None:
    """ERR-06."""
    browser = world.browser()
    page = consent_page(world, browser, "parent")
    assert browser.submit(page, press="cancel").location_parameters["error"] == "access_denied"


def test_pages_of_a_launch_need_no_cookie_and_are_framed_by_the_ehr_alone(world: World) -> None:
    """Decisions 14 and 21: works in a frame with third-party cookies blocked, the app's opener survives.

    AUTHZ-25, REQ-4, REQ-D10.
    """
    page = launched_page(world, prompt="consent")
    assert "Share health records with Public App?" in page.text
    assert "set-cookie" not in page.headers
    assert f"frame-ancestors {EHR_ORIGIN};" in (page.header("content-security-policy") or "")
    assert page.header("x-frame-options") is None
    assert page.header("cross-origin-opener-policy") == "unsafe-none"
    browser = world.browser()
    browser.url = ISSUER
    reply = browser.submit(page, press="allow")
    assert granted(world, reply)["patient"] == "A"
    assert "set-cookie" not in reply.headers
    assert reply.header("cross-origin-opener-policy") == "unsafe-none"
    assert browser.submit(page, press="allow").status == 400


def reauthenticate(world: World) -> None:
    with world.services.db.write() as session:
        session.execute(update(FhirServerRow).where(FhirServerRow.name == "main").values(reauthenticate=True))


def test_a_fhir_server_can_demand_a_sign_in_within_the_launch(world: World) -> None:
    """Decision 14: the password page inside the launch, without a cookie; REQ-84, REQ-D8."""
    reauthenticate(world)
    page = launched_page(world)
    browser = Browser(world.transport, url=ISSUER)
    assert browser.sign_in(page, "doctor", "wrong").status == 401
    reply = browser.sign_in(launched_page(world), "doctor", "doctor-password")
    assert granted(world, reply)["patient"] == "A"
    assert browser.cookies == {}


def test_somebody_else_than_the_user_of_the_launch_gets_no_further(world: World) -> None:
    """A clear page, "not you?", and the launch still works for the person it was for; REQ-84."""
    reauthenticate(world)
    browser = Browser(world.transport, url=ISSUER)
    page = browser.sign_in(launched_page(world), "parent", "parent-password")
    assert page.status == 403
    text = " ".join(re.sub(r"<[^>]+>", " ", page.text).split())
    assert "You signed in as Parent , but Public App was opened for Doctor ." in text
    assert "Not you?" in text
    found = EIGHT.search(page.text)
    assert found is not None
    assert events(world, found.group(1)) == [("launch.refused", "other_user")]
    again = browser.submit(page, press="again")
    assert 'name="password"' in again.text
    assert granted(world, browser.sign_in(again, "doctor", "doctor-password"))["patient"] == "A"


def test_the_wrong_user_may_leave(world: World) -> None:
    reauthenticate(world)
    browser = Browser(world.transport, url=ISSUER)
    page = browser.sign_in(launched_page(world), "parent", "parent-password")
    assert browser.submit(page, press="cancel").location_parameters["error"] == "access_denied"


def test_reloading_a_page_changes_nothing(world: World) -> None:
    """security.md LC-19: the address of a page holds a handle that shows the same page again."""
    browser = world.browser()
    page = consent_page(world, browser)
    again = browser.open(browser.url)
    assert interaction(again) == interaction(page)
    assert Browser(world.transport).open(browser.url).status == 400


def test_two_tabs_do_not_mix(world: World) -> None:
    """security.md LC-23: each code belongs to its own client and scope."""
    browser = world.browser()
    first = consent_page(world, browser)
    second = browser.open(world.confidential.authorize_url(scope="launch/patient patient/Condition.rs"))
    url = browser.url
    told = browser.submit(first, press="allow")
    assert told.location.startswith(f"{APP}/cb?")
    browser.url = urljoin(url, "/")
    other = browser.submit(second, press="allow")
    assert other.location.startswith("https://conf.example/cb?")
    answer = world.confidential.redeem(other.location_parameters["code"]).json()
    assert answer["scope"] == "launch/patient patient/Condition.rs"
