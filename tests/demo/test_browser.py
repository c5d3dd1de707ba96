"""The demo in a real browser: the apps' own scripts, in the EHR's frame and in a tab of their own."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Browser, BrowserContext, Error, FrameLocator, Page, Playwright, expect

from tests.browser.chromium import CHROMIUM
from tests.demo.sites import Sites, running_sites

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sites]:
    with running_sites(tmp_path_factory.mktemp("demo")) as sites:
        yield sites


@pytest.fixture(scope="module")
def chromium(playwright: Playwright) -> Iterator[Browser]:
    browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=CHROMIUM)
    yield browser
    browser.close()


@pytest.fixture
def context(chromium: Browser) -> Iterator[BrowserContext]:
    """A fresh profile; any script error, or anything a content security policy stops, fails the test."""
    problems: list[str] = []

    def watch(error: Error) -> None:
        problems.append(error.message)

    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(10_000)
    context.on("weberror", lambda error: watch(error.error))
    context.on("console", lambda m: problems.append(m.text) if "Content Security Policy" in m.text else None)
    yield context
    context.close()
    assert problems == []


def chart(context: BrowserContext, sites: Sites, person: str, patient: str) -> Page:
    """Sign in at the EHR and open a chart's apps."""
    page = context.new_page()
    page.goto(f"{sites.config.ehr}/")
    page.click(f".person[data-name={person}]")
    page.wait_for_url(lambda url: "sign-in" not in url)
    page.goto(f"{sites.config.ehr}/patients/{patient}?tab=apps")
    return page


def framed(page: Page) -> FrameLocator:
    page.click("text=Open in the chart")
    frame = page.frame_locator("#app-frame")
    frame.locator("svg.plot").wait_for()
    return frame


def in_a_tab(context: BrowserContext, page: Page, app: str) -> Page:
    with context.expect_page() as opened:
        page.locator(".app", has_text=app).get_by_text("Open in a new tab").click()
    return opened.value


def test_in_the_ehrs_frame_the_app_shows_the_open_chart_and_no_second_banner(
    context: BrowserContext, sites: Sites
) -> None:
    """LAU-01; ``need_patient_banner``: false; no cookie is there for the app, as in a browser that blocks them."""
    page = chart(context, sites, "clinician", "child-1")
    frame = framed(page)
    expect(frame.locator("#chart-title")).to_have_text("Weight of Ella")
    expect(frame.locator("#patient")).to_be_hidden()
    expect(frame.locator("#bar-end")).to_contain_text("for Dr. Helen Marsh")
    expect(page.locator("#story li strong").first).to_have_text("The EHR announced Growth Chart")
    expect(page.locator("#story")).not_to_contain_text(next(iter(sites.state.tokens)))
    assert [c["name"] for c in context.cookies()] == ["demo_ehr_session"]


def test_a_recorded_weight_is_in_the_chart_of_the_app_and_of_the_ehr(context: BrowserContext, sites: Sites) -> None:
    page = chart(context, sites, "clinician", "child-2")
    frame = framed(page)
    before = frame.locator("svg.plot circle").count()
    frame.get_by_label("Weight in kg").fill("23.45")
    frame.get_by_role("button", name="Save to the record").press("Enter")
    expect(frame.locator("#saved")).to_contain_text("It is in the hospital's record now.")
    expect(frame.locator("svg.plot circle")).to_have_count(before + 1)
    expect(frame.locator("svg.plot .value")).to_have_text("23.45 kg")
    page.goto(f"{sites.config.ehr}/patients/child-2?tab=results")
    expect(page.get_by_role("row", name="Body weight")).to_contain_text("23.45 kg")


def test_the_panels_explain_the_token_the_identity_and_the_requests(context: BrowserContext, sites: Sites) -> None:
    """The token is shortened until one asks; the id_token's signature was checked by the browser itself."""
    app = in_a_tab(context, chart(context, sites, "clinician", "pat-6"), "Growth Chart")
    expect(app.locator("#patient")).to_contain_text("Sofia Rossi")
    app.get_by_role("tab", name="Token").click()
    panel = app.locator("#panel-token")
    expect(panel.locator(".scopes li")).to_have_count(8)
    expect(panel).to_contain_text("create Observation records of this patient")
    token = app.evaluate("JSON.parse(sessionStorage['growth-chart session']).response.access_token")
    expect(panel).not_to_contain_text(token)
    panel.get_by_role("button", name="Show").first.click()
    expect(panel).to_contain_text(token)
    app.keyboard.press("Tab")
    app.get_by_role("tab", name="Token").press("ArrowRight")
    expect(app.locator("#panel-identity .checks li")).to_have_count(5)
    expect(app.locator("#panel-identity")).to_contain_text(f"{sites.config.fhir}/Practitioner/prac-1")
    app.get_by_role("tab", name="Requests").click()
    expect(app.locator("#panel-requests li").nth(1)).to_contain_text("/token")


def test_the_code_leaves_the_address_bar_and_a_reload_goes_on_with_the_same_token(
    context: BrowserContext, sites: Sites
) -> None:
    app = in_a_tab(context, chart(context, sites, "clinician", "pat-7"), "Growth Chart")
    app.wait_for_selector("svg.plot")
    assert app.url == f"{sites.config.app}/"
    known = len(sites.state.tokens)
    app.reload()
    app.wait_for_selector("svg.plot")
    assert len(sites.state.tokens) == known


def test_a_refresh_brings_a_new_token(context: BrowserContext, sites: Sites) -> None:
    app = in_a_tab(context, chart(context, sites, "clinician", "pat-7"), "Growth Chart")
    app.get_by_role("tab", name="Token").click()
    old = app.locator("#panel-token .secret code").first.inner_text()
    app.get_by_role("button", name="Refresh the token now").click()
    expect(app.locator("#panel-token .secret code").first).not_to_have_text(old)


def test_disconnecting_takes_the_access_away_at_once(context: BrowserContext, sites: Sites) -> None:
    app = in_a_tab(context, chart(context, sites, "parent", "child-1"), "Growth Chart")
    app.get_by_role("button", name="Disconnect").click()
    expect(app.locator("#problem")).to_contain_text("the FHIR server answered 401. The access is really gone.")
    app.reload()
    expect(app.get_by_role("button", name="Connect to Lakeside General")).to_be_visible()


def test_an_app_that_may_only_read_offers_no_form(context: BrowserContext, sites: Sites) -> None:
    """SCP-16: what was granted may be less than what was asked; the app looks at what it got."""
    app = in_a_tab(context, chart(context, sites, "patient", "pat-1"), "Growth Chart")
    expect(app.locator("#record")).to_be_visible()
    app.evaluate(
        """() => {
          const session = JSON.parse(sessionStorage["growth-chart session"]);
          session.response.scope = "launch openid fhirUser patient/*.rs";
          sessionStorage["growth-chart session"] = JSON.stringify(session);
        }"""
    )
    app.reload()
    app.wait_for_selector("svg.plot")
    expect(app.locator("#record")).to_be_hidden()


def test_started_by_itself_the_app_asks_for_a_patient(context: BrowserContext, sites: Sites) -> None:
    """LAU-10: no ``launch`` parameter, scope ``launch/patient``."""
    page = context.new_page()
    page.goto(f"{sites.config.app}/")
    page.get_by_role("button", name="Connect to Lakeside General").click()
    expect(page.locator("#patient")).to_contain_text("Ella Brandt")
    expect(page.locator("#panel-story")).to_contain_text("You started this app yourself")
    page.get_by_role("tab", name="Token").click()
    expect(page.locator("#panel-token")).to_contain_text("offline_access")


def test_a_refusal_says_what_to_do(context: BrowserContext, sites: Sites) -> None:
    sites.state.refuse_next = "access_denied"
    page = context.new_page()
    page.goto(f"{sites.config.app}/")
    page.get_by_role("button", name="Connect to Lakeside General").click()
    alert = page.get_by_role("alert")
    expect(alert.locator("h1")).to_have_text("Access was not allowed")
    expect(alert).to_contain_text("the test wanted it so")
    expect(alert.get_by_role("link", name="To the start page")).to_be_visible()


@pytest.mark.parametrize(
    ("path", "title"),
    [
        ("/launch.html", "The launch handle is missing"),
        ("/launch.html?launch=x", "This app does not know that FHIR server"),
        ("/launch.html?launch=x&iss=http://127.0.0.1:1/fhir", "This app does not know that FHIR server"),
        ("/?code=x&state=unknown", "This answer belongs to no sign-in of this tab"),
        ("/?error=access_denied", "This answer belongs to no sign-in of this tab"),
    ],
)
def test_an_address_nobody_asked_for_is_explained_and_not_followed(
    context: BrowserContext, sites: Sites, path: str, title: str
) -> None:
    page = context.new_page()
    page.goto(f"{sites.config.app}{path}")
    expect(page.get_by_role("alert").locator("h1")).to_have_text(title)


def test_an_answer_of_another_issuer_is_not_used(context: BrowserContext, sites: Sites) -> None:
    """RFC 9207 §2.4."""
    page = context.new_page()
    page.goto(f"{sites.config.app}/")
    forged = f"{sites.config.app}/?code=x&state=s1&iss=http%3A%2F%2Fevil.example"
    page.evaluate(
        """(issuer) => sessionStorage.setItem("growth-chart pending s1",
             JSON.stringify({ issuer, verifier: "v", nonce: "n", requests: [], story: [] }))""",
        sites.config.issuer,
    )
    page.goto(forged)
    expect(page.get_by_role("alert").locator("h1")).to_have_text(
        "The answer came from another server than the one that was asked"
    )


@pytest.mark.parametrize(
    ("lie", "why"),
    [
        ({"iss": "http://evil.example"}, "It was issued by http://evil.example"),
        ({"aud": "referral"}, "It was made for another app."),
        ({"exp": 1}, "It has expired."),
        ({"nonce": "old"}, "It answers another sign-in than the one this app began."),
        ({}, "The signature is wrong."),
    ],
)
def test_an_id_token_that_does_not_hold_stops_the_app(
    context: BrowserContext, sites: Sites, lie: dict[str, object], why: str
) -> None:
    """OID-09, checked with the browser's own cryptography."""
    sites.state.lie_next, sites.state.forge_next = lie, not lie
    page = context.new_page()
    page.goto(f"{sites.config.app}/")
    page.get_by_role("button", name="Connect to Lakeside General").click()
    expect(page.get_by_role("alert")).to_contain_text("The app cannot be sure who you are")
    expect(page.get_by_role("alert")).to_contain_text(why)
    page.get_by_role("link", name="To the start page").click()
    expect(page.get_by_role("button", name="Connect to Lakeside General")).to_be_visible()


def test_the_referral_app_opens_with_the_charts_request(context: BrowserContext, sites: Sites) -> None:
    app = in_a_tab(context, chart(context, sites, "clinician", "pat-8"), "Referral Desk")
    expect(app.locator(".letter h1")).to_have_text("Referral to cardiology")
    expect(app.locator(".letter")).to_contain_text("Fatima Haddad")
    assert app.evaluate("document.cookie") == ""


def test_signing_out_at_the_ehr_ends_the_apps_access(context: BrowserContext, sites: Sites) -> None:
    page = chart(context, sites, "clinician", "pat-4")
    app = in_a_tab(context, page, "Growth Chart")
    app.wait_for_selector("svg.plot")
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/sign-in")
    app.get_by_label("Weight in kg").fill("8.1")
    app.get_by_role("button", name="Save to the record").press("Enter")
    expect(app.locator("#saved")).to_contain_text("The access has ended")


def lookalike_hears(context: BrowserContext, page: Page, handle: str | None = None) -> list[str]:
    """The page of nobody's that the EHR's gallery opens, with a guessed handle or with this one."""
    with context.expect_page() as opened:
        page.locator(".stranger a").click()
    stranger = opened.value
    field = stranger.get_by_label("A stolen handle, or a guessed one")
    expect(field).not_to_have_value("")  # its script has begun: before, the button would only load the page again
    if handle:
        field.fill(handle)
    stranger.get_by_role("button", name="Pretend to be the app").click()
    expect(stranger.locator("#heard li")).to_have_count(3)
    heard = stranger.locator("#heard .badge").all_inner_texts()
    stranger.close()
    page.bring_to_front()
    return heard


@pytest.mark.parametrize("where", ["frame", "tab"])
def test_the_app_drafts_an_order_shows_it_and_says_that_it_is_done(
    context: BrowserContext, sites: Sites, where: str
) -> None:
    """SMART Web Messaging "Scratchpad", "UI": between two origins, in a frame and in a tab."""
    sites.state.handles.clear()
    page = chart(context, sites, "clinician", "child-1")
    app = framed(page) if where == "frame" else in_a_tab(context, page, "Growth Chart")
    expect(app.locator("#ehr-state")).to_have_text("it answers")
    app.get_by_label("Order for the next visit").fill("Weight check in a week")
    app.get_by_role("button", name="Draft it in the EHR").press("Enter")
    expect(app.locator("#told")).to_have_text("“Weight check in a week” is a draft in the EHR now.")
    expect(page.locator("#drafts li")).to_have_text(["Weight check in a week"])
    app.get_by_role("button", name="Show the drafts there").press("Enter")
    expect(app.locator("#told")).to_have_text("The EHR shows them.")
    expect(page.locator("#activity")).to_contain_text("Growth Chart brought you here")
    page.bring_to_front()
    page.get_by_role("button", name="Sign what is ticked").click()
    expect(page.locator("#drafts-count")).to_have_text("0")
    if not isinstance(app, Page):  # the frame has just been shown again; what is done in it waits until it is painted
        painted = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
        app.locator("body").evaluate(painted)
    with page.expect_response("**/messages/revoke") as revoked:  # by keyboard: a click may land on the frame's element
        app.get_by_role("button", name="I am done").press("Enter")
    assert (revoked.value.status, sites.state.handles) == (204, {})
    expect(page.locator("#story li strong").last).to_have_text("The app said that it is done")
    expect(page.locator("#frame-card")).to_be_hidden()
    assert not isinstance(app, Page) or app.is_closed() or app.wait_for_event("close")
    expect(page.locator("#story")).not_to_contain_text("swm_")


def test_a_page_of_another_origin_gets_silence_with_a_guessed_and_with_a_stolen_handle(
    context: BrowserContext, sites: Sites
) -> None:
    """WM-05."""
    sites.state.handles.clear()
    page = chart(context, sites, "clinician", "child-1")
    frame = framed(page)
    expect(frame.locator("#ehr-state")).to_have_text("it answers")
    [handle] = sites.state.handles
    assert lookalike_hears(context, page) == ["silence"] * 3
    assert lookalike_hears(context, page, handle) == ["silence"] * 3
    expect(page.locator("#story li", has_text="A message got no answer")).to_have_count(6)
    assert [*sites.state.handles] == [handle]
    frame.get_by_role("button", name="Draft it in the EHR").press("Enter")
    expect(frame.locator("#told")).to_contain_text("is a draft in the EHR now.")


def test_what_the_ehr_refuses_is_said_to_the_person_at_the_app(context: BrowserContext, sites: Sites) -> None:
    page = chart(context, sites, "clinician", "child-1")
    frame = framed(page)
    expect(frame.locator("#ehr-state")).to_have_text("it answers")
    for answer in sites.state.handles.values():
        answer["scope"] = "messaging/ui"
    frame.get_by_role("button", name="Draft it in the EHR").press("Enter")
    expect(frame.locator("#told")).to_have_text("The EHR says: The app was not granted messaging/scratchpad.")
    expect(page.locator("#story li strong").last).to_have_text("The EHR refused scratchpad.create")


def test_without_a_handle_the_app_says_nothing_of_an_ehr(context: BrowserContext, sites: Sites) -> None:
    """Standing alone there is no EHR to talk to."""
    page = context.new_page()
    page.goto(f"{sites.config.app}/")
    page.get_by_role("button", name="Connect to Lakeside General").click()
    page.locator("svg.plot").wait_for()
    expect(page.locator("#in-ehr")).to_be_hidden()
