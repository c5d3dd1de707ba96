"""Staff open protected records with a reason, for a short time, and the hospital sees who did and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from authz.audit.fhir import audit_event
from authz.audit.search import Query, search
from authz.consent.model import ConsentRow
from authz.errors import InvalidValue
from authz.policy.sensitive import HookedSensitivity, sensitivity
from authz.settings import ConfigurationError
from tests.my_apps.test_story import says, title

if TYPE_CHECKING:
    from tests.actors import Browser
    from tests.transport import Reply
    from tests.world import World

SCOPE = "launch openid patient/Observation.rs offline_access"
WHY = "unconscious in the emergency room"
GLASS = "These records are protected"
HIV = "category=https://hospital.example/codes|HIV"


@pytest.fixture
def world(world: World) -> World:
    """Patient B is protected at the main FHIR server."""
    protect(world, sensitive_patients=["B"])
    return world


def protect(world: World, **changes: list[str]) -> None:
    with world.services.db.write() as session:
        world.services.fhir_servers.update(session, "main", changes)


def launched(world: World, patient: str = "B", scope: str = SCOPE, **changes: str) -> tuple[Browser, Reply]:
    handle = str(world.ehr.launch("public", "Practitioner/dr", patient=patient)["launch"])
    browser = world.browser()
    return browser, browser.open(world.public.authorize_url(launch=handle, scope=scope, **changes))


def give(browser: Browser, page: Reply, reason: str = "ETREAT", text: str = WHY) -> Reply:
    return browser.submit(page, {"reason": reason, "text": text}, press="open")


def broken(world: World) -> list[dict[str, Any]]:
    with world.services.db.read() as session:
        return list(search(session, Query(event="glass.broken")))


def test_a_reason_opens_the_record_for_fifteen_minutes_and_says_so_everywhere(world: World) -> None:
    """REQ-87: token response, introspection and audit carry the purpose; no refresh token, though it was asked for."""
    browser, page = launched(world)
    assert (page.status, title(page)) == (200, GLASS)
    answer = world.public.redeem(give(browser, page).location_parameters["code"]).json()
    token = answer.pop("access_token")
    assert answer.pop("id_token")
    assert answer == {
        "token_type": "Bearer",
        "expires_in": 900,
        "scope": "launch openid patient/Observation.rs",
        "patient": "B",
        "purpose_of_use": "ETREAT",
    }
    told = world.fhir_server.introspect(token)
    assert (told["active"], told["purpose_of_use"], told["exp"] - told["iat"]) == (True, "ETREAT", 900)
    (event,) = broken(world)
    wanted = ("reason", "client_id", "patient", "outcome", "detail", "scope")
    assert {name: event[name] for name in wanted} == {
        "reason": "ETREAT",
        "client_id": "public",
        "patient": "B",
        "outcome": "success",
        "detail": {"text": WHY},
        "scope": "launch openid patient/Observation.rs",
    }
    resource = audit_event(event, world.issuer)
    system = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
    assert resource["purposeOfEvent"] == [{"coding": [{"system": system, "code": "ETREAT"}]}]
    with world.services.db.read() as session:
        (issued,) = search(session, Query(event="token.issued", client_id="public"))
    assert (issued["detail"], issued["grant_id"]) == ({"purpose_of_use": "ETREAT"}, event["grant_id"])
    world.clock.forward(seconds=901)
    assert world.fhir_server.introspect(token) == {"active": False}


@pytest.mark.parametrize(
    ("reason", "text"),
    [("", WHY), ("ETREAT", ""), ("ETREAT", "because"), ("TREAT", WHY), ("ETREAT", "x" * 501), ("ETREAT", " " * 20)],
)
def test_without_code_and_text_nothing_is_granted(world: World, reason: str, text: str) -> None:
    """REQ-87 "missing reason: no grant"; the page says what is missing and can be sent again."""
    browser, page = launched(world)
    again = give(browser, page, reason, text)
    assert (again.status, title(again)) == (400, GLASS)
    assert "Choose a reason, and say in 10 to 500 characters" in says(again)
    assert broken(world) == []
    assert "code" in give(browser, again).location_parameters


def test_the_step_can_not_be_skipped_or_refused_away(world: World) -> None:
    """LC-27, LC-11: the form of another step leads back to it; to cancel tells the app."""
    browser, page = launched(world)
    back = browser.submit(page, {"action": "allow"})
    assert title(back) == GLASS
    reply = browser.submit(back, press="cancel")
    assert reply.location_parameters["error"] == "access_denied"
    _, silent = launched(world, prompt="none")
    assert silent.location_parameters["error"] == "interaction_required"
    assert broken(world) == []


def test_it_is_asked_again_each_time_and_no_decision_is_kept(world: World) -> None:
    """REQ-87: nothing is remembered, also where consent is asked for besides."""
    with world.services.db.write() as session:
        world.services.clients.update(session, "confidential", {}, {"skip_consent_in_ehr_launch": False})
    for _ in range(2):
        handle = str(world.ehr.launch("confidential", "Practitioner/dr", patient="B")["launch"])
        browser = world.browser()
        page = browser.open(world.confidential.authorize_url(launch=handle, scope=SCOPE))
        assert title(page) == GLASS
        page = give(browser, page, "BTG")
        assert title(page) == "Share health records with Confidential App?"
        assert "Keep this access" not in says(page)
        assert "code" in browser.submit(page, press="allow").location_parameters
    with world.services.db.read() as session:
        assert session.scalars(select(ConsentRow)).all() == []
    assert [event["reason"] for event in broken(world)] == ["BTG", "BTG"]


def test_what_staff_had_before_the_records_were_protected_is_not_renewed(world: World) -> None:
    """REQ-87, decision 20: a refresh token may live for months, and nobody has said why."""
    protect(world, sensitive_patients=[])
    _, done = launched(world)
    tokens = world.public.redeem(done.location_parameters["code"]).json()
    protect(world, sensitive_patients=["B"])
    refused = world.public.refresh(tokens["refresh_token"])
    assert (refused.status, refused.json()["error"]) == (400, "invalid_grant")
    assert "these records are protected now" in refused.json()["error_description"]
    protect(world, sensitive_patients=[])
    assert world.public.refresh(tokens["refresh_token"]).status == 200


def test_patients_and_who_acts_for_them_are_not_asked(world: World) -> None:
    """REQ-87 is about staff; and other patients' records open as ever."""
    protect(world, sensitive_patients=["A", "child-1"])
    for user in ("alice", "parent"):
        browser = world.browser()
        page = browser.open(world.public.authorize_url(scope="launch/patient openid patient/*.rs offline_access"))
        page = browser.sign_in(page, user, f"{user}-password")
        if user == "parent":
            page = browser.submit(page, press="child-1")
        assert title(page) == "Share health records with Public App?"
    _, page = launched(world, "B")
    assert "code" in page.location_parameters


@pytest.mark.parametrize(
    ("scope", "asks"),
    [
        ("launch patient/Condition.rs", False),
        (f"launch patient/Observation.rs?{HIV}", True),
        ("launch patient/Observation.rs", True),
        ("launch patient/*.rs", True),
        ("launch user/Observation.rs", True),
        ("launch openid", False),
    ],
)
def test_data_can_be_protected_whoevers_they_are(world: World, scope: str, asks: bool) -> None:  # noqa: FBT001  a case
    """REQ-87 "sensitive data is requested": also by who asks for everything."""
    protect(world, sensitive_patients=[], sensitive_scopes=[f"patient/Observation.rs?{HIV}"])
    _, page = launched(world, "A", scope)
    assert (page.status == 200 and title(page) == GLASS) == asks


class Rules:
    def __init__(self, answer: object) -> None:
        self.answer = answer

    def is_sensitive(self, _question: object) -> bool:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer  # type: ignore[return-value]  # what a site's code may do


@pytest.mark.parametrize(("answer", "asks"), [(True, True), (False, False), (None, True), (OSError("down"), True)])
def test_the_hospitals_own_rules_may_say_so_too(world: World, answer: object, asks: bool) -> None:  # noqa: FBT001
    """Decision 20, REQ-106: a hook that fails means that a reason is asked for."""
    judge = world.services.authorization.judge
    object.__setattr__(judge, "sensitivity", HookedSensitivity(Rules(answer)))
    _, page = launched(world, "A")
    assert (page.status == 200 and title(page) == GLASS) == asks


def test_a_hook_that_is_missing_stops_the_start() -> None:
    for setting in ("no.such.module:Rules", "json:Nothing", "json"):
        with pytest.raises(ConfigurationError, match="sensitivity"):
            sensitivity(setting)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"sensitive_patients": ["a b"]}, "a b: the id of a patient is"),
        ({"sensitive_scopes": ["openid"]}, "openid: sensitive data are said as a scope"),
    ],
)
def test_a_mistake_in_the_lists_is_refused(world: World, change: dict[str, list[str]], problem: str) -> None:
    with pytest.raises(InvalidValue, match=problem):
        protect(world, **change)


def test_the_page_works_in_a_browser_that_has_kept_only_who_is_signed_in(world: World) -> None:
    """LC-26, REQ-87: it is the first page where no patient is asked for, and the session outlives the page before."""
    protect(world, sensitive_patients=[], sensitive_scopes=[f"user/Observation.rs?{HIV}"])
    browser = world.browser()
    page = browser.open(world.public.authorize_url(scope="openid"))
    browser.sign_in(page, "doctor", "doctor-password")
    browser.cookies = {name: value for name, value in browser.cookies.items() if name.endswith("session")}
    page = browser.open(world.public.authorize_url(scope="openid user/Observation.rs"))
    assert title(page) == GLASS
    assert title(give(browser, page)) == "Share health records with Public App?"
