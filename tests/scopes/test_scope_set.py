from __future__ import annotations

import dataclasses

import pytest

from authz.errors import InvalidScope
from authz.scopes import (
    MAX_BYTES,
    MAX_SCOPES,
    RESOURCE_TYPES,
    LaunchScope,
    MessagingScope,
    NamedScope,
    ScopeSet,
    UnknownScope,
    parse_scope,
    resource_types,
)

REQUEST = ScopeSet.parse("launch launch/patient openid patient/*.read user/Patient.rs messaging/ui foo")


def test_a_set_answers_for_its_kinds() -> None:
    """SMART 2.2 "Scopes": resource, context, identity and extension scopes travel in one parameter."""
    assert [str(scope) for scope in REQUEST.resources] == ["patient/*.read", "user/Patient.rs"]
    assert REQUEST.launches == (LaunchScope(None), LaunchScope("patient"))
    assert REQUEST.messaging == (MessagingScope("ui"),)
    assert [(type(scope), str(scope)) for scope in REQUEST.unknown] == [(UnknownScope, "foo")]
    assert (REQUEST.has_level("patient"), REQUEST.has_level("user"), REQUEST.has_level("system")) == (True, True, False)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("patient/Observation.rs", True),
        ("launch/patient openid", True),
        ("launch openid user/*.rs", False),
        ("launch/patient?role=https://ex.org/mother", False),
    ],
)
def test_a_patient_scope_needs_a_patient_in_context(text: str, expected: bool) -> None:  # noqa: FBT001  # a column
    """SMART 2.2 "patient-specific scopes" (digest CTX-10 to CTX-12; FCX-06 for a role)."""
    assert ScopeSet.parse(text).is_for_patient is expected


def test_membership_is_by_spelling() -> None:
    """RFC 6749 §3.3: case-sensitive strings; digest PROC-02."""
    assert "patient/*.read" in REQUEST
    assert NamedScope("openid") in REQUEST
    assert "patient/*.rs" not in REQUEST
    assert "offline_access" not in REQUEST


def test_sets_add_up_and_give_up_members() -> None:
    """RFC 6749 §3.3: order carries no meaning, but the order of the request is kept."""
    union = ScopeSet.parse("openid launch") | ScopeSet.parse("launch fhirUser")
    assert (str(union), len(union), bool(union), bool(ScopeSet())) == ("openid launch fhirUser", 3, True, False)
    assert str(union.without("launch", NamedScope("openid"))) == "fhirUser"
    assert str(ScopeSet.of(*union, *union)) == "openid launch fhirUser"


def test_a_set_is_a_value() -> None:
    """House style: frozen values that compare themselves."""
    assert {ScopeSet.parse("openid launch"), ScopeSet.parse("openid  launch")} == {ScopeSet.parse("openid launch")}
    with pytest.raises(dataclasses.FrozenInstanceError):
        REQUEST.scopes = ()  # type: ignore[misc]  # the point of the test


def test_the_old_spelling_beside_the_new_is_kept() -> None:
    """Digest N18: each in its own spelling, so a verdict can be given about each."""
    assert str(ScopeSet.parse("patient/Goal.read patient/Goal.rs")) == "patient/Goal.read patient/Goal.rs"


def test_the_largest_request_is_read() -> None:
    """Security digest 3.5: 8 000 bytes, 200 items; PROC-10."""
    assert len(ScopeSet.parse(" ".join(f"__{i}" for i in range(MAX_SCOPES)))) == MAX_SCOPES
    assert len(str(ScopeSet.parse("__" + "x" * (MAX_BYTES - 2)))) == MAX_BYTES


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(" ".join(f"__{i}" for i in range(MAX_SCOPES + 1)), id="201 scopes"),
        pytest.param(" ".join(["openid"] * (MAX_SCOPES + 1)), id="201 times the same"),
        pytest.param("__" + "x" * (MAX_BYTES - 1), id="8001 bytes"),
        pytest.param("é" * (MAX_BYTES // 2 + 1), id="bytes, not characters"),
        pytest.param("\ud800" * MAX_BYTES, id="lone surrogates"),
        pytest.param("openid" + " " * MAX_BYTES, id="white space"),
    ],
)
def test_a_larger_request_is_refused(text: str) -> None:
    """Security digest 3.5: above the bound, invalid_scope; PROC-10."""
    with pytest.raises(InvalidScope):
        ScopeSet.parse(text)


def test_a_grant_too_large_to_be_written_is_refused() -> None:
    """Security digest 3.5: what is granted and stored can be parsed again."""
    many = [f"patient/Observation.rs?category={i}" for i in range(20)]
    others = [f"patient/*.rs?status={i}" for i in range(20)]
    with pytest.raises(InvalidScope, match="more than 200 scopes"):
        ScopeSet.parse(" ".join(many)).narrow_to(ScopeSet.parse(" ".join(others)))
    with pytest.raises(InvalidScope, match="longer than 8000 bytes"):
        ScopeSet.parse("__" + "x" * 4000) | ScopeSet.parse("__" + "y" * 4000)


def test_the_url_of_a_role_does_not_make_a_resource_scope() -> None:
    """Digest Q-14: launch scopes are recognised before resource scopes, whatever is in a role's URL."""
    assert parse_scope("launch/questionnaire?role=http://ex.org/patient/Observation.rs") == LaunchScope(
        "questionnaire", "http://ex.org/patient/Observation.rs"
    )


def test_each_fhir_version_has_its_types() -> None:
    """Digest Appendix A; FHIR R4 4.0.1, R4B 4.3.0, R5 5.0.0 "Resource Index": concrete types only; REQ-18, REQ-64."""
    assert {version: len(types) for version, types in RESOURCE_TYPES.items()} == {"R4": 146, "R4B": 141, "R5": 158}
    assert {"Patient", "Encounter", "Observation", "Basic"} <= RESOURCE_TYPES["R4"] & RESOURCE_TYPES[
        "R4B"
    ] & RESOURCE_TYPES["R5"]
    assert "MedicinalProduct" not in resource_types(["R4B", "R5"])
    assert "MedicationOrder" not in resource_types(["R4", "R4B", "R5"])
    assert resource_types(["R4", "R5"]) >= {"DeviceUseStatement", "DeviceUsage", "Media", "RequestGroup", "Transport"}
    assert resource_types([]) == frozenset()
    with pytest.raises(KeyError):
        resource_types(["DSTU1"])
