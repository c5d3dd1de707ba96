"""What was open in the EHR, as app and FHIR server hear of it: then, after a refresh, whatever happens later."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from authz.audit.search import Query, search
from authz.clients.legacy import Legacy, switch_off, switch_on
from authz.strict_json import MAX_INTEGER
from authz.tokens.model import GrantRow

if TYPE_CHECKING:
    from tests.world import World

SCOPE = "launch openid patient/*.rs online_access"
ITEMS: list[dict[str, Any]] = [
    {"reference": "ImagingStudy/123"},
    {"reference": "ImagingStudy/124", "type": "ImagingStudy", "role": "launch"},
    {"reference": "Patient/mother", "role": "https://example.org/mother"},
    {"reference": "List/7", "role": "https://example.org/med-list-at-home"},
    {"reference": "List/8", "role": "https://example.org/med-list-at-home"},
    {"canonical": "http://example.org/Questionnaire/q|1.0", "type": "Questionnaire"},
    {"identifier": {"system": "urn:oid:1.2", "value": "7"}, "type": "Task", "display": "Grüße"},
]
CONTEXT: dict[str, Any] = {
    "patient": "A",
    "encounter": "E1",
    "fhirContext": ITEMS,
    "need_patient_banner": False,
    "intent": "reconcile-medications",
    "smart_style_url": "https://ehr.example/style-3.json",
    "tenant": "Station Süd",
    "appContext": '{"card":"c-12", "spaces":  "stay", "é": "\\u00e9"}',
    "__darkMode": True,
    "https://ehr.example/hub": {"url": "https://hub.example", "topic": ["t", 1.5, None]},
}
ANSWER = {"access_token", "token_type", "expires_in", "scope", "refresh_token", "id_token"}
INTROSPECTION = {"active", "scope", "client_id", "token_type", "exp", "iat", "jti", "iss", "aud", "sub", "fhirUser"}


def launch(world: World, **context: Any) -> str:
    return str(world.ehr.launch("public", "doctor", session="s-1", **context)["launch"])


def without(answer: dict[str, Any], names: set[str]) -> dict[str, Any]:
    return {name: value for name, value in answer.items() if name not in names}


def told(world: World, tokens: dict[str, Any]) -> list[bytes]:
    """The context in the token response, after a refresh and in introspection of both, as bytes."""
    again = world.public.refresh(tokens["refresh_token"]).json()
    answers = [world.fhir_server.introspect(one["access_token"]) for one in (again,)]
    found = [without(tokens, ANSWER), without(again, ANSWER), *(without(one, INTROSPECTION) for one in answers)]
    return [json.dumps(one, ensure_ascii=False).encode() for one in found]


def test_every_member_is_told_as_the_ehr_said_it(world: World) -> None:
    """CTX-01, REQ-102, REQ-134, VER-11: in the token response, after a refresh, in introspection, nothing changed.

    FIELD context.patient, FIELD context.encounter, FIELD context.fhirContext, FIELD context.need_patient_banner,
    FIELD context.intent, FIELD context.smart_style_url, FIELD context.tenant, FIELD context.appContext,
    FIELD context.extension, REQ-28: an extension can carry a hub of FHIRcast.
    """
    tokens = world.public.tokens(launch(world, **CONTEXT), SCOPE)
    expected = without(tokens, ANSWER)
    assert expected == CONTEXT
    assert told(world, tokens) == [json.dumps(expected, ensure_ascii=False).encode()] * 3


def test_items_of_every_kind_are_told_in_order(world: World) -> None:
    """FCX-01..05, several of one type and of one role: FCX-01, FCX-02, FCX-03, FCX-04, FCX-05, FCX-06.

    FIELD fhirContext.reference, FIELD fhirContext.canonical, FIELD fhirContext.identifier, FIELD fhirContext.type,
    FIELD fhirContext.role
    """
    tokens = world.public.tokens(launch(world, patient="A", fhirContext=ITEMS), SCOPE)
    assert tokens["fhirContext"] == ITEMS
    for item in tokens["fhirContext"]:
        assert {"reference", "canonical", "identifier"} & item.keys()


def test_a_launch_needs_no_patient(world: World) -> None:
    """REQ-129: an app for the user as such; nothing of a patient in the answer, nor a ``patient/`` scope."""
    tokens = world.public.tokens(launch(world, tenant="ward"), "launch openid user/*.rs patient/*.rs")
    assert (tokens["scope"], without(tokens, ANSWER)) == ("launch openid user/*.rs", {"tenant": "ward"})


def test_no_items_no_member(world: World) -> None:
    """FCX-09: never an empty array."""
    tokens = world.public.tokens(launch(world, patient="A", fhirContext=[]), SCOPE)
    assert "fhirContext" not in tokens
    assert "fhirContext" not in world.fhir_server.introspect(tokens["access_token"])


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-MAX_INTEGER, MAX_INTEGER)
    | st.floats(-1e9, 1e9)
    | st.text("aé ☃\n", max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", max_size=3), inner, max_size=3),
    max_leaves=6,
)
CONTEXTS = st.fixed_dictionaries(
    {},
    optional={
        "patient": st.just("A"),
        "fhirContext": st.lists(st.sampled_from(ITEMS), min_size=1, max_size=5),
        "need_patient_banner": st.booleans(),
        "appContext": st.text('aé"\\ {}\n☃', min_size=1, max_size=30),
        "__own": JSON,
        "https://ehr.example/own": JSON,
    },
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(CONTEXTS)
def test_whatever_the_context_is_it_is_repeated_byte_for_byte(world: World, context: dict[str, Any]) -> None:
    """CTX-01, CTX-02, REF-08, INT-04."""
    tokens = world.public.tokens(launch(world, **context), "launch openid user/*.rs online_access")
    first, *others = told(world, tokens)
    assert json.loads(first) == context
    assert others == [first] * 2


@pytest.mark.parametrize(
    "text", ["plain", '{"b":1,  "a":2}', "  spaces around  ", "Grüße ☃ 𝄞", "line\nbreak", '"', "\\u0041"]
)
def test_the_string_of_a_task_or_a_card_reaches_the_app_unchanged(world: World, text: str) -> None:
    """TSK-01, TSK-02, REQ-3: what a Task or a CDS Hooks card says is the launch's patient, encounter, appContext."""
    task = {
        "code": {"coding": [{"code": "launch-app-ehr"}]},
        "for": {"reference": "Patient/A"},
        "encounter": {"reference": "Encounter/E1"},
        "input": [{"valueUrl": "https://app.example/launch"}, {"valueString": text}],
    }
    url, app_context = task["input"][0]["valueUrl"], task["input"][1]["valueString"]  # type: ignore[index]  # as above
    handle = launch(world, patient="A", encounter="E1", launch_url=url, appContext=app_context)
    tokens = world.public.tokens(handle, SCOPE)
    expected = {"patient": "A", "encounter": "E1", "appContext": text}
    assert without(tokens, ANSWER) == expected
    assert told(world, tokens) == [json.dumps(expected, ensure_ascii=False).encode()] * 3


@pytest.mark.parametrize(
    "url", ["https://evil.example/launch", "https://app.example/launch/", "https://app.example/launch?x=1"]
)
def test_a_task_opens_only_what_the_app_has_registered(world: World, url: str) -> None:
    """TSK-03, LAU-01: whatever the Task says."""
    record = {"client_id": "public", "fhir_server": world.ehr.fhir_server, "user": "doctor", "launch_url": url}
    reply = world.ehr.post("/launch", record | {"patient": "A", "appContext": "x"})
    assert (reply.status, reply.json()["error"]) == (400, "invalid_request")
    assert reply.json()["error_description"] == "launch_url: not registered for this app"


def test_a_token_is_for_one_fhir_server_whatever_details_are_asked_for(world: World) -> None:
    """Decision 12: the experimental member is in no answer, and a parameter of its name widens nothing."""
    wanted = {"type": "smart_on_fhir", "locations": ["https://other.example/r4"], "scope": "user/*.cruds"}
    details = json.dumps([wanted])
    tokens = world.public.tokens(launch(world, patient="A"), SCOPE, authorization_details=details)
    assert (tokens["scope"], without(tokens, ANSWER)) == (SCOPE, {"patient": "A"})
    assert world.fhir_server.introspect(tokens["access_token"])["aud"] == world.ehr.fhir_server
    assert world.other_fhir_server.introspect(tokens["access_token"]) == {"active": False}


# --- the dialect of SMART 2.0


def strings(world: World, *, on: bool) -> None:
    with world.services.db.write() as session:
        row = world.services.clients.row(session, "public")
        if on:
            switch_on(row, Legacy.CONTEXT_STRINGS, world.clock(), "admin", "an app of 2021, until its next release")
        else:
            switch_off(row, Legacy.CONTEXT_STRINGS)


def uses(world: World) -> list[str | None]:
    with world.services.db.read() as session:
        return [one["reason"] for one in search(session, Query(event="legacy.used", client_id="public"))]


def test_an_app_of_smart_2_0_gets_bare_references_where_the_hospital_says_so(world: World) -> None:
    """VER-10, AMB-27: what strings can't say is left out, roles above all; each use is on the trail."""
    strings(world, on=True)
    tokens = world.public.tokens(launch(world, patient="A", fhirContext=ITEMS), SCOPE)
    assert without(tokens, ANSWER) == {"patient": "A", "fhirContext": ["ImagingStudy/123", "ImagingStudy/124"]}
    assert len(set(told(world, tokens))) == 1
    assert uses(world) == ["fhirContext-as-strings"]


def test_without_a_reference_an_old_app_gets_no_fhir_context(world: World) -> None:
    """VER-10, FCX-09."""
    strings(world, on=True)
    tokens = world.public.tokens(launch(world, patient="A", fhirContext=ITEMS[2:]), SCOPE)
    assert without(tokens, ANSWER) == {"patient": "A"}


def test_by_default_items_are_objects_and_other_apps_are_not_concerned(world: World) -> None:
    """VER-10: off unless said, app by app."""
    strings(world, on=True)
    handle = str(world.ehr.launch("confidential", "doctor", patient="A", fhirContext=ITEMS)["launch"])
    assert world.confidential.tokens(handle, SCOPE)["fhirContext"] == ITEMS
    strings(world, on=False)
    assert world.public.tokens(launch(world, patient="A", fhirContext=ITEMS), SCOPE)["fhirContext"] == ITEMS
    assert uses(world) == []


@pytest.mark.parametrize("on", [True, False])
def test_a_switch_turned_later_changes_no_token(world: World, *, on: bool) -> None:
    """LAU-06, REQ-42: the context is that of the launch; nothing done afterwards changes what was issued."""
    strings(world, on=not on) if not on else None
    tokens = world.public.tokens(launch(world, patient="A", fhirContext=ITEMS), SCOPE)
    before = without(tokens, ANSWER)
    strings(world, on=on)
    world.ehr.launch("public", "doctor", patient="B", session="s-1")
    assert [json.loads(one) for one in told(world, tokens)] == [before] * 3


def test_launch_type_is_granted_in_the_old_dialect_too(world: World) -> None:
    """SCP-22, FCX-07: if the app will hear of it, and after a refresh as well."""
    with world.services.db.write() as session:
        registered = f"{SCOPE} launch/imagingstudy launch/task"
        world.services.clients.update(session, "public", {"scope": registered}, {})
    strings(world, on=True)
    scope = "launch launch/imagingstudy launch/task patient/*.rs online_access"
    tokens = world.public.tokens(launch(world, patient="A", fhirContext=ITEMS), scope)
    kept = "launch launch/imagingstudy patient/*.rs online_access"
    assert tokens["scope"] == kept
    assert world.public.refresh(tokens["refresh_token"]).json()["scope"] == kept
    with world.services.db.read() as session:
        row = session.scalars(select(GrantRow)).one()
    assert {one["requested"]: one["reason"] for one in row.verdicts}["launch/task"] == "no_such_context"


def test_an_app_may_say_itself_that_it_reads_smart_2_0(world: World) -> None:
    """VER-10, REG-10: at registration, for all that it can lose is detail; each use is on the trail all the same."""
    with world.services.db.write() as session:
        world.services.clients.update(session, "public", {"fhir_context_dialect": "2.0"}, {})
    tokens = world.public.tokens(launch(world, patient="A", fhirContext=ITEMS), SCOPE)
    assert without(tokens, ANSWER) == {"patient": "A", "fhirContext": ["ImagingStudy/123", "ImagingStudy/124"]}
    assert uses(world) == ["fhirContext-as-strings"]
