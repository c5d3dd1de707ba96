"""What acts by being there is written only by who was given that very type, and sends only what they may read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from authz.enforcement.decide import Decision, decide
from tests.enforcement.conftest import SERVER, Memory, token
from tests.enforcement.table import JSON_PATCH, batch, entry, request

if TYPE_CHECKING:
    from authz.enforcement.fhir_request import FhirRequest

CHANNEL = {"type": "rest-hook", "endpoint": "https://app.example/told", "payload": "application/fhir+json"}
TYPES = ["SearchParameter", "CompartmentDefinition", "OperationDefinition", "StructureMap", "Subscription"]
WRITERS = ["user/*.cruds", "system/*.cruds", "patient/*.cruds", "user/*.cruds system/*.cruds system/Patient.cruds"]


def subscription(criteria: object = "Observation?code=x", **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Subscription",
        "status": "requested",
        "reason": "told",
        "criteria": criteria,
        "channel": CHANNEL,
        **more,
    }


def decided(scope: str, asked: FhirRequest) -> Decision:
    return decide(token(scope), asked, SERVER, Memory())


def writes(type_: str) -> list[FhirRequest]:
    body = {"resourceType": type_}
    return [
        request("POST", f"/{type_}", body),
        request("POST", f"/{type_}", body, if_none_exist="_id=x"),
        request("PUT", f"/{type_}/x", {**body, "id": "x"}),
        request("PUT", f"/{type_}?_id=x", body),
        request(
            "PATCH", f"/{type_}/x", [{"op": "replace", "path": "/status", "value": "active"}], content_type=JSON_PATCH
        ),
        request("DELETE", f"/{type_}/x"),
        request("POST", "/", batch(entry("POST", type_, body))),
    ]


@pytest.mark.parametrize("type_", TYPES)
@pytest.mark.parametrize("scope", WRITERS)
def test_no_scope_for_all_types_and_none_of_a_user_writes_what_acts_by_being_there(scope: str, type_: str) -> None:
    """SCP-01, SCP-02: it goes on when the token has ended, and nobody who agreed to ``*`` read of it."""
    for asked in writes(type_):
        for carried in (scope, f"{scope} user/{type_}.cruds"):
            decision = decided(carried, asked)
            assert decision.why == (
                f"a {type_} acts by being there: only system/ scopes that name {type_}, not *, write it"
            )
            assert decision.scope.startswith(f"system/{type_}.")


@pytest.mark.parametrize("type_", TYPES)
def test_a_system_scope_that_names_the_type_writes_it(type_: str) -> None:
    """SCP-03."""
    assert [decided(f"system/*.rs system/{type_}.cruds", asked).why for asked in writes(type_)] == [""] * 7
    assert decided("user/*.rs", request("GET", f"/{type_}/x")).is_allowed
    assert decided("user/*.rs", request("GET", f"/{type_}?_id=x")).is_allowed
    assert decided(f"system/*.rs system/{type_}.c", writes(type_)[2]).why != ""
    assert decided(f"system/*.cruds system/{type_}.c", writes(type_)[2]).why != ""


@pytest.mark.parametrize(
    "criteria", ["Observation", "Observation?", "Observation?code=http://loinc.org|1-2,x&status=final"]
)
def test_a_subscription_sends_what_its_app_may_read(criteria: str) -> None:
    """SCP-02."""
    asked = request("POST", "/Subscription", subscription(criteria))
    assert decided("system/Subscription.c system/Observation.rs", asked).is_allowed
    assert decided("system/Subscription.c system/*.rs", asked).is_allowed
    for scope in ("system/Subscription.c", "user/*.cruds system/Subscription.cruds", "system/Observation.r"):
        assert "may send Observation" in decided(f"system/Subscription.c {scope}", asked).why
    narrow = "system/Subscription.c system/Observation.rs?category=laboratory"
    assert "may send Observation" in decided(narrow, asked).why


@pytest.mark.parametrize(
    "written",
    [
        subscription("Observation?subject.name=x"),
        subscription("Observation?_include=*"),
        subscription("Observation?_query=x"),
        subscription("Observation?a;b"),
        subscription("[Observation]"),
        subscription("*"),
        subscription("https://topics.example/admissions"),
        subscription(None),
        subscription(["Observation"]),
        subscription(topic="https://topics.example/admissions"),
        subscription(_criteria={"extension": []}),
        subscription(extension=[{"url": "https://server.example/payload-search", "valueString": "Patient?"}]),
        subscription(channel={**CHANNEL, "extension": []}),
        subscription(channel=None),
    ],
)
def test_a_subscription_of_which_it_cannot_be_told_what_it_sends_is_for_who_may_read_everything(
    written: dict[str, Any],
) -> None:
    """SCP-02."""
    for asked in (
        request("POST", "/Subscription", written),
        request("PUT", "/Subscription/x", {**written, "id": "x"}),
    ):
        assert "may send all types" in decided("system/Subscription.cruds system/Observation.rs", asked).why
        assert decided("system/Subscription.cruds system/*.rs", asked).is_allowed


def test_neither_a_patch_nor_a_body_that_is_not_shown_tells_what_a_subscription_sends() -> None:
    """SCP-02."""
    some = "system/Subscription.cruds system/Observation.rs"
    replaced = [{"op": "replace", "path": "/criteria", "value": "Observation?"}]
    for asked in (
        request("PATCH", "/Subscription/x", replaced, content_type=JSON_PATCH),
        request("POST", "/Subscription"),
    ):
        assert "may send all types" in decided(some, asked).why
        assert decided("system/Subscription.cruds system/*.rs", asked).is_allowed
    assert decided(some, request("DELETE", "/Subscription/x")).is_allowed


def test_a_subscription_looks_into_no_type_that_its_app_may_not_read() -> None:
    """SCP-02."""
    asked = request("POST", "/Subscription", subscription("Encounter?subject:Patient._has:Observation:patient:code=x"))
    scope = "system/Subscription.c system/Encounter.rs system/Patient.rs"
    assert "may send Observation" in decided(scope, asked).why
    assert decided(f"{scope} system/Observation.rs", asked).is_allowed
