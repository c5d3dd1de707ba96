"""The one decision: may this token do that? SMART 2.2 scopes, at the FHIR server."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authz.enforcement.compartment import MEMBERSHIPS
from authz.enforcement.token import Reach, Token
from authz.scopes import ScopeSet
from demo.fhir_server.enforce import Access, Decision, decide, patient_of

EVERYONE = Reach(everyone=True)
LAB = "http://terminology.hl7.org/CodeSystem/observation-category"


def observation(
    key: str, patient: str = "pat-1", category: str = "laboratory", status: str = "final"
) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": key,
        "status": status,
        "category": [{"coding": [{"system": LAB, "code": category}]}],
        "subject": {"reference": f"Patient/{patient}"},
    }


PATIENT = {"resourceType": "Patient", "id": "pat-1"}
OTHER = {"resourceType": "Patient", "id": "pat-2"}
PRACTITIONER = {"resourceType": "Practitioner", "id": "prac-1"}
MINE = observation("o1")
THEIRS = observation("o2", "pat-2")
VITALS = observation("o3", category="vital-signs")


def grant(scope: str, *, reach: Reach = EVERYONE, patient: str | None = "pat-1", user: str | None = None) -> Token:
    return Token(ScopeSet.parse(scope), patient, user, reach)


ALL_OR_NOTHING = [
    # scope, letter, type, touched, allowed
    ("patient/Observation.r", "r", "Observation", (MINE,), True),
    ("patient/Observation.read", "r", "Observation", (MINE,), True),
    ("patient/*.rs", "r", "Observation", (MINE,), True),
    ("patient/*.rs", "r", "Patient", (PATIENT,), True),
    ("patient/*.rs", "r", "Patient", (OTHER,), False),
    ("patient/*.rs", "r", "Observation", (THEIRS,), False),
    ("patient/*.rs", "r", "Practitioner", (PRACTITIONER,), False),
    ("patient/Condition.rs", "r", "Observation", (MINE,), False),
    ("patient/Observation.s", "r", "Observation", (MINE,), False),
    ("patient/Observation.c", "r", "Observation", (MINE,), False),
    ("patient/Observation.c", "c", "Observation", (MINE,), True),
    ("patient/Observation.c", "c", "Observation", (THEIRS,), False),
    ("patient/Observation.rs", "c", "Observation", (MINE,), False),
    ("patient/Observation.write", "c", "Observation", (MINE,), True),
    ("patient/Patient.c", "c", "Patient", ({"resourceType": "Patient"},), False),
    ("patient/Observation.u", "u", "Observation", (MINE, MINE), True),
    ("patient/Observation.u", "u", "Observation", (MINE, THEIRS), False),
    ("patient/Observation.u", "u", "Observation", (THEIRS, MINE), False),
    ("patient/Observation.d", "d", "Observation", (MINE,), True),
    ("patient/Observation.cru", "d", "Observation", (MINE,), False),
    ("patient/Observation.rs?category=laboratory", "r", "Observation", (MINE,), True),
    (f"patient/Observation.rs?category={LAB}|laboratory", "r", "Observation", (MINE,), True),
    ("patient/Observation.rs?category=http://elsewhere.example|laboratory", "r", "Observation", (MINE,), False),
    ("patient/Observation.rs?category=laboratory", "r", "Observation", (VITALS,), False),
    ("patient/Observation.rs?category=laboratory,vital-signs", "r", "Observation", (VITALS,), True),
    ("patient/Observation.rs?category=laboratory&status=amended", "r", "Observation", (MINE,), False),
    ("patient/Observation.rs?unknown-parameter=x", "r", "Observation", (MINE,), False),
    ("patient/Observation.c?category=vital-signs", "c", "Observation", (MINE,), False),
    ("patient/Observation.u?category=laboratory", "u", "Observation", (MINE, VITALS), False),
    # a level and a constraint of two different scopes never add up to one permission
    ("patient/Observation.r?category=laboratory patient/Observation.c", "r", "Observation", (VITALS,), False),
    ("user/Observation.rs", "r", "Observation", (THEIRS,), True),
    ("user/*.rs", "r", "Practitioner", (PRACTITIONER,), True),
    ("system/*.rs", "r", "Observation", (THEIRS,), True),
    ("launch openid fhirUser", "r", "Observation", (MINE,), False),
    ("", "r", "Observation", (MINE,), False),
]


@pytest.mark.parametrize(("scope", "letter", "type_", "touched", "allowed"), ALL_OR_NOTHING)
def test_level_type_letter_and_constraints_must_all_fit_the_very_resource(
    scope: str, letter: str, type_: str, touched: tuple[dict[str, Any], ...], *, allowed: bool
) -> None:
    """SMART 2.2 "FHIR Resource Scope Syntax"; also SMART digest Q-15."""
    assert (decide(grant(scope), Access(letter, type_, touched)).why == "") is allowed


def test_a_patient_scope_without_a_patient_in_the_token_reaches_nobody() -> None:
    """CTX-10: without a patient in context there is nothing a patient scope could be about."""
    orphan = {"resourceType": "Observation", "id": "o9"}
    for touched in (MINE, orphan, observation("o4", "")):
        assert decide(grant("patient/*.cruds", patient=None), Access("r", "Observation", (touched,))).why


@pytest.mark.parametrize("reference", ["", "Patient/", "Patient/pat-1/_history/1", "#pat-1", "Group/pat-1", 7, None])
def test_a_reference_that_does_not_name_the_patient_plainly_puts_nothing_in_reach(reference: object) -> None:
    resource = {"resourceType": "Observation", "id": "o9", "subject": {"reference": reference}}
    assert decide(grant("patient/*.rs"), Access("r", "Observation", (resource,))).why


def test_a_search_sees_only_the_tokens_patient() -> None:
    assert decide(grant("patient/*.rs"), Access("s", "Observation", (MINE, THEIRS, VITALS))) == Decision((MINE, VITALS))


def test_a_search_is_narrowed_by_the_constraints_of_the_scope() -> None:
    asked = Access("s", "Observation", (MINE, THEIRS, VITALS))
    assert decide(grant("patient/Observation.rs?category=vital-signs"), asked) == Decision((VITALS,))


def test_a_search_that_names_another_patient_is_refused() -> None:
    asked = Access("s", "Observation", (MINE, THEIRS), frozenset({"pat-1", "pat-2"}))
    refused = decide(grant("patient/*.rs"), asked)
    assert refused == Decision(why="the search asks for a patient whom this token is not about")


def test_a_search_needs_the_letter_s() -> None:
    """SCP-03: ``r`` reads one resource and does not search."""
    assert decide(grant("patient/Observation.cru"), Access("s", "Observation", (MINE,))).visible == ()
    assert decide(grant("patient/Observation.cru"), Access("s", "Observation", (MINE,))).why


def test_a_user_scope_reaches_what_the_user_may_see_and_no_more() -> None:
    """SCP-01: a scope never enlarges what the user may do."""
    parent = grant("user/*.cruds", reach=Reach(frozenset({"child-1", "child-2"})), patient=None)
    child = observation("o5", "child-2")
    assert decide(parent, Access("s", "Observation", (MINE, child))) == Decision((child,))
    assert decide(parent, Access("r", "Observation", (MINE,))).why
    assert decide(parent, Access("c", "Patient", ({"resourceType": "Patient"},))).why
    assert decide(grant("user/*.cruds", reach=Reach(), patient=None), Access("r", "Observation", (MINE,))).why


def test_scope_fhir_user_reads_exactly_the_one_resource_of_the_user() -> None:
    """OID-14: let ``fhirUser`` itself permit that one read."""
    identity = grant("openid fhirUser", user="Practitioner/prac-1")
    colleague = {"resourceType": "Practitioner", "id": "prac-2"}
    assert decide(identity, Access("r", "Practitioner", (PRACTITIONER,))) == Decision((PRACTITIONER,))
    assert decide(identity, Access("r", "Practitioner", (colleague,))).why
    assert decide(identity, Access("r", "Practitioner", ())).why
    assert decide(identity, Access("s", "Practitioner", (PRACTITIONER,))).why
    assert decide(identity, Access("u", "Practitioner", (PRACTITIONER,))).why
    assert decide(grant("openid", user="Practitioner/prac-1"), Access("r", "Practitioner", (PRACTITIONER,))).why
    assert decide(grant("openid fhirUser"), Access("r", "Practitioner", (PRACTITIONER,))).why


KEYS = st.sampled_from(["pat-1", "pat-2", "pat-3", ""])
TYPES = st.sampled_from([*MEMBERSHIPS, "Patient", "Practitioner", "Organization"])


@st.composite
def resources(draw: st.DrawFn) -> dict[str, Any]:
    type_, key = draw(TYPES), draw(KEYS)
    resource: dict[str, Any] = {"resourceType": type_, "id": key, "status": draw(st.sampled_from(["final", "active"]))}
    for element in draw(st.sets(st.sampled_from(["subject", "patient", "performer"]))):
        prefix = draw(st.sampled_from(["Patient/", "", "Group/", "http://elsewhere.example/fhir/Patient/"]))
        resource[element] = {"reference": prefix + draw(KEYS)}
    return resource


@st.composite
def patient_scopes(draw: st.DrawFn) -> str:
    letters = "".join(letter for letter in "cruds" if draw(st.booleans())) or "cruds"
    constraint = draw(st.sampled_from(["", "?status=final", "?status=final,active", "?nonsense=1"]))
    return f"patient/{draw(st.one_of(st.just('*'), TYPES))}.{letters}{constraint}"


@given(
    scopes=st.lists(patient_scopes(), max_size=4),
    patient=st.sampled_from(["pat-1", "pat-2", None]),
    letter=st.sampled_from("cruds"),
    touched=st.lists(resources(), min_size=1, max_size=4),
)
def test_patient_scopes_never_give_another_patients_resource(
    scopes: list[str], patient: str | None, letter: str, touched: list[dict[str, Any]]
) -> None:
    """SCP-02: ``patient/`` is the data of the one patient in context, whatever is asked, whatever the records say."""
    asked = Access(letter, touched[0]["resourceType"], tuple(touched))
    decision = decide(Token(ScopeSet.parse(" ".join(scopes)), patient, None, EVERYONE), asked)
    assert all(patient_of(resource) == patient for resource in decision.visible)
    if decision.why:
        assert decision.visible == ()
    elif letter != "s":
        assert decision.visible == tuple(touched)


@given(
    scopes=st.lists(patient_scopes(), max_size=4),
    more=patient_scopes(),
    touched=resources(),
    letter=st.sampled_from("cruds"),
)
def test_a_further_scope_never_takes_anything_away(
    scopes: list[str], more: str, touched: dict[str, Any], letter: str
) -> None:
    """SCP-11: scopes add up."""
    asked = Access(letter, touched["resourceType"], (touched,))
    fewer = decide(Token(ScopeSet.parse(" ".join(scopes)), "pat-1"), asked)
    assert set(map(id, fewer.visible)) <= set(
        map(id, decide(Token(ScopeSet.parse(" ".join([*scopes, more])), "pat-1"), asked).visible)
    )
