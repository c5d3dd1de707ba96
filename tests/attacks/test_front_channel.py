"""The pages between the request and the code, used in the wrong order, twice, by others (security.md 2.8)."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pytest
from sqlalchemy import func, select

from authz.audit.model import AuditEventRow
from authz.tokens.model import CodeRow, GrantRow
from tests.actors import FORM, Forms
from tests.transport import SUPPORT_PAGE
from tests.world import ISSUER

if TYPE_CHECKING:
    from tests.actors import Browser
    from tests.transport import Reply
    from tests.world import World

SCOPE = "launch/patient openid patient/Observation.rs"


def post(browser: Browser, path: str, **fields: str) -> Reply:
    return browser.follow(
        browser.request("POST", f"{ISSUER}{path}", urlencode(fields).encode(), {"Content-Type": FORM})
    )


def handle_of(page: Reply) -> str:
    return dict(Forms(page.text).fields)["interaction"]


def sign_in_page(world: World, scope: str = SCOPE) -> tuple[Browser, Reply]:
    browser = world.browser()
    return browser, browser.open(world.public.authorize_url(scope=scope))


def consent_page(world: World, scope: str = SCOPE, name: str = "alice") -> tuple[Browser, Reply]:
    browser, page = sign_in_page(world, scope)
    return browser, browser.sign_in(page, name, f"{name}-password")


def count(world: World, table: type[CodeRow | GrantRow]) -> int:
    with world.services.db.read() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


def events(world: World) -> list[str]:
    with world.services.db.read() as session:
        return list(session.scalars(select(AuditEventRow.event)))


def launch(world: World, **context: object) -> str:
    made = world.ehr.launch("public", "Practitioner/dr", launch_url="https://app.example/launch", **context)
    return str(made["launch"])


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/consent", {"action": "allow", "keep": "patient/Observation.rs"}),
        ("/select-patient", {"patient": "A", "action": "choose"}),
        ("/consent", {"action": "bogus"}),
        ("/login", {"action": "bogus"}),
        ("/login", {"username": "alice"}),
        ("/login", {}),
    ],
)
def test_no_step_can_be_taken_before_its_turn(world: World, path: str, fields: dict[str, str]) -> None:
    """LC-09, LC-27: consent and choice before the sign-in, forms with parts missing: nothing is issued."""
    browser, page = sign_in_page(world)
    reply = post(browser, path, interaction=handle_of(page), **fields)
    assert "code" not in (reply.location_parameters if reply.header("location") else {})
    assert (count(world, CodeRow), count(world, GrantRow)) == (0, 0)


def test_the_consent_form_can_only_take_away(world: World) -> None:
    """LC-10: whatever else a form brings, what was asked stays the most."""
    browser, page = consent_page(world)
    sent = [
        *Forms(page.text).fields,
        ("action", "allow"),
        ("keep", "system/*.cruds"),
        ("keep", "patient/*.cruds see"),
        ("keep", "patient/*.cruds change"),
        ("keep", "offline_access"),
        ("scope", "system/*.cruds"),
        ("client_id", "confidential"),
        ("redirect_uri", "https://evil.example/"),
        ("launch", "x"),
        ("patient", "B"),
    ]
    reply = browser.request("POST", f"{ISSUER}/consent", urlencode(sent).encode(), {"Content-Type": FORM})
    assert reply.location.startswith("https://app.example/cb?")
    tokens = world.public.redeem(reply.location_parameters["code"]).json()
    assert (tokens["scope"], tokens["patient"]) == (SCOPE, "A")


def test_to_allow_nothing_is_to_refuse(world: World) -> None:
    """SCP-17: every box unticked is the person's no, not a mistake of the app's; ERR-06, AMB-11."""
    browser, page = consent_page(world, "patient/Observation.rs offline_access")
    reply = post(browser, "/consent", interaction=handle_of(page), action="allow")
    sent = reply.location_parameters
    assert sent.pop("error_description").startswith("the user agreed to none of the scopes (support code ")
    assert SUPPORT_PAGE.search(sent.pop("error_uri"))
    assert sent == {"error": "access_denied", "state": world.public.state, "iss": ISSUER}
    assert count(world, CodeRow) == 0


def test_an_interaction_of_another_browser_is_nothing(world: World) -> None:
    """LC-09, LC-11, LC-26: neither its form nor its address, and also not for somebody signed in there."""
    _victim, page = consent_page(world)
    thief, _ = consent_page(world, name="parent")
    handle = handle_of(page)
    assert post(thief, "/consent", interaction=handle, action="allow").status == 400
    assert thief.open(f"{ISSUER}/authorize?interaction={handle}").status == 400
    assert count(world, CodeRow) == 0


def test_a_form_from_another_site_has_no_cookie_and_no_effect(world: World) -> None:
    """LC-11: SameSite=Lax keeps the cookies from it."""
    _browser, page = consent_page(world)
    assert post(world.browser(), "/consent", interaction=handle_of(page), action="allow").status == 400
    assert count(world, CodeRow) == 0


def test_a_planted_session_dies_at_the_sign_in(world: World) -> None:
    """LC-05: also if it is a living one."""
    attacker, page = consent_page(world, name="parent")
    planted = attacker.cookies["authz_session"]
    browser = world.browser()
    browser.cookies["authz_session"] = planted
    page = browser.open(world.public.authorize_url(scope=SCOPE, prompt="login"))
    browser.sign_in(page, "alice", "alice-password")
    assert browser.cookies["authz_session"] != planted
    again = attacker.open(world.public.authorize_url(scope=SCOPE))
    assert "<h1>Sign in</h1>" in again.text


@pytest.mark.parametrize("cookie", ["", "x", "x" * 8000, "\u00e9", '"', "a=b", "a, b"])
def test_cookies_of_nobody_sign_nobody_in(world: World, cookie: str) -> None:
    """HC-03."""
    headers = {"Cookie": f"authz_session={cookie}; authz_browser={cookie}; =authz_session=x; authz_device={cookie}"}
    reply = world.browser().request("GET", world.public.authorize_url(scope=SCOPE), headers=headers)
    assert (reply.status, "<h1>Sign in</h1>" in reply.text) == (200, True)


@pytest.mark.parametrize("next_", ["//evil.example", "/\\evil.example", "https://evil.example", "javascript:alert(1)"])
def test_there_is_nowhere_to_be_sent_after_the_sign_in(world: World, next_: str) -> None:
    """LC-06: the interaction knows, no parameter does."""
    browser, page = sign_in_page(world)
    sent = {"interaction": handle_of(page), "username": "alice", "password": "alice-password", "next": next_}
    reply = browser.request("POST", f"{ISSUER}/login", urlencode(sent).encode(), {"Content-Type": FORM})
    assert reply.location.startswith(f"{ISSUER}/authorize?interaction=")


@pytest.mark.parametrize(
    "password", ["x" * 1025, "x" * 10_000, "\U0001f600" * 300, "alice-password ", "ALICE-PASSWORD", ""]
)
def test_a_password_that_is_not_it_is_refused(world: World, password: str) -> None:
    """LC-07."""
    browser, page = sign_in_page(world)
    reply = browser.sign_in(page, "alice", password)
    assert (reply.status, "The user name or the password is not right." in reply.text) == (401, True)


def test_a_consent_pressed_twice_at_once_gives_one_code(world: World) -> None:
    """LC-19: a double click, or two threads of an attacker."""
    browser, page = consent_page(world)
    form = {"interaction": handle_of(page), "action": "allow", "keep": "patient/Observation.rs"}

    def press(_: int) -> int:
        other = world.browser()
        other.cookies.update(browser.cookies)
        body = urlencode(form).encode()
        return other.request("POST", f"{ISSUER}/consent", body, {"Content-Type": FORM}).status

    with ThreadPoolExecutor(8) as pool:
        statuses = sorted(pool.map(press, range(8)))
    assert statuses == [303] + [400] * 7
    assert count(world, CodeRow) == 1


def test_a_launch_opened_many_times_at_once_gives_one_code(world: World) -> None:
    """Decision 1: the same request from several windows spends the launch once."""
    url = world.public.authorize_url(scope="launch patient/Observation.rs", launch=launch(world, patient="A"))

    def open_(_: int) -> str:
        parameters = world.browser().request("GET", url).location_parameters
        return "code" if "code" in parameters else parameters["error"]

    with ThreadPoolExecutor(8) as pool:
        answers = sorted(pool.map(open_, range(8)))
    assert answers == ["code"] + ["invalid_request"] * 7
    assert (count(world, CodeRow), count(world, GrantRow)) == (1, 1)


def test_a_launch_page_sets_no_cookie_and_no_handle_into_an_address(world: World) -> None:
    """Decision 14: the handle is in the form alone, each step replaces it."""
    browser = world.browser()
    page = browser.open(
        world.public.authorize_url(scope="launch patient/Observation.rs", launch=launch(world), prompt="login")
    )
    wrong = browser.sign_in(page, "doctor", "wrong")
    right = browser.sign_in(wrong, "doctor", "doctor-password")
    assert [page.header("set-cookie"), wrong.header("set-cookie"), right.header("set-cookie")] == [None] * 3
    assert handle_of(page) != handle_of(wrong)
    assert (
        post(browser, "/login", interaction=handle_of(page), username="doctor", password="doctor-password").status
        == 400
    )


def test_a_launch_can_not_choose_a_patient(world: World) -> None:
    """AZ-78, LC-14: not even one its user may see."""
    browser = world.browser()
    page = browser.open(
        world.public.authorize_url(
            scope="launch launch/patient patient/Observation.rs", launch=launch(world, patient="A"), prompt="consent"
        )
    )
    assert post(browser, "/select-patient", interaction=handle_of(page), patient="B").status == 403
    assert count(world, CodeRow) == 0


def test_the_handle_of_a_launch_is_no_address(world: World) -> None:
    """Decision 14: it is resumed by its form only."""
    browser = world.browser()
    page = browser.open(
        world.public.authorize_url(scope="launch patient/Observation.rs", launch=launch(world), prompt="login")
    )
    assert browser.open(f"{ISSUER}/authorize?interaction={handle_of(page)}").status == 400


def test_a_page_left_open_too_long_is_over(world: World) -> None:
    """LC-09: and what was spent or withdrawn meanwhile stays so."""
    browser = world.browser()
    made = world.ehr.launch("public", "Practitioner/dr", launch_url="https://app.example/launch", patient="A")
    page = browser.open(
        world.public.authorize_url(scope="launch patient/Observation.rs", launch=made["launch"], prompt="consent")
    )
    assert world.ehr.withdraw(made["launch_id"]).status == 204
    assert browser.submit(page, press="allow").location_parameters["error"] == "invalid_request"
    assert count(world, CodeRow) == 0


def test_an_ended_ehr_session_stops_a_page_that_is_open(world: World) -> None:
    """Decision 3: the clinician signed out of the EHR while the page was waiting."""
    browser = world.browser()
    page = browser.open(
        world.public.authorize_url(
            scope="launch patient/Observation.rs", launch=launch(world, session="s-1"), prompt="consent"
        )
    )
    assert world.ehr.end_session("s-1").status == 204
    assert browser.submit(page, press="allow").location_parameters["error"] == "invalid_request"
    assert count(world, CodeRow) == 0


@pytest.mark.parametrize("what", ["client", "user", "fhir_server"])
def test_what_is_switched_off_meanwhile_gets_no_code(world: World, what: str) -> None:
    """LC-09, decision 20: every step looks at everything again."""
    browser, page = consent_page(world)
    services = world.services
    with services.db.write() as session:
        if what == "client":
            services.clients.set_enabled(session, "public", enabled=False)
        elif what == "user":
            alice = services.users.by_name("alice")
            assert alice is not None
            services.users.set_enabled(session, alice.sub, enabled=False)
        else:
            services.fhir_servers.set_enabled(session, "main", enabled=False)
    reply = browser.submit(page, press="allow")
    assert "code=" not in (reply.header("location") or "")
    assert count(world, CodeRow) == 0


def test_a_right_taken_away_meanwhile_is_gone(world: World) -> None:
    """Decision 20: a parent whose representation ended between choice and consent; REQ-109."""
    browser, page = consent_page(world, name="parent")
    consent = browser.submit(page, press="child-2")
    parent = world.services.users.by_name("parent")
    assert parent is not None
    with world.services.db.write() as session:
        assert world.services.users.stop_representing(session, parent.sub, "main", "child-2")
    assert browser.submit(consent, press="allow").location_parameters["error"] == "access_denied"
    assert count(world, CodeRow) == 0


def test_the_trail_tells_who_chose_whom_and_agreed(world: World) -> None:
    """security.md 4.1: sign-in, search with a token of our own, choice, consent and code, each once."""
    browser, page = consent_page(world, name="parent")
    browser.submit(browser.submit(page, press="child-2"), press="allow")
    told = [event for event in events(world) if not event.startswith(("client", "user", "fhir", "key", "ehr"))]
    told = [event for event in told if event != "authorize.page_shown"]
    searched = ["grant.revoked", "records.searched", "token.issued"]
    assert sorted(told) == sorted(["code.issued", "consent.granted", "login", "patient.chosen", *searched])
    with world.services.db.read() as session:
        rows = session.scalars(select(AuditEventRow).where(AuditEventRow.event == "patient.chosen")).all()
    assert [(row.patient, row.client_id, row.outcome) for row in rows] == [("child-2", "public", "success")]


def test_a_no_is_on_the_trail_and_takes_no_earlier_yes_back(world: World) -> None:
    """LC-18, ERR-06, AUTHZ-23."""
    browser, page = consent_page(world)
    browser.submit(page, press="allow")
    asked = browser.open(world.public.authorize_url(scope=SCOPE, prompt="consent"))
    assert browser.submit(asked, press="deny").location_parameters["error"] == "access_denied"
    assert "consent.denied" in events(world)
    assert "code" in browser.open(world.public.authorize_url(scope=SCOPE)).location_parameters


def test_a_consent_is_for_one_patient_app_and_person(world: World) -> None:
    """Decision 16: what was agreed for one child says nothing about the other; REQ-88."""
    browser, page = consent_page(world, name="parent")
    browser.submit(browser.submit(page, press="child-1"), press="allow")
    choice = browser.open(world.public.authorize_url(scope=SCOPE))
    assert "Jonas Brandt" in browser.submit(choice, press="child-2").text
    choice = browser.open(world.public.authorize_url(scope=SCOPE))
    assert "code" in browser.submit(choice, press="child-1").location_parameters
    other = browser.open(world.confidential.authorize_url(scope=SCOPE))
    assert "Share health records with Confidential App?" in browser.submit(other, press="child-1").text


def test_a_remembered_consent_runs_out(world: World) -> None:
    """requirements 88: with expiry; REQ-88."""
    browser, page = consent_page(world)
    browser.submit(page, press="allow")
    world.clock.forward(days=91)
    page = browser.open(world.public.authorize_url(scope=SCOPE))
    page = browser.sign_in(page, "alice", "alice-password")
    assert re.search(r"<h1>Share health records", page.text)
