"""What a FHIR server is believed by about people, as the hospital has switched it on."""

from __future__ import annotations

from dataclasses import replace

import pytest

from authz.fhir_servers.server import FhirServer
from authz.users.sign_in_rules import SignInRules
from authz.users.who_is_who import OF_A_PATIENT, WHOLE, telling

SERVER = FhirServer("main", "https://fhir.example/r4")
PATIENT = "hospital:Patient?identifier=http://state.example|{number}"


def test_nothing_is_believed_unless_it_is_switched_on() -> None:
    assert telling(SERVER, SignInRules()) == {}


def test_representation_links_believe_related_persons_persons_and_what_becomes_of_a_patient() -> None:
    """CTX-13, SCP-06."""
    believed = {"RelatedPerson": WHOLE, "Person": WHOLE, "Patient": OF_A_PATIENT}
    assert telling(replace(SERVER, representation_links=True), SignInRules()) == believed
    assert {"active", "identifier", "link"} == OF_A_PATIENT


@pytest.mark.parametrize(
    ("rules", "believed"),
    [
        (SignInRules(person_links=True), {"Person": WHOLE}),
        (SignInRules(searches=("hospital:RelatedPerson?identifier=http://x|{number}",)), {"RelatedPerson": WHOLE}),
        (SignInRules(searches=("hospital:Practitioner?identifier=http://x|{number}",)), {"Practitioner": WHOLE}),
        (SignInRules(searches=(PATIENT,)), {"Patient": OF_A_PATIENT}),
        (SignInRules(searches=(f"{PATIENT}&birthdate={{birthdate}}",)), {"Patient": OF_A_PATIENT}),
        (SignInRules(searches=("hospital:Patient?name:exact={name}&birthdate={birthdate}",)), {"Patient": WHOLE}),
        (SignInRules(searches=("hospital:Patient?identifier=http://x|&name:exact={name}",)), {"Patient": WHOLE}),
        (SignInRules(searches=("hospital:Patient?name:exact={name}", PATIENT)), {"Patient": WHOLE}),
        (SignInRules(searches=(PATIENT, "hospital:Patient?name:exact={name}")), {"Patient": WHOLE}),
    ],
)
def test_a_search_for_who_signed_in_believes_what_it_searches(
    rules: SignInRules, believed: dict[str, frozenset[str]]
) -> None:
    """FHIR search: of a Patient who is found by a number alone, the number; else whatever it is that finds them."""
    assert telling(SERVER, rules) == believed


def test_a_search_never_takes_back_what_links_believe() -> None:
    found = telling(replace(SERVER, representation_links=True), SignInRules(searches=(PATIENT,)))
    assert found["Patient"] == OF_A_PATIENT
    by_name = SignInRules(searches=("hospital:Patient?name:exact={name}",))
    assert telling(replace(SERVER, representation_links=True), by_name)["Patient"] == WHOLE
