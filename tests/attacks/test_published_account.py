"""A hospital has published a test account; whoever signs in with it tries an app that is approved."""

from __future__ import annotations

from typing import TYPE_CHECKING

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
