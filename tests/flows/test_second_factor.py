"""Sign-in with a password and a code, as a person with an authenticator app meets it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from pyotp import TOTP
from sqlalchemy import select, text, update

from authz.audit.model import AuditEventRow
from authz.fhir_servers.model import FhirServerRow
from authz.login.throttle import CODES
from tests.actors import FORM, Browser, Forms
from tests.flows.test_older_apps import claims
from tests.world import ISSUER

if TYPE_CHECKING:
    from authz.login.second_factor import Enrolment
    from tests.transport import Reply
    from tests.world import World

ALONE = "launch/patient openid patient/*.rs"


@pytest.fixture
def alice(world: World) -> Enrolment:
    """Alice has put the secret into her authenticator app."""
    user = world.services.users.by_name("alice")
    assert user is not None
    with world.services.db.write() as session:
        return world.services.second_factor.enrol(session, user)


def code(world: World, enrolment: Enrolment) -> str:
    return TOTP(parse_qs(urlsplit(enrolment.uri).query)["secret"][0]).at(world.clock())


def code_page(world: World, browser: Browser) -> Reply:
    page = browser.open(world.public.authorize_url(scope=ALONE))
    page = browser.sign_in(page, "alice", "alice-password")
    assert (page.status, "<h1>Enter a code</h1>" in page.text) == (200, True)
    return page


def give(browser: Browser, page: Reply, typed: str) -> Reply:
    return browser.submit(page, {"code": typed}, press="code")


def trail(world: World) -> list[tuple[str, str | None, dict[str, object]]]:
    with world.services.db.read() as session:
        rows = session.scalars(
            select(AuditEventRow)
            .where(AuditEventRow.event.in_(["login", "login.failed", "rate_limited"]))
            .order_by(text("rowid"))  # as they were written: the clock stands still
        )
        return [(row.event, row.reason, row.detail) for row in rows]


def problem(page: Reply) -> str:
    found = re.search(r'id="problem">\s*<p>([^<]*)', page.text)
    assert found is not None, page.text
    return found.group(1)


def test_password_and_code_sign_in_and_the_app_learns_how(world: World, alice: Enrolment) -> None:
    """RFC 8176: amr pwd and otp, in the id_token and on the trail."""
    browser = world.browser()
    consent = give(browser, code_page(world, browser), code(world, alice))
    sent = browser.submit(consent, press="allow").location_parameters
    found = claims(world.public.redeem(sent["code"]).json())
    assert found["amr"] == ["pwd", "otp"]
    assert found["auth_time"] == int(world.clock().timestamp())
    assert trail(world) == [("login", None, {"amr": ["pwd", "otp"], "second_factor": "totp"})]


def test_the_password_alone_opens_nothing(world: World, alice: Enrolment) -> None:
    """No session, no known browser, and no way around the page: the step stands in the interaction, not in the form."""
    browser = world.browser()
    page = code_page(world, browser)
    assert set(browser.cookies) == {"authz_browser"}
    assert world.browser().open(world.public.authorize_url(scope=ALONE)).text.count("<h1>Sign in</h1>") == 1
    handle = dict(Forms(page.text).fields)["interaction"]
    for path in ("/consent", "/select-patient"):
        body = urlencode({"interaction": handle, "action": "allow", "decision": "allow", "patient": "A"}).encode()
        page = browser.follow(browser.request("POST", ISSUER + path, body, {"Content-Type": FORM}))
        if "<h1>Enter a code</h1>" in page.text:
            handle = dict(Forms(page.text).fields)["interaction"]
        assert page.header("location") is None
        assert "<h1>Enter a code</h1>" in page.text or page.status in {400, 403, 404, 405}
    assert trail(world) == []


def test_a_wrong_code_shows_the_page_again_and_a_used_one_is_wrong(world: World, alice: Enrolment) -> None:
    """RFC 6238 §5.2."""
    browser, good = world.browser(), code(world, alice)
    page = give(browser, code_page(world, browser), f"{(int(good) + 1) % 1_000_000:06}")
    assert (page.status, problem(page)) == (401, "The code is not right, or it was used before. Wait for the next one.")
    assert give(browser, page, good).status == 200
    other = world.browser()
    page = give(other, code_page(world, other), good)
    assert page.status == 401
    assert [(event, reason) for event, reason, _ in trail(world)] == [
        ("login.failed", "wrong_code"),
        ("login", None),
        ("login.failed", "wrong_code"),
    ]


def test_a_recovery_code_stands_for_the_lost_app(world: World, alice: Enrolment) -> None:
    browser = world.browser()
    page = give(browser, code_page(world, browser), alice.recovery_codes[3].lower())
    assert "Allow" in page.text
    assert trail(world) == [("login", None, {"amr": ["pwd", "otp"], "second_factor": "recovery_code"})]


def test_too_many_codes_are_refused_and_a_recovery_code_is_not(world: World, alice: Enrolment) -> None:
    """security.md RL-02, RL-06."""
    browser = world.browser()
    page = code_page(world, browser)
    for _ in range(CODES.tries):
        page = give(browser, page, "000000")
    page = give(browser, page, code(world, alice))
    assert (page.status, page.header("retry-after")) == (429, str(CODES.seconds))
    assert problem(page) == "Too many attempts to sign in. Wait a few minutes, then try again."
    assert trail(world)[-1][:2] == ("rate_limited", "second_factor")
    assert "Allow" in give(browser, page, alice.recovery_codes[0]).text


def test_the_password_is_asked_again_after_five_minutes(world: World, alice: Enrolment) -> None:
    browser = world.browser()
    page = code_page(world, browser)
    world.clock.forward(minutes=5)
    page = give(browser, page, code(world, alice))
    assert (page.status, problem(page)) == (401, "That took too long. Sign in again.")
    assert "<h1>Sign in</h1>" in page.text
    page = browser.sign_in(page, "alice", "alice-password")
    assert "Allow" in give(browser, page, code(world, alice)).text


@pytest.mark.parametrize("change", ["password", "disabled"])
def test_whoever_was_changed_between_password_and_code_begins_anew(world: World, alice: Enrolment, change: str) -> None:
    """Decision 3: the row decides."""
    browser = world.browser()
    page = code_page(world, browser)
    world.clock.forward(seconds=1)
    sub = world.services.users.by_name("alice").sub  # type: ignore[union-attr]  # she is there
    with world.services.db.write() as session:
        if change == "password":
            world.services.passwords.set_password(session, sub, "another")
        else:
            world.services.users.set_enabled(session, sub, enabled=False)
    page = give(browser, page, code(world, alice))
    assert (page.status, "<h1>Sign in</h1>" in page.text) == (401, True)


def test_one_may_start_again_or_leave(world: World, alice: Enrolment) -> None:
    browser = world.browser()
    page = browser.submit(code_page(world, browser), press="again")
    assert "<h1>Sign in</h1>" in page.text
    left = browser.submit(browser.sign_in(page, "alice", "alice-password"), press="cancel")
    assert left.location_parameters["error"] == "access_denied"


def test_in_the_frame_of_an_ehr_the_code_is_asked_without_cookies(world: World, alice: Enrolment) -> None:
    """Decision 14: where the FHIR server wants its users to sign in here too."""
    with world.services.db.write() as session:
        session.execute(update(FhirServerRow).where(FhirServerRow.name == "main").values(reauthenticate=True))
    launch = world.ehr.launch("public", "Patient/A", patient="A")["launch"]
    browser = world.browser()
    page = browser.open(world.public.authorize_url(launch=launch, scope="launch openid patient/*.rs"))
    page = browser.sign_in(page, "alice", "alice-password")
    assert "frame-ancestors https://ehr.example" in (page.header("content-security-policy") or "")
    page = give(browser, page, code(world, alice))
    assert browser.cookies == {}
    sent = browser.submit(page, press="allow").location_parameters
    assert claims(world.public.redeem(sent["code"]).json())["amr"] == ["pwd", "otp"]
