"""A hospital has published a test account; whoever signs in with it tries an app that is approved."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.actors import FORM
from tests.attacks.test_unapproved_app import ALONE, Trial, refused, told
from tests.attacks.test_unapproved_app import trial as trial  # noqa: PLC0414  the fixture
from tests.pickers.test_staff_picker import offered, search
from tests.world import ISSUER

if TYPE_CHECKING:
    from tests.fhir import FakeFhir

OF_TEST_ACCOUNT = "a test account has the records of test patients only"
LAUNCHED = "a test account is launched with a test patient of this FHIR server"


def test_it_finds_and_opens_nobody_real(trial: Trial, fhir: FakeFhir) -> None:
    """REQ-88, LC-14: no search, no forged choice, and no scope that reaches beyond the test patient."""
    trial.decide(approved=True)
    browser, page = trial.sign_in("tester", f"{ALONE} user/*.rs offline_access")
    assert offered(page) == ["T1", "T2"]
    page = search(browser, page, name="berg", birthdate="2019-03-05")
    assert offered(page) == ["T1", "T2"]
    assert all("B" not in dict(asked.parameters).get("_id", "").split(",") for asked in fhir.asked)
    assert browser.submit(page, {"patient": "B"}).status == 403
    browser, page = trial.sign_in("tester", f"{ALONE} user/*.rs offline_access")
    tokens = trial.tokens(browser, browser.submit(page, press="T1"))
    assert (tokens["patient"], tokens["scope"]) == ("T1", f"{ALONE} offline_access")


def test_an_account_that_is_somebody_real_opens_nothing(trial: Trial) -> None:
    """CTX-13: its own record is no test patient's."""
    trial.decide(approved=True)
    _, reply = trial.sign_in("hybrid")
    denied = {"error": "access_denied", "error_description": OF_TEST_ACCOUNT, "iss": ISSUER, "state": trial.app.state}
    assert told(reply.location_parameters) == denied
    _, page = trial.sign_in("test-parent")
    assert offered(page) == ["T1", "T2"]


def test_an_ehr_launches_it_with_test_patients_only(trial: Trial) -> None:
    """AZ-78."""
    trial.decide(approved=True)
    why = f"patient: {LAUNCHED}"
    assert refused(trial.post_launch(patient="B")) == (400, {"error": "invalid_request", "error_description": why})
    assert trial.post_launch(user="doctor", patient="B").status == 201


def test_an_account_that_becomes_a_test_account_loses_what_it_had(trial: Trial) -> None:
    """Decision 20: looked at again at every refresh."""
    trial.decide(approved=True)
    browser, page = trial.sign_in("alice", f"{ALONE} offline_access")
    tokens = trial.tokens(browser, page)
    users = trial.world.services.users
    alice = users.by_name("alice")
    assert alice is not None
    with trial.world.services.db.write() as session:
        users.set_sandbox(session, alice.sub, is_sandbox=True)
    answer = refused(trial.app.refresh(tokens["refresh_token"]))
    assert answer == (400, {"error": "invalid_grant", "error_description": OF_TEST_ACCOUNT})


def test_nobody_sees_or_ends_what_others_did_with_it(trial: Trial) -> None:
    """Issue 7 (H5): one vendor tries an app; another one with the same password sees neither app nor browser."""
    trial.decide(approved=True)
    browser, page = trial.sign_in("test-patient", f"{ALONE} offline_access")
    tokens = trial.tokens(browser, page)
    other = trial.world.browser()
    page = other.open(f"{ISSUER}/my-apps?fhir_server=main")
    pages = [other.sign_in(page, "test-patient", "test-patient-password")]
    mine = trial.world.services.my_apps.all(user_of(trial, "test-patient"))
    paths = ["", "/sessions", *(f"/{one.id}{end}" for one in mine for end in ("", "/stop"))]
    pages += [other.open(f"{ISSUER}/my-apps{path}") for path in paths]
    assert len(pages) == 5
    for page in pages:
        assert (page.status, "many people share" in page.text, "Trial" in page.text) == (403, True, False)
    ended = other.request("POST", f"{ISSUER}/my-apps/sessions", b"end=all", {"Content-Type": FORM})
    assert (ended.status, "many people share" in ended.text) == (403, True)
    assert trial.app.refresh(tokens["refresh_token"]).status == 200


@pytest.mark.parametrize(("name", "reminded"), [("test-patient", False), ("alice", True)])
def test_nobody_is_reminded_of_what_others_allowed_with_it(trial: Trial, name: str, *, reminded: bool) -> None:
    """SMART BP-01: of one's own apps, and of no others."""
    trial.decide(approved=True)
    scope = f"{ALONE} offline_access"
    browser, page = trial.sign_in(name, scope)
    tokens = trial.tokens(browser, page)
    trial.sign_in(name, f"{scope} patient/Condition.rs")
    for days in (50, 41):
        trial.world.clock.forward(days=days)
        tokens = trial.app.refresh(tokens["refresh_token"]).json()
    _, page = trial.sign_in(name, f"{scope} patient/Condition.rs")
    assert ("while you are away, because you allowed it" in page.text) is reminded


def user_of(trial: Trial, name: str) -> str:
    user = trial.world.services.users.by_name(name)
    assert user is not None
    return user.sub
