"""By the word of which FHIR server somebody comes in as a person, and what that says elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cli.conftest import Cli
from tests.federated.test_several_fhir_servers import (
    CLINICIAN,
    at_main,
    at_other,
    is_of_other_alone,
    lies,
    reasons,
    shared,
)
from tests.federated.test_who import SEARCH, local_sub, sub_of
from tests.upstream import practitioner
from tests.world import FHIR

if TYPE_CHECKING:
    from tests.federated.conftest import Hospital

__all__ = ["lies", "shared"]  # fixtures


@pytest.mark.usefixtures("lies")
def test_an_account_that_becomes_somebody_elsewhere_takes_nobody_along_whom_one_fhir_server_let_in(
    hospital: Hospital,
) -> None:
    """A5, A7, decision 19: the operator is told as whom somebody comes, and says whether it is the same person."""
    is_of_other_alone(hospital)
    at_other(hospital, hospital.world.browser(), "openid fhirUser")
    doctor = local_sub(hospital, "doctor")
    assert sub_of(hospital, "idp-mallory") == doctor
    operator = Cli.of(hospital.world)
    at_main_too = ("user", "update", "doctor", "--fhir-user", "Practitioner/dr", "--fhir-server", "main")
    acts_at_main = ("user", "represent", "doctor", "--patient", "B", "--relationship", "x", "--fhir-server", "main")
    for command in (at_main_too, acts_at_main):
        refused = operator.refused(*command)["error_description"]
        assert f"authz user identify {doctor} hospital idp-mallory" in refused
        assert f"authz user unidentify {doctor}" in refused
    assert hospital.world.services.users.fhir_users(doctor) == {"other": "Practitioner/dr-o"}
    operator("user", "update", "doctor", "--fhir-user", "Practitioner/dr-2", "--fhir-server", "other")
    operator("user", "unidentify", "doctor")
    operator(*at_main_too)
    assert "We do not find you in these records" in at_main(hospital, hospital.world.browser(), CLINICIAN).text


@pytest.mark.usefixtures("lies")
def test_who_is_the_same_by_an_operators_word_is_so_everywhere(hospital: Hospital) -> None:
    """Decision 19: what a FHIR server said is confirmed, and asked about no more."""
    is_of_other_alone(hospital)
    at_other(hospital, hospital.world.browser(), "openid fhirUser")
    operator = Cli.of(hospital.world)
    operator("user", "identify", "doctor", "hospital", "idp-mallory")
    operator("user", "update", "doctor", "--fhir-user", "Practitioner/dr", "--fhir-server", "main")
    browser = hospital.world.browser()
    done = browser.submit(at_main(hospital, browser, CLINICIAN), press="allow")
    tokens = hospital.world.public.redeem(done.location_parameters["code"]).json()
    assert hospital.world.fhir_server.introspect(tokens["access_token"])["fhirUser"] == f"{FHIR}/Practitioner/dr"


@pytest.mark.usefixtures("lies")
def test_a_word_of_the_second_fhir_server_takes_nobody_along_either(hospital: Hospital) -> None:
    """A5, A7: the account has a password, so it may be another person's than who came in."""
    is_of_other_alone(hospital)
    hospital.rules("main", searches=[SEARCH])
    hospital.network.people = [practitioner("p-1", "666")]
    at_other(hospital, hospital.world.browser(), "openid fhirUser")
    assert "We do not find you in these records" in at_main(hospital, hospital.world.browser(), CLINICIAN).text
    assert hospital.world.services.users.fhir_users(local_sub(hospital, "doctor")) == {"other": "Practitioner/dr-o"}
    assert "known_by_another_fhir_server" in reasons(hospital)


@pytest.mark.usefixtures("lies")
def test_a_person_of_whom_two_fhir_servers_speak_is_one_person(hospital: Hospital) -> None:
    """Decision 19: nobody else comes in as this account, so each FHIR server may say who they are there."""
    hospital.rules("main", searches=[SEARCH])
    hospital.network.people = [practitioner("p-1", "666")]
    at_other(hospital, hospital.world.browser(), "openid fhirUser")
    at_main(hospital, hospital.world.browser(), CLINICIAN)
    found = {"main": "Practitioner/p-1", "other": "Practitioner/dr-o"}
    assert hospital.world.services.users.fhir_users(sub_of(hospital, "idp-mallory")) == found


def test_whose_word_it_is_is_said_by_the_first_fhir_server_that_knows_them(hospital: Hospital) -> None:
    """A5, A7: the one that knew nobody said nothing, so what the other said counts there alone."""
    hospital.provider.person = {"sub": "idp-mallory", "name": "Mallory", "employee_number": "666"}
    at_other(hospital, hospital.world.browser(), "openid")
    hospital.rules("main", searches=[SEARCH])
    hospital.network.people = [practitioner("p-1", "666")]
    at_main(hospital, hospital.world.browser(), CLINICIAN)
    mallory = sub_of(hospital, "idp-mallory")
    operator = Cli.of(hospital.world)
    assert [one["told_by"] for one in operator("user", "explain", mallory)["known_as"]] == ["main"]
    there = ("user", "update", mallory, "--fhir-user", "Practitioner/dr-o", "--fhir-server", "other")
    assert "by the word of main" in operator.refused(*there)["error_description"]
