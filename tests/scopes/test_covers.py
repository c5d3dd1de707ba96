"""Is R within G: every case of the digest's table 12.7 under its id."""

from __future__ import annotations

import pytest

from authz.scopes import RESOURCE_TYPES, ScopeSet, parse_scope

OBSERVATION = "patient/Observation.rs"
EVERY_TYPE = " ".join(f"patient/{type_}.rs" for type_ in sorted(RESOURCE_TYPES["R4"]))

CASES = {
    "C01": ("patient/Observation.r", OBSERVATION, True),
    "C02": (OBSERVATION, "patient/Observation.r patient/Observation.s", True),
    "C03": (OBSERVATION, "patient/*.rs", True),
    "C04": ("patient/*.rs", EVERY_TYPE, False),
    "C06": ("patient/Observation.read", OBSERVATION, True),
    "C07": (OBSERVATION, "patient/Observation.read", True),
    "C08": ("patient/Observation.write", "patient/Observation.cu", False),
    "C09": ("patient/Observation.s", "patient/Observation.read", True),
    "C11": ("user/Observation.rs", "system/Observation.rs", False),
    "C12": (f"{OBSERVATION}?category=a", OBSERVATION, True),
    "C13": (OBSERVATION, f"{OBSERVATION}?category=a", False),
    "C14": (f"{OBSERVATION}?category=a", "patient/*.rs", True),
    "C16": (f"{OBSERVATION}?category=a", f"{OBSERVATION}?category=a&status=final", False),
    "C17": (f"{OBSERVATION}?category=a", f"{OBSERVATION}?category=a,b", True),
    "C18": (f"{OBSERVATION}?category=a,b", f"{OBSERVATION}?category=a {OBSERVATION}?category=b", True),
    "C18-one-missing": (f"{OBSERVATION}?category=a,b,c", f"{OBSERVATION}?category=a {OBSERVATION}?category=b", False),
    "C19": (f"{OBSERVATION}?category=sys|a", f"{OBSERVATION}?category=a", False),
    "C21": (f"{OBSERVATION}?status=final&category=a", f"{OBSERVATION}?category=a&status=final", True),
    "C22": (f"{OBSERVATION}?category=http%3A%2F%2Fx%7Ca", f"{OBSERVATION}?category=http://x|a", True),
    "C23": (f"{OBSERVATION}?category=a", "patient/Observation.r?category=a patient/Observation.s", True),
    "C24": ("launch/patient", "launch", False),
    "C24-role": ("launch/patient?role=https://ex.org/mother", "launch/patient", False),
    "C26": ("patient/Observation.rs patient/Condition.rs", OBSERVATION, False),
    "C27": ("openid", "openid fhirUser", True),
    "C28": ("patient/MedicationOrder.rs", "patient/MedicationRequest.rs", False),
    "repeated-parameter": (f"{OBSERVATION}?category=a&category=b", f"{OBSERVATION}?category=a", True),
    "repeated-parameter-held": (f"{OBSERVATION}?category=a", f"{OBSERVATION}?category=a&category=b", False),
    "repeated-parameter-in-parts": (
        f"{OBSERVATION}?category=a,b&category=b,c",
        f"{OBSERVATION}?category=a {OBSERVATION}?category=b",
        True,
    ),
    "SWM-message-in-group": ("messaging/ui.done", "messaging/ui", True),
    "SWM-group-in-message": ("messaging/ui", "messaging/ui.done messaging/ui.launchActivity", False),
    "SWM-other-group": ("messaging/fhir", "messaging/ui messaging/scratchpad", False),
    "extension": ("__launch", "__launch __introspect", True),
    "extension-no-prefix": ("__launchpad", "__launch", False),
    "unknown-not-even-by-itself": ("foo", "foo openid", False),
    "nothing": ("", "openid", True),
}


@pytest.mark.parametrize(("wanted", "held", "within"), CASES.values(), ids=CASES)
def test_what_is_wanted_lies_within_what_is_held(wanted: str, held: str, within: bool) -> None:  # noqa: FBT001  # a column
    """Digest 12.7, PROC-09; security case TK-27 (no wider scope at refresh)."""
    assert ScopeSet.parse(held).covers(ScopeSet.parse(wanted)) is within


def test_one_scope_covers_another() -> None:
    """Digest C03, PROC-09."""
    assert parse_scope("patient/*.rs").covers(parse_scope("patient/Observation.read"))
    assert not parse_scope("patient/Observation.read").covers(parse_scope("patient/*.rs"))
    assert ScopeSet.parse("patient/*.rs openid").covers(parse_scope("patient/Observation.read"))


def test_more_alternatives_than_can_be_gone_through_are_compared_plainly() -> None:
    """Security digest 3.5 (bounded work): beyond 64 cases only a yes can be relied on."""
    wanted = ScopeSet.parse(f"{OBSERVATION}?{'&'.join(f'p{i}=a,b' for i in range(7))}")
    few_enough = ScopeSet.parse(f"{OBSERVATION}?{'&'.join(f'p{i}=a,b' for i in range(6))}")
    in_parts = ScopeSet.parse(f"{OBSERVATION}?p0=a {OBSERVATION}?p0=b")
    assert in_parts.covers(few_enough)
    assert not in_parts.covers(wanted)
    assert ScopeSet.parse(f"{OBSERVATION}?p0=a,b,c").covers(wanted)
    assert wanted.covers(wanted.narrow_to(in_parts))
    assert in_parts.covers(wanted.narrow_to(in_parts))


def test_a_scope_permits_letters_on_its_type_only() -> None:
    """Digest Q-15: level, type and letter are checked together."""
    scopes = ScopeSet.parse("patient/Observation.rs patient/*.c").resources
    answers = [[s.permits(type_, letter) for s in scopes] for type_ in ("Observation", "Condition") for letter in "crs"]
    assert answers == [[False, True], [True, False], [True, False], [False, True], [False, False], [False, False]]


def test_an_enforcer_sees_the_constraints() -> None:
    """Digest PROC-05: all parameters match, a repeated one too; commas are alternatives."""
    (scope,) = ScopeSet.parse("patient/Observation.rs?status=final&category=b,a%5C,a&category=c").resources
    assert scope.constraints == (("category", ("a\\,a", "b")), ("category", ("c",)), ("status", ("final",)))
