"""State of apps is opened by a scope that names it, never by ``*`` (SMART APS-08, REQ-69)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from authz.enforcement.decide import decide
from authz.enforcement.fhir_request import FhirRequest
from tests.enforcement.conftest import SERVER, Memory, token

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
