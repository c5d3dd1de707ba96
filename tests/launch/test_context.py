"""The launch context: as the token response tells it (smart-app-launch.md section 10)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authz.launch.context import FhirContextItem, LaunchContext
from authz.launch.request import load
from authz.launch.schema import LAUNCH

ITEMS = [
    {"reference": "ImagingStudy/123"},
    {"canonical": "http://example.org/Questionnaire/q|1.0", "type": "Questionnaire"},
    {"identifier": {"system": "urn:oid:1.2", "value": "7"}, "type": "Task", "role": "https://example.org/role"},
    {"reference": "Patient/mother", "role": "https://example.org/mother", "display": "more members may follow"},
]
WHOLE = {
    "patient": "child-1",
    "encounter": "visit-7",
    "fhirContext": ITEMS,
    "need_patient_banner": False,
    "intent": "reconcile-medications",
    "smart_style_url": "https://ehr.example/style-3.json",
    "tenant": "ward-north",
    "appContext": '{"card":"c-12"}',
    "__darkMode": True,
    "https://ehr.example/hub": {"url": "https://hub.example", "topic": "t"},
}


def test_the_token_response_has_exactly_what_the_ehr_said() -> None:
    """CTX-01: at the top level, by these names; appContext unchanged (TSK-02)."""
    request = {"client_id": "a", "fhir_server": "https://f.example", "user": "b", **WHOLE}
    assert load(LAUNCH, request).context.as_parameters() == WHOLE


def test_what_was_not_said_is_left_out() -> None:
    """FCX-09: an empty fhirContext too."""
    assert LaunchContext().as_parameters() == {}
    assert LaunchContext.from_parameters({"fhirContext": []}).as_parameters() == {}


def test_a_banner_that_is_not_needed_is_said() -> None:
    assert LaunchContext(need_patient_banner=False).as_parameters() == {"need_patient_banner": False}


def test_the_fields_are_typed() -> None:
    context = LaunchContext.from_parameters(WHOLE)
    assert context == LaunchContext(
        patient="child-1",
        encounter="visit-7",
        fhir_context=(
            FhirContextItem(reference="ImagingStudy/123"),
            FhirContextItem(canonical="http://example.org/Questionnaire/q|1.0", type="Questionnaire"),
            FhirContextItem(
                identifier={"system": "urn:oid:1.2", "value": "7"}, type="Task", role="https://example.org/role"
            ),
            FhirContextItem(
                reference="Patient/mother",
                role="https://example.org/mother",
                more={"display": "more members may follow"},
            ),
        ),
        need_patient_banner=False,
        intent="reconcile-medications",
        smart_style_url="https://ehr.example/style-3.json",
        tenant="ward-north",
        app_context='{"card":"c-12"}',
        extensions={"__darkMode": True, "https://ehr.example/hub": {"url": "https://hub.example", "topic": "t"}},
    )


MEMBERS: dict[str, st.SearchStrategy[Any]] = {
    "patient": st.text(),
    "encounter": st.text(),
    "need_patient_banner": st.booleans(),
    "intent": st.text(),
    "appContext": st.text(),
    "fhirContext": st.lists(st.sampled_from(ITEMS), min_size=1),
    "__own": st.none() | st.integers() | st.lists(st.text()),
}


@given(st.fixed_dictionaries({}, optional=MEMBERS))
def test_a_context_comes_back_from_its_parameters(parameters: dict[str, Any]) -> None:
    assert LaunchContext.from_parameters(parameters).as_parameters() == parameters


@pytest.mark.parametrize("item", ITEMS)
def test_an_item_comes_back_from_its_members(item: dict[str, Any]) -> None:
    assert FhirContextItem.from_dict(item).as_dict() == item
