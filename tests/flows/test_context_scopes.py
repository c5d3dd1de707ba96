"""``launch/<type>`` and ``?role=``: what an app asks for beside the patient, and what it gets (SMART 12.2, 12.5)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from authz.tokens.model import GrantRow
from tests.world import FHIR

if TYPE_CHECKING:
    from tests.world import World

HOME, FRIEND = "https://example.org/med-list-at-home", "https://example.org/friend"
MOTHER = "https://example.org/mother"
ITEMS = [
    {"reference": "ImagingStudy/123"},
    {"reference": "List/7", "role": HOME},
    {"identifier": {"system": "urn:oid:1.2", "value": "r"}, "type": "RelatedPerson", "role": FRIEND},
    {"reference": "Patient/mother", "role": MOTHER},
]
REGISTERED = (
    "launch launch/patient launch/encounter openid offline_access patient/*.rs"
    f" launch/imagingstudy launch/list launch/list?role={HOME} launch/relatedperson?role=friend"
    f" launch/patient?role={MOTHER} launch/servicerequest launch/foo"
)


CASES: dict[str, tuple[str, bool, str | None]] = {
    "S53": ("launch", True, None),
    "S54": ("launch/patient", True, None),
    "S54 too": ("launch/encounter", True, None),
    "S56": ("launch/imagingstudy", True, None),
    "S57": (f"launch/list?role={HOME}", True, None),
    "any role": ("launch/list", True, None),
    "S58": ("launch/relatedperson?role=friend", True, None),
    "S59": ("launch/list?role=https://a&role=https://b", False, "malformed"),
    "S61": ("launch/list?code=x", False, "malformed"),
    "S62": (f"launch/patient?role={MOTHER}", True, None),
    "S63": ("launch/foo", False, "unsupported"),
    "nothing of the type": ("launch/servicerequest", False, "no_such_context"),
    "upper case": ("launch/ImagingStudy", False, "malformed"),
}


@pytest.fixture
def clinic(world: World) -> World:
    with world.services.db.write() as session:
        world.services.clients.update(session, "public", {"scope": REGISTERED}, {})
    return world


def tokens(world: World, scope: str, **context: Any) -> dict[str, Any]:
    handle = str(world.ehr.launch("public", "doctor", patient="A", **context)["launch"])
    return world.public.tokens(handle, scope)


def verdict_of(world: World, requested: str) -> dict[str, Any]:
    """What was noted of a scope in the newest grant."""
    with world.services.db.read() as session:
        row = session.scalars(select(GrantRow).order_by(GrantRow.created_at.desc())).first()
    assert row is not None
    return next(verdict for verdict in row.verdicts if verdict["requested"] == requested)


@pytest.mark.parametrize(("scope", "granted", "reason"), CASES.values(), ids=CASES.keys())
def test_a_type_is_granted_if_the_ehr_had_one_open_and_echoed_as_asked(
    clinic: World, scope: str, *, granted: bool, reason: str | None
) -> None:
    """SCP-20, SCP-21, SCP-22, SCP-23, SCP-25, SCP-26, AMB-12, AMB-25: dropped is not failed."""
    asked = scope if scope == "launch" else f"launch {scope}"
    answer = tokens(clinic, f"{asked} patient/*.rs", fhirContext=ITEMS, encounter="E1")
    assert answer["scope"] == (f"{asked} patient/*.rs" if granted else "launch patient/*.rs")
    assert verdict_of(clinic, scope)["reason"] == reason
    assert answer["fhirContext"] == ITEMS
    assert (answer["patient"], answer["encounter"]) == ("A", "E1")


def test_context_nobody_asked_for_is_told_too(clinic: World) -> None:
    """CTX-02, FCX-07: the request is one input only."""
    answer = tokens(clinic, "launch patient/*.rs", fhirContext=ITEMS)
    assert answer["fhirContext"] == ITEMS


def test_a_role_that_is_not_there_brings_what_there_is_of_the_type(clinic: World) -> None:
    """SCP-24: the item says which role it has, so nothing is taken for what it is not."""
    items = [{"reference": "List/8", "role": "https://example.org/other"}]
    scope = f"launch launch/list?role={HOME} patient/*.rs"
    answer = tokens(clinic, scope, fhirContext=items)
    assert (answer["scope"], answer["fhirContext"]) == (scope, items)


def test_the_scope_and_the_context_are_there_after_a_refresh(clinic: World) -> None:
    """FCX-07, REF-08, REQ-42: from what was open at the launch."""
    scope = "launch launch/imagingstudy patient/*.rs offline_access"
    handle = str(clinic.ehr.launch("public", "alice", patient="A", fhirContext=ITEMS[:1])["launch"])
    page = clinic.public.launched(handle, scope)
    first = clinic.public.redeem(clinic.browser().submit(page, press="allow").location_parameters["code"]).json()
    again = clinic.public.refresh(first["refresh_token"]).json()
    assert (first["scope"], again["scope"]) == (scope, scope)
    assert first["fhirContext"] == again["fhirContext"] == ITEMS[:1]


def test_alone_an_app_gets_no_type_and_hears_why(clinic: World) -> None:
    """SCP-25: without the EHR nobody says what was open."""
    code = clinic.standalone(clinic.public, "launch/patient launch/imagingstudy patient/*.rs", "alice")
    answer = clinic.public.redeem(code).json()
    assert answer["scope"] == "launch/patient patient/*.rs"
    assert "fhirContext" not in answer
    assert verdict_of(clinic, "launch/imagingstudy") == {
        "requested": "launch/imagingstudy",
        "outcome": "dropped",
        "granted": [],
        "reason": "no_launch",
        "detail": "it needs the parameter launch, from the EHR",
    }


def test_a_referral_sees_the_service_request(clinic: World) -> None:
    """REQ-48, REQ-33: named in fhirContext, asked for by launch/servicerequest; FHIR server and app hear the same."""
    items = [{"reference": "ServiceRequest/sr-1"}]
    scope = "launch launch/servicerequest patient/*.rs"
    answer = tokens(clinic, scope, fhirContext=items)
    told = clinic.fhir_server.introspect(answer["access_token"])
    assert (answer["scope"], answer["fhirContext"]) == (scope, items)
    assert (told["scope"], told["fhirContext"], told["aud"]) == (scope, items, FHIR)
