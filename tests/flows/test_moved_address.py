"""The address of one FHIR server becomes another one's, while a page is open (CTX-13, several FHIR servers)."""

from __future__ import annotations

import pytest

from tests.cli.conftest import Cli
from tests.world import FHIR, World

STANDALONE = "launch/patient openid patient/Observation.rs"
LAUNCH = "launch openid fhirUser patient/*.rs"


@pytest.fixture
def known_at_both(world: World) -> World:
    """Ids are alike at both: Patient/A of one is another human being's at the other."""
    with world.services.db.write() as session:
        for name, reference in (("doctor", "Practitioner/dr"), ("alice", "Patient/A")):
            user = world.services.users.by_name(name)
            assert user is not None
            world.services.users.link(session, user.sub, "other", reference)
    return world


def move(world: World) -> None:
    operator = Cli.of(world)
    operator("fhir-server", "update", "main", "--base-url", "https://moved.example/r4")
    operator("fhir-server", "update", "other", "--base-url", FHIR)
    world.services.fhir_servers.recent.forget()


def test_a_page_about_a_patient_of_one_grants_nothing_at_the_other(known_at_both: World) -> None:
    """CTX-13, AZ-78: the patient was chosen among those of the first."""
    browser = known_at_both.browser()
    page = browser.open(known_at_both.confidential.authorize_url(scope=STANDALONE))
    page = browser.sign_in(page, "alice", "alice-password")
    move(known_at_both)
    refused = browser.submit(page, press="allow")
    assert (refused.status, "This page is out of date" in refused.text) == (400, True)


def test_the_page_of_a_launch_at_one_grants_nothing_at_the_other(known_at_both: World) -> None:
    """CTX-13, AUTHZ-13, REQ-69."""
    launch = str(known_at_both.ehr.launch("confidential", "Practitioner/dr", patient="A")["launch"])
    browser = known_at_both.browser()
    url = known_at_both.confidential.authorize_url(scope=LAUNCH, launch=launch, prompt="consent")
    page = browser.open(url)
    move(known_at_both)
    refused = browser.submit(page, press="allow")
    assert (refused.status, "This page is out of date" in refused.text) == (400, True)
