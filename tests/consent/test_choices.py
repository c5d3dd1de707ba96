"""What can be unticked, and the scopes that are left: the tables of SMART 12.6 that a person decides."""

from __future__ import annotations

import pytest

from authz.consent.catalogue import BUILT_IN, Catalogue
from authz.consent.choices import Offer, offer
from authz.scopes import Limit, Reason, ScopeSet, judge, keep_one_refresh_scope, resource_types, without_repetition

OBSERVATION = "http://terminology.hl7.org/CodeSystem/observation-category"
LAB, VITAL = f"category={OBSERVATION}|laboratory", f"category={OBSERVATION}|vital-signs"
PROBLEMS = "category=http://terminology.hl7.org/CodeSystem/condition-category|problem-list-item"
KINDS = {"lab-results", "vital-signs", "problem-list", "Observation", "Condition", "Patient", "*"}
FEW = Catalogue(kind for kind in BUILT_IN if kind.id in KINDS)
TYPES = resource_types(["R4"])
READ, ALL = "patient/Observation.rs", "patient/*.rs"


def asked(scope: str, required: str = "", catalogue: Catalogue = FEW) -> Offer:
    judgement = keep_one_refresh_scope(judge(ScopeSet.parse(scope), []))
    return offer(judgement, ScopeSet.parse(required), catalogue, TYPES)


def left(scope: str, *unticked: str) -> str:
    """What is granted of a scope when boxes are unticked; each must be there."""
    made = asked(scope)
    assert set(unticked) <= set(made.boxes), made.boxes
    agreed = made.agreed(set(made.boxes) - set(unticked))
    judgement = judge(ScopeSet.parse(scope), [Limit(Reason.UNTICKED, agreed, "unticked")])
    return str(keep_one_refresh_scope(without_repetition(judgement)).granted)


CASES = {
    "N07": (READ, [f"{READ} rest of Observation"], f"{READ}?{LAB} {READ}?{VITAL}"),
    "N08": ("patient/Observation.read", [f"{READ} rest of Observation"], f"{READ}?{LAB} {READ}?{VITAL}"),
    "one category": (READ, [f"{READ} vital-signs"], f"{READ}?{LAB}"),
    "N02": ("patient/Observation.*", ["patient/Observation.cruds change"], "patient/Observation.read"),
    "N04": ("patient/Observation.*", ["patient/Observation.cruds see"], "patient/Observation.write"),
    "seeing only": ("patient/*.cruds", ["patient/*.cruds change"], ALL),
    "changing only": ("user/Condition.crud", ["user/Condition.crud see"], "user/Condition.cud"),
    "N09 of all kinds those that are listed": (
        ALL,
        [f"{ALL} rest"],
        "patient/Observation.rs patient/Patient.rs patient/Condition.rs",
    ),
    "N09 in SMART 1.0": (
        "patient/*.read",
        [f"{ALL} Patient", f"{ALL} rest"],
        "patient/Observation.read patient/Condition.read",
    ),
    "of all kinds everything but a category": (
        ALL,
        [f"{ALL} vital-signs"],
        f"{READ}?{LAB} patient/Patient.rs patient/Condition.rs",
    ),
    "seeing all kinds but one, and changing none": (
        "patient/*.cruds",
        ["patient/*.cruds change", "patient/*.cruds Patient"],
        "patient/Observation.rs patient/Condition.rs",
    ),
    "N11 another level stays": ("user/Patient.rs patient/Patient.rs", ["patient/Patient.rs see"], "user/Patient.rs"),
    "N12 in parts": (
        "patient/Observation.r patient/Observation.s",
        [f"{READ} vital-signs"],
        f"patient/Observation.r?{LAB} patient/Observation.s?{LAB}",
    ),
    "N18 each in its own spelling": (
        "patient/Observation.* patient/Condition.cruds",
        ["patient/Observation.cruds change", "patient/Condition.cruds change"],
        "patient/Observation.read patient/Condition.rs",
    ),
    "what the broader scope says already": (f"{READ} {READ}?{LAB}", [f"{READ} lab-results"], f"{READ}?{VITAL}"),
    "what is asked for beyond the broader scope": (
        "patient/*.rs patient/Observation.cruds",
        ["patient/Observation.cud change"],
        "patient/*.rs patient/Observation.rs",
    ),
    "two parameters": (
        f"{READ}?{LAB}&status=final patient/Patient.rs",
        [f"{READ}?{LAB}&status=final see"],
        "patient/Patient.rs",
    ),
    "AMB-15 a category spelled in another way": (
        f"{READ}?category={OBSERVATION.replace(':', '%3A')}%7Claboratory patient/Patient.rs",
        ["patient/Patient.rs see"],
        f"{READ}?category={OBSERVATION.replace(':', '%3A')}%7Claboratory",
    ),
    "a type without words": ("patient/Basic.rs patient/Patient.rs", ["patient/Basic.rs see"], "patient/Patient.rs"),
    "a permission of the installation's own": (
        "openid __own https://x.example/p",
        ["__own"],
        "openid https://x.example/p",
    ),
    "SCP-33": ("openid offline_access", ["offline_access"], "openid"),
    "SCP-34": ("openid offline_access online_access", ["offline_access"], "openid online_access"),
    "SCP-17": (READ, [f"{READ} see"], ""),
}


@pytest.mark.parametrize(("scope", "unticked", "answer"), CASES.values(), ids=CASES)
def test_what_is_left_is_said_in_valid_scopes(scope: str, unticked: list[str], answer: str) -> None:
    """N02, N04, N07, N08, N09, N11, N12, N18, SCP-12, SCP-16, SCP-17, SCP-33, SCP-34, PROC-07, PROC-08, AMB-15."""
    assert left(scope, *unticked) == answer


def test_ticking_everything_changes_nothing() -> None:
    """N06, N12: each scope as it was asked for."""
    scope = (
        "launch/patient openid patient/*.* patient/Observation.r patient/Observation.s user/Patient.rs offline_access"
    )
    made = asked(scope)
    assert made.is_whole(set(made.boxes))
    assert left(scope) == scope


def test_each_access_is_asked_about_once() -> None:
    """SCP-11: letters of one kind are joined, and nothing is asked that a broader question decides."""
    made = asked("patient/*.rs patient/Observation.r patient/Observation.u patient/Condition.rs user/Patient.s")
    assert [str(question.about.data) for question in made.questions] == [
        "patient/*.rs",
        "patient/Observation.u",
        "user/Patient.s",
    ]


def test_what_belongs_to_the_launch_and_the_sign_in_has_no_box() -> None:
    """LC-10: and therefore stays, whatever is sent."""
    made = asked("launch launch/patient openid fhirUser online_access patient/Patient.rs offline_access __own")
    assert made.boxes == ("patient/Patient.rs see", "offline_access", "__own")
    assert str(made.agreed(())) == "launch launch/patient openid fhirUser online_access"


def test_a_scope_of_a_kind_that_is_offered_later_is_not_granted_unseen() -> None:
    """LC-10: only what belongs to the launch and the sign-in goes without a box."""
    assert asked("openid messaging/ui patient/Patient.rs").boxes == ("patient/Patient.rs see", "messaging/ui")


def test_what_is_no_box_changes_nothing() -> None:
    """LC-10: a forged value is ignored."""
    made = asked("openid patient/Observation.rs")
    ticked = {f"{READ} see", f"{READ} lab-results"}
    forged = {
        "system/*.cruds see",
        "patient/*.rs see",
        "patient/*.rs",
        "user/Observation.rs see",
        READ,
        "offline_access",
    }
    assert str(made.agreed(ticked | forged)) == f"openid {READ}?{LAB}"
    assert str(made.agreed(forged)) == "openid"


def test_kinds_without_an_action_are_nothing_and_the_other_way_round() -> None:
    made = asked(READ)
    kinds = {f"{READ} lab-results", f"{READ} vital-signs", f"{READ} rest of Observation"}
    assert (str(made.agreed(kinds)), str(made.agreed({f"{READ} see"}))) == ("", "")


def test_what_the_app_needs_is_found_by_trying() -> None:
    """REQ-122: required and optional are told apart by what is required, not by how it is spelled."""
    made = asked(
        "openid patient/Patient.cruds patient/Observation.rs offline_access", f"patient/Patient.read {READ}?{LAB}"
    )
    assert made.needed() == {"patient/Patient.cruds see", f"{READ} see", f"{READ} lab-results"}
    enough = made.needed()
    assert made.is_enough(enough)
    assert not any(made.is_enough(enough - {box}) for box in enough)


def test_what_is_required_as_a_whole_has_no_finer_kinds() -> None:
    assert asked(READ, READ).boxes == (f"{READ} see",)


def test_what_is_required_but_not_to_be_granted_is_no_question() -> None:
    """What the user's rights or the registration left out is not the person's refusal."""
    made = asked("patient/Patient.rs", "patient/Condition.rs offline_access")
    assert (made.needed(), made.is_enough(())) == (frozenset(), True)


def test_without_room_to_say_the_finer_kinds_they_are_not_offered() -> None:
    """PROC-10: whatever a person unticks, what is left can be granted."""
    many = " ".join(f"{READ}?status=s{number}" for number in range(120))
    made = asked(f"{READ} {many}")
    assert made.boxes == (f"{READ} see",)
    assert len(asked(READ).boxes) == 4


def test_kinds_that_the_fhir_server_can_not_tell_apart_are_not_offered() -> None:
    """PROC-06: a scope with such a constraint would not be granted, so nothing would be left of the choice."""
    assert asked(READ, catalogue=FEW.limited_by({"status"})).boxes == (f"{READ} see",)
    assert asked(READ, catalogue=FEW.limited_by({"category"})).boxes == asked(READ).boxes


def test_another_question_has_another_fingerprint() -> None:
    """LC-10: what is agreed to is what was shown."""
    base = asked("openid patient/Patient.rs")
    assert base.fingerprint("A") == asked("openid patient/Patient.rs").fingerprint("A")
    others = [
        asked("openid fhirUser patient/Patient.rs"),
        asked("openid patient/Patient.cruds"),
        asked("openid patient/Patient.rs", "patient/Patient.rs"),
    ]
    assert base.fingerprint("A") not in {base.fingerprint("B"), base.fingerprint(None)}
    wider = Catalogue(kind for kind in BUILT_IN if kind.type == "Observation")
    assert base.fingerprint("A") not in {other.fingerprint("A") for other in others}
    assert asked(READ).fingerprint("A") != asked(READ, catalogue=wider).fingerprint("A")
