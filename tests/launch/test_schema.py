"""What an EHR may say of a launch, and in which words it is refused (security.md 2.9)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authz.errors import InvalidRequest
from authz.launch.reference import reference
from authz.launch.request import load
from authz.launch.schema import LAUNCH, RECORD

GOOD = {"client_id": "growth-chart", "fhir_server": "https://fhir.example/r4", "user": "prac"}
BOOLEAN = "need_patient_banner: must be true or false, a JSON boolean"
STYLE = "smart_style_url: must be an https URL of at most 2048 characters"
LABEL = "must be 1 to 256 characters without < and >"
NOT_A_MEMBER = "not a member of a launch, and a name of your own is a URI or starts with two underscores"
ITEM = "fhirContext[0]"
REFERENCE = f"{ITEM}.reference: must be a relative reference such as ImagingStudy/123"
ROLE = f"{ITEM}.role: must be an absolute URI, or left out for launch"
OWN = f"{ITEM}: the launch's own patient and encounter are the members patient and encounter"
TIME = "auth_time: must be a whole number of seconds since 1970"

REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("LA-05-text", {"need_patient_banner": "false"}, BOOLEAN),
    ("LA-05-zero", {"need_patient_banner": 0}, BOOLEAN),
    ("LA-05-one", {"need_patient_banner": 1}, BOOLEAN),
    ("LA-05-null", {"need_patient_banner": None}, BOOLEAN),
    ("LA-06-javascript", {"smart_style_url": "javascript:alert(1)"}, STYLE),
    ("LA-06-http", {"smart_style_url": "http://ehr.example/s.json"}, STYLE),
    ("LA-06-file", {"smart_style_url": "file:///etc/passwd"}, STYLE),
    ("LA-06-user", {"smart_style_url": "https://ehr.example@evil.example/"}, STYLE),
    ("LA-06-no-host", {"smart_style_url": "https:///s.json"}, STYLE),
    ("LA-06-port", {"smart_style_url": "https://ehr.example:x/"}, STYLE),
    ("LA-06-long", {"smart_style_url": "https://ehr.example/" + "a" * 2029}, STYLE),
    ("LA-06-intent", {"intent": "<script>"}, f"intent: {LABEL}"),
    ("LA-06-tenant", {"tenant": "t" * 257}, f"tenant: {LABEL}"),
    ("LA-06-tenant-10-KB", {"tenant": "t" * 10_240}, f"tenant: {LABEL}"),
    ("LA-07-ttl", {"ttl": 315_360_000}, f"ttl: {NOT_A_MEMBER}"),
    ("LA-07-id", {"launch": "mine"}, f"launch: {NOT_A_MEMBER}"),
    ("LA-07-end", {"exp": 4_102_444_800}, f"exp: {NOT_A_MEMBER}"),
    ("LA-07-seal", {"sub": "x", "mac": "y"}, f"sub: {NOT_A_MEMBER}; mac: {NOT_A_MEMBER}"),
    ("LA-07-snake", {"fhir_context": [1]}, f"fhir_context: {NOT_A_MEMBER}"),
    ("LA-07-token", {"access_token": "x"}, f"access_token: {NOT_A_MEMBER}"),
    ("LA-07-prototype", {"__proto__": {}}, f"__proto__: {NOT_A_MEMBER}"),
    ("LA-07-two-underscores", {"__": 1}, f"__: {NOT_A_MEMBER}"),
    ("patient-reference", {"patient": "Patient/123"}, "patient: must be the logical id of a Patient"),
    ("patient-empty", {"patient": ""}, "patient: must be the logical id of a Patient"),
    ("patient-newline", {"patient": "123\n"}, "patient: must be the logical id of a Patient"),
    ("patient-long", {"patient": "1" * 65}, "patient: must be the logical id of a Patient"),
    ("patient-number", {"patient": 123}, "patient: must be the logical id of a Patient"),
    ("encounter-null", {"encounter": None}, "encounter: must be the logical id of an Encounter"),
    ("FCX-object", {"fhirContext": {"reference": "List/1"}}, "fhirContext: must be an array of objects"),
    ("FCX-text", {"fhirContext": ["List/1"]}, f"{ITEM}: must be an object"),
    ("FCX-51-items", {"fhirContext": [{"reference": "List/1"}] * 51}, "fhirContext: at most 50 items"),
    ("FCX-01", {"fhirContext": [{"type": "List"}]}, f"{ITEM}: needs a reference, a canonical or an identifier"),
    ("FCX-02-absolute", {"fhirContext": [{"reference": "https://fhir.example/r4/List/1"}]}, REFERENCE),
    ("FCX-02-id-only", {"fhirContext": [{"reference": "123"}]}, REFERENCE),
    ("FCX-03", {"fhirContext": [{"canonical": "Questionnaire/1"}]}, f"{ITEM}.canonical: must be a canonical URL"),
    (
        "FCX-03-identifier",
        {"fhirContext": [{"identifier": "7"}]},
        f"{ITEM}.identifier: must be a FHIR Identifier, an object",
    ),
    (
        "FCX-04",
        {"fhirContext": [{"canonical": "urn:a:b", "type": "task"}]},
        f"{ITEM}.type: must be the name of a FHIR resource type",
    ),
    (
        "FCX-04-other",
        {"fhirContext": [{"reference": "List/1", "type": "Task"}]},
        f"{ITEM}: type and reference name different resource types",
    ),
    ("FCX-05-empty", {"fhirContext": [{"reference": "List/1", "role": ""}]}, ROLE),
    ("FCX-05-relative", {"fhirContext": [{"reference": "List/1", "role": "mother"}]}, ROLE),
    ("FCX-06-patient", {"fhirContext": [{"reference": "Patient/1"}]}, OWN),
    ("FCX-06-role", {"fhirContext": [{"reference": "Encounter/1", "role": "launch"}]}, OWN),
    ("FCX-06-type", {"fhirContext": [{"identifier": {"value": "1"}, "type": "Patient"}]}, OWN),
    ("appContext", {"appContext": {"a": 1}}, "appContext: must be a string of 1 to 16384 characters"),
    ("appContext-long", {"appContext": "a" * 16_385}, "appContext: must be a string of 1 to 16384 characters"),
    ("session", {"session": "a\nb"}, "session: must be 1 to 1024 printable characters"),
    ("auth_time", {"auth_time": "now"}, TIME),
    ("auth_time-true", {"auth_time": True}, TIME),
    ("auth_time-far", {"auth_time": 253_402_300_800}, TIME),
]

ACCEPTED: list[tuple[str, dict[str, Any]]] = [
    ("LA-06-loopback", {"smart_style_url": "http://127.0.0.1:9001/style.json"}),
    ("LA-06-long", {"smart_style_url": "https://ehr.example/" + "a" * 2028}),
    ("tenant", {"tenant": "t" * 256}),
    ("intent", {"intent": "Überweisung öffnen"}),
    ("FCX-50-items", {"fhirContext": [{"reference": "List/1"}] * 50}),
    ("FCX-05", {"fhirContext": [{"reference": "List/1", "role": "launch"}]}),
    ("FCX-06", {"fhirContext": [{"reference": "Patient/1", "role": "https://example.org/mother"}]}),
    ("encounter-without-patient", {"encounter": "visit-7"}),
    ("appContext", {"appContext": "a" * 16_384}),
    ("own-names", {"__a": None, "urn:example:b": [1.5], "https://ehr.example/c": {"d": "e"}}),
]


@pytest.mark.parametrize(("changes", "problem"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_a_member_that_can_not_be_is_refused_by_name(changes: dict[str, Any], problem: str) -> None:
    """Section 10 and security.md LA-05 to LA-07."""
    with pytest.raises(InvalidRequest) as refused:
        load(LAUNCH, GOOD | changes)
    assert refused.value.description == problem


@pytest.mark.parametrize("changes", [case[1] for case in ACCEPTED], ids=[case[0] for case in ACCEPTED])
def test_a_member_within_its_bounds_is_kept_as_it_is(changes: dict[str, Any]) -> None:
    assert load(LAUNCH, GOOD | changes).context.as_parameters() == changes


def test_everything_that_is_missing_is_named_at_once() -> None:
    with pytest.raises(InvalidRequest) as refused:
        load(LAUNCH, {"patient": "1"})
    assert refused.value.description == "client_id: is missing; fhir_server: is missing; user: is missing"


def test_only_a_record_says_when_it_ends() -> None:
    """Over HTTP the server sets the life (LA-07); whoever writes into the store must say it (decision 4)."""
    assert load(RECORD, GOOD | {"exp": 1_790_000_300}).exp == 1_790_000_300
    with pytest.raises(InvalidRequest) as refused:
        load(RECORD, GOOD)
    assert refused.value.description == "exp: is missing"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
NAMES = [field.data_key or name for name, field in RECORD.fields.items()]


@given(st.dictionaries(st.sampled_from(NAMES) | st.text(), JSON))
def test_whatever_is_sent_the_answer_is_a_refusal_or_the_same_context(members: dict[str, Any]) -> None:
    """Nothing else is ever raised, and nothing is added or changed."""
    try:
        read = load(LAUNCH, GOOD | members)
    except InvalidRequest:
        return
    others = {"client_id", "fhir_server", "user", "launch_url", "session", "web_messaging_origin", "auth_time"}
    context = {name: value for name, value in members.items() if name not in others and value != []}
    assert read.context.as_parameters() == context


def test_the_reference_page_knows_every_member() -> None:
    page = reference()
    assert all(f"`{name}`" in page for name in NAMES)


def test_the_reference_page_says_which_roles_there_are() -> None:
    """FCX-08: no document lists them, so this page does."""
    assert "A `role` in `fhirContext` is any absolute URI that EHR and app have agreed on" in reference()


def test_the_examples_of_the_reference_page_are_good() -> None:
    examples = {field.data_key or name: field.metadata["example"] for name, field in LAUNCH.fields.items()}
    assert load(LAUNCH, examples).members == examples
