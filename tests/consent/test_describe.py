from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from authz.consent.describe import ConsentItem, Subject, describe, item, tickable
from authz.consent.words import DATA
from authz.scopes import RESOURCE_TYPES, ResourceScope, ScopeSet, parse_scope
from authz.settings import Settings
from tests.policy.test_access import CLIENT

if TYPE_CHECKING:
    from authz.clients.client import Client

SETTINGS = Settings(issuer="https://as.example", organization="Test Hospital")
ALICE = Subject("Alice", "A", patient_is_user=True)

TITLES = {
    "patient/Observation.rs": "See measurements and lab results",
    "patient/Observation.r": "See measurements and lab results",
    "patient/Observation.read": "See measurements and lab results",
    "patient/Observation.cruds": "See, add, change and delete measurements and lab results",
    "patient/Observation.write": "Add, change and delete measurements and lab results",
    "patient/*.rs": "See all kinds of health data, also kinds added later",
    "patient/Condition.c": "Add problems and diagnoses",
    "user/Patient.rs": "See name, birth date and address of every patient you may see",
    "patient/Observation.rs?category=laboratory": "See measurements and lab results: lab results",
    "patient/Observation.rs?category=http://terminology.hl7.org/CodeSystem/observation-category|vital-signs": (
        "See measurements and lab results: vital signs"
    ),
    "patient/Observation.rs?category=laboratory,vital-signs": (
        "See measurements and lab results: lab results or vital signs"
    ),
    "patient/ResearchSubject.rs": "See research subject",
}


@pytest.mark.parametrize("scope", TITLES)
def test_a_scope_reads_as_a_sentence(scope: str) -> None:
    """security.md LC-15: each scope in plain words, its value in the form as it was spelled."""
    parsed = parse_scope(scope)
    assert isinstance(parsed, ResourceScope)
    writes = bool(parsed.interactions & set("cud"))
    assert item(parsed) == ConsentItem(scope, TITLES[scope], writes=writes)


def test_words_are_for_types_that_there_are() -> None:
    known = frozenset[str]().union(*RESOURCE_TYPES.values())
    assert set(DATA) - {"*"} <= known


def page(scope: str, client: Client = CLIENT, redirect_uri: str = "https://app.example/cb") -> dict[str, object]:
    made = describe(SETTINGS, client, redirect_uri, "https://fhir.example/r4", ALICE, ScopeSet.parse(scope))
    return {name: getattr(made, name) for name in made.__slots__}


def test_the_page_says_who_gets_what_from_where_and_for_how_long() -> None:
    """security.md LC-15."""
    assert page("launch/patient openid fhirUser patient/Condition.rs offline_access") == {
        "app_name": "App",
        "app_host": "app.example",
        "links": {},
        "organization": "Test Hospital",
        "fhir_base": "https://fhir.example/r4",
        "user_name": "Alice",
        "patient": "A",
        "patient_is_user": True,
        "identity": True,
        "items": (ConsentItem("patient/Condition.rs", "See problems and diagnoses"),),
        "offline": ConsentItem(
            "offline_access",
            "Keep this access when you are not using the app",
            "It ends when the app is not used for 90 days, or when you withdraw it.",
        ),
        "online": False,
        "access_hours": 1,
    }


def test_an_app_without_a_host_is_named_by_its_scheme() -> None:
    assert page("openid", redirect_uri="com.example.app:/cb")["app_host"] == "com.example.app"


def test_only_https_addresses_of_the_app_become_links() -> None:
    """security.md AZ-22 class: an address is never rendered because an app says so."""
    about = {"tos_uri": "javascript:alert(1)", "policy_uri": "https://app.example/privacy"}
    assert page("openid", replace(CLIENT, about=about))["links"] == {"privacy": "https://app.example/privacy"}
    assert page("openid", replace(CLIENT, about={"tos_uri": ["https://app.example"]}))["links"] == {}


def test_data_and_offline_access_can_be_unticked_the_rest_belongs_to_signing_in() -> None:
    scope = ScopeSet.parse("launch openid fhirUser patient/Condition.rs user/*.rs offline_access online_access")
    assert tickable(scope) == {"patient/Condition.rs", "user/*.rs", "offline_access"}
