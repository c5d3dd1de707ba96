"""What is left of a request: every case of the digest's table 12.6 under its id."""

from __future__ import annotations

import pytest

from authz.scopes import (
    Limit,
    Reason,
    ScopeSet,
    judge,
    keep_one_refresh_scope,
    only_constraints_on,
    only_levels,
    only_types,
    resource_types,
)

LAB = "http://terminology.hl7.org/CodeSystem/observation-category|laboratory"
VITAL = "http://terminology.hl7.org/CodeSystem/observation-category|vital-signs"
PICKED = f"patient/Observation.rs?category={LAB} patient/Observation.rs?category={VITAL}"

CASES = {
    "N01": ("patient/Observation.read", "patient/Observation.rs", "patient/Observation.read"),
    "N02": ("patient/Observation.*", "patient/Observation.rs", "patient/Observation.read"),
    "N02-in-parts": (
        "patient/Observation.*",
        "patient/Observation.r patient/Observation.s",
        "patient/Observation.read",
    ),
    "N03": ("patient/Observation.read", "patient/Observation.r", "patient/Observation.r"),
    "N04": ("patient/Observation.*", "patient/Observation.cud", "patient/Observation.write"),
    "N04-union": ("patient/Observation.*", "patient/Observation.rs patient/*.cud", "patient/Observation.*"),
    "N06": ("patient/AllergyIntolerance.cruds", "patient/*.cruds user/*.cruds", "patient/AllergyIntolerance.cruds"),
    "N07": ("patient/Observation.rs", PICKED, PICKED),
    "N08": ("patient/Observation.read", PICKED, PICKED),
    "N09": ("patient/*.rs", "patient/Patient.rs patient/Observation.rs", "patient/Patient.rs patient/Observation.rs"),
    "N09-v1": (
        "patient/*.read",
        "patient/Patient.rs patient/Observation.cruds",
        "patient/Patient.read patient/Observation.read",
    ),
    "N11": ("user/Patient.rs patient/Patient.rs", "patient/*.cruds user/*.cruds", "user/Patient.rs patient/Patient.rs"),
    "N12": (
        "patient/Observation.r patient/Observation.s",
        "patient/*.cruds",
        "patient/Observation.r patient/Observation.s",
    ),
    "N13": (
        "launch/patient patient/Patient.rs foo",
        "launch/patient patient/*.cruds foo",
        "launch/patient patient/Patient.rs",
    ),
    "N14": ("foo patient/Observation.sr", "patient/*.cruds user/*.cruds openid", ""),
    "N18": (
        "patient/Observation.read patient/Condition.rs",
        "patient/*.cruds",
        "patient/Observation.read patient/Condition.rs",
    ),
    "N19": ("openid offline_access", "openid fhirUser online_access", "openid"),
    "PROC-07-letters": ("user/Condition.crs", "user/*.rus", "user/Condition.rs"),
    "PROC-07-constraints": (
        "patient/Observation.rs?status=final",
        "patient/Observation.rs?category=a",
        "patient/Observation.rs?category=a&status=final",
    ),
    "PROC-07-alternatives": (
        "patient/Observation.rs?category=a,b",
        "patient/Observation.rs?category=b,c",
        "patient/Observation.rs?category=a,b&category=b,c",
    ),
    "PROC-07-fewer-alternatives": (
        "patient/Observation.rs?category=a,b",
        "patient/Observation.cruds?category=b",
        "patient/Observation.rs?category=b",
    ),
    "PROC-07-levels": ("patient/*.rs system/*.rs", "user/*.cruds", ""),
    "PROC-07-nothing-in-common": ("patient/Observation.rs", "patient/Observation.cud patient/Condition.rs", ""),
    "PROC-02-request-spelling": (
        "patient/Observation.rs?status=final&category=http%3A%2F%2Fx%7Ca",
        "patient/Observation.r?category=http://x|a&status=final",
        "patient/Observation.r?status=final&category=http%3A%2F%2Fx%7Ca",
    ),
    "SWM-narrow-form-within-group": ("messaging/ui.launchActivity", "messaging/ui", "messaging/ui.launchActivity"),
    "SWM-never-widened": ("messaging/ui messaging/scratchpad", "messaging/ui.done", "messaging/ui.done"),
}


@pytest.mark.parametrize(("requested", "allowed", "answer"), CASES.values(), ids=CASES)
def test_a_request_is_answered_in_its_own_spelling(requested: str, allowed: str, answer: str) -> None:
    """SMART 2.2 "Scopes" (v1 in, v1 out); digest 12.6, PROC-02, PROC-07, PROC-08; SWM digest 2.3.

    SCP-10, Q-19, REQ-D2.
    """
    assert str(ScopeSet.parse(requested).narrow_to(ScopeSet.parse(allowed))) == answer


@pytest.mark.parametrize(
    ("requested", "levels", "granted"),
    [
        pytest.param("openid system/Observation.rs patient/*.rs", ("patient", "user"), "openid patient/*.rs", id="N16"),
        pytest.param("patient/Observation.rs", ("system",), "", id="N17"),
    ],
)
def test_a_flow_has_levels_of_its_own(requested: str, levels: tuple[str, ...], granted: str) -> None:
    """SMART 2.2 "system": no user in the loop; digest AMB-26, security case AZ-51."""
    judgement = judge(ScopeSet.parse(requested), [only_levels(*levels)])
    dropped = [verdict.reason for verdict in judgement.verdicts if verdict.outcome == "dropped"]
    assert (str(judgement.granted), dropped) == (granted, [Reason.LEVEL_NOT_ALLOWED])


def test_a_type_the_fhir_server_does_not_have_is_dropped() -> None:
    """Digest S21, S63: an unknown type is not granted; the IG's * stands for what the server has."""
    requested = ScopeSet.parse(
        "openid patient/*.rs patient/NotAResource.rs launch/foo launch launch/list patient/Media.r"
    )
    assert (
        str(judge(requested, [only_types(resource_types(["R5"]))]).granted) == "openid patient/*.rs launch launch/list"
    )
    assert str(judge(requested, [only_types(resource_types(["R4", "R5"]))]).granted) == (
        "openid patient/*.rs launch launch/list patient/Media.r"
    )


def test_a_constraint_that_cannot_be_enforced_drops_the_whole_scope() -> None:
    """Digest PROC-06: fail closed, never grant with the constraint dropped; SCP-14."""
    requested = ScopeSet.parse(
        "openid patient/Observation.rs?category=a patient/Observation.rs?category=a&status=final"
    )
    judgement = judge(requested, [only_constraints_on({"category"})])
    assert str(judgement.granted) == "openid patient/Observation.rs?category=a"
    assert judgement.verdicts[2].reason is Reason.UNSUPPORTED


def test_of_offline_and_online_access_one_is_granted() -> None:
    """Digest S68, SCP-34: offline if allowed, else online; the verdict says which stands for it."""
    requested = ScopeSet.parse("online_access openid offline_access")
    both = keep_one_refresh_scope(judge(requested, []))
    assert str(both.granted) == "openid offline_access"
    assert [verdict.as_dict() for verdict in both.verdicts] == [
        {
            "requested": "online_access",
            "outcome": "dropped",
            "granted": [],
            "reason": "superseded",
            "detail": "offline_access is granted, which outlasts it",
        },
        {"requested": "openid", "outcome": "granted", "granted": ["openid"], "reason": None, "detail": ""},
        {
            "requested": "offline_access",
            "outcome": "granted",
            "granted": ["offline_access"],
            "reason": None,
            "detail": "",
        },
    ]
    not_eligible = Limit(Reason.NOT_REGISTERED, ScopeSet.parse("openid online_access"), "not registered")
    assert str(keep_one_refresh_scope(judge(requested, [not_eligible])).granted) == "online_access openid"
