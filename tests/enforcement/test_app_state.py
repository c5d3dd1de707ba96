"""State of apps is opened by a scope that names it, never by ``*`` (SMART APS-08, REQ-69)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from authz.enforcement.decide import decide
from authz.enforcement.fhir_request import FhirRequest
from tests.enforcement.conftest import SERVER, Memory, token
from tests.enforcement.table import request as asking

OWN = "user/Basic.cuds?code=https://app.example|prefs"
BY_NAME = frozenset({"Basic"})


@pytest.mark.parametrize(
    ("scope", "target", "is_allowed"),
    [
        ("user/*.rs", "/Basic?code=https://app.example%7Cprefs", False),
        ("user/*.rs", "/Patient", True),
        (OWN, "/Basic?code=https://app.example%7Cprefs", True),
        (OWN, "/Basic?code=https://other.example%7Cprefs", False),
        (OWN, "/Basic", False),
        (f"user/*.rs {OWN}", "/Basic?code=https://other.example%7Cprefs", False),
    ],
)
def test_a_wildcard_does_not_open_the_state_of_apps(scope: str, target: str, *, is_allowed: bool) -> None:
    """APS-08, APS-10: an app with all records of a user has not the state of the other apps."""
    carried = replace(token(scope), by_name_only=BY_NAME)
    request = FhirRequest("GET", f"/r4{target}", {})
    assert decide(carried, request, SERVER, Memory()).is_allowed is is_allowed


def test_where_apps_keep_no_state_basic_is_a_resource_like_others() -> None:
    assert decide(token("user/*.rs"), FhirRequest("GET", "/r4/Basic", {}), SERVER, Memory()).is_allowed


def test_what_looks_at_all_types_looks_at_the_state_of_apps_too() -> None:
    """APS-08: what can't be limited is refused."""
    request = FhirRequest("GET", "/r4/?_type=Patient,Basic", {})
    carried = replace(token("user/*.rs"), by_name_only=BY_NAME)
    assert not decide(carried, request, SERVER, Memory()).is_allowed


PREFS, THEME = {"system": "https://app.example", "code": "prefs"}, {"system": "https://app.example", "code": "theme"}
OTHERS = {"system": "https://other.example", "code": "prefs"}
BOTH = f"{OWN},https://app.example|theme"
OF_PATIENT = "patient/Basic.cuds?code=https://app.example|prefs"


@pytest.mark.parametrize(
    ("scope", "code", "is_allowed"),
    [
        (OWN, {"coding": [PREFS]}, True),
        (OWN, {"coding": [{**PREFS, "display": "Preferences"}], "text": "Preferences"}, True),
        (BOTH, {"coding": [PREFS, THEME]}, True),
        (OWN, {"coding": [PREFS, THEME]}, False),
        (OWN, {"coding": [PREFS, OTHERS]}, False),
        (OWN, {"coding": [OTHERS, PREFS]}, False),
        (OF_PATIENT, {"coding": [PREFS, OTHERS]}, False),
        (f"{OWN} {OWN.replace('app.example', 'third.example')}", {"coding": [PREFS, OTHERS]}, False),
        (OWN, {"coding": [PREFS, {"system": "https://other.example"}]}, False),
        (OWN, {"coding": [PREFS, {"code": "prefs"}]}, False),
        (OWN, {"coding": [PREFS, "prefs"]}, False),
        (OWN, [{"coding": [PREFS]}, {"coding": {"0": OTHERS}}], False),
        (OWN, {"coding": []}, False),
        (OWN, {"text": "Preferences"}, False),
        (OWN, None, False),
    ],
)
def test_an_app_writes_no_state_that_another_app_finds_as_its_own(scope: str, code: Any, *, is_allowed: bool) -> None:
    """APS-08, APS-10: FHIR finds a resource by any of its codings, so each of them must be the app's own."""
    state = {"resourceType": "Basic", "subject": {"reference": "Patient/1"}, "code": code}
    carried = replace(token(scope), by_name_only=BY_NAME)
    for asked in (asking("POST", "/Basic", state), asking("PUT", "/Basic/new", {**state, "id": "new"})):
        assert decide(carried, asked, SERVER, Memory()).is_allowed is is_allowed


def test_an_app_writes_what_is_in_its_category_and_in_others() -> None:
    """SCP-13: of resources that must not be named a coding within the scope is enough, as for reading them."""
    result = {
        "resourceType": "Observation",
        "subject": {"reference": "Patient/1"},
        "category": [{"coding": [{"code": "laboratory"}]}, {"coding": [{"code": "vital-signs"}]}],
    }
    carried = replace(token("patient/Observation.cruds?category=laboratory"), by_name_only=BY_NAME)
    assert decide(carried, asking("POST", "/Observation", result), SERVER, Memory()).is_allowed
