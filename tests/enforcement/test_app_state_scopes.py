"""SMART App State is a FHIR API on Basic: what its scopes give in front of a FHIR server that knows no SMART."""

from __future__ import annotations

from typing import Any

import pytest

from authz.enforcement.decide import decide
from authz.enforcement.token import EVERYONE, Reach
from tests.enforcement.conftest import BASE, SERVER, Memory, token
from tests.enforcement.table import request

APP, ANOTHER_APP = "https://app.example", "https://other.example"
CODE = f"code={APP}|settings"


def state(subject: str | None, system: str = APP, code: str = "settings") -> dict[str, Any]:
    about = {} if subject is None else {"subject": {"reference": f"{BASE}/{subject}"}}
    return {"resourceType": "Basic", "code": {"coding": [{"system": system, "code": code}]}, **about}


MINE = {**state("Patient/1"), "id": "s1"}
PATIENT, USER, GLOBAL = f"patient/Basic.cuds?{CODE}", f"user/Basic.cuds?{CODE}", f"system/Basic.cuds?{CODE}"
ROWS = [
    # of the patient in context: queried and modified
    (PATIENT, request("GET", f"/Basic?{CODE}&subject={BASE}/Patient/1"), True),
    (PATIENT, request("POST", "/Basic", state("Patient/1")), True),
    (PATIENT, request("PUT", "/Basic/s1", MINE, if_match='W/"1"'), True),
    (PATIENT, request("DELETE", "/Basic/s1", if_match='W/"1"'), True),
    # never another patient's, another app's, everybody's, or the user's
    (PATIENT, request("GET", f"/Basic?{CODE}&subject={BASE}/Patient/2"), False),
    (PATIENT, request("GET", f"/Basic?{CODE}&subject:missing=true"), False),
    (PATIENT, request("GET", f"/Basic?{CODE}&subject={BASE}/Practitioner/dr"), False),
    (PATIENT, request("GET", f"/Basic?{CODE}"), False),
    (PATIENT, request("GET", f"/Basic?code={ANOTHER_APP}|settings&subject={BASE}/Patient/1"), False),
    (PATIENT, request("POST", "/Basic", state("Patient/2")), False),
    (PATIENT, request("POST", "/Basic", state(None)), False),
    (PATIENT, request("POST", "/Basic", state("Patient/1", ANOTHER_APP)), False),
    (PATIENT, request("POST", "/Basic", state("Patient/1", APP, "else")), False),
    (PATIENT, request("PUT", "/Basic/s1", {**MINE, **state("Patient/1", ANOTHER_APP)}), False),
    (PATIENT, request("GET", "/Basic/s1"), False),  # APS-09 has no letter r
    # of the user
    (USER, request("GET", f"/Basic?{CODE}&subject={BASE}/Practitioner/dr"), True),
    (USER, request("POST", "/Basic", state("Practitioner/dr")), True),
    (USER, request("GET", f"/Basic?code={ANOTHER_APP}|settings&subject={BASE}/Practitioner/dr"), False),
    (USER, request("POST", "/Basic", state("Practitioner/dr", ANOTHER_APP)), False),
    # of everybody
    (GLOBAL, request("GET", f"/Basic?{CODE}&subject:missing=true"), True),
    (GLOBAL, request("POST", "/Basic", state(None)), True),
    (GLOBAL, request("POST", "/Basic", state(None, ANOTHER_APP)), False),
    (f"patient/Basic.s?{CODE}", request("GET", f"/Basic?{CODE}&subject={BASE}/Patient/1"), True),
    (f"patient/Basic.s?{CODE}", request("POST", "/Basic", state("Patient/1")), False),
]


@pytest.mark.parametrize(("scope", "asked", "allowed"), ROWS)
def test_state_is_reached_by_its_coding_and_its_subject_only(scope: str, asked: Any, *, allowed: bool) -> None:
    """APS-08, APS-09, APS-10: querying and modifying, each for the patient, the user and everybody."""
    records = Memory(resources=[{**MINE, "subject": {"reference": "Patient/1"}}])
    assert decide(token(scope), asked, SERVER, records).is_allowed is allowed


def test_a_patients_own_state_is_theirs_alone() -> None:
    """APS-10: the user in context is the patient."""
    own = token(USER, patient=None, user="Patient/1", reach=Reach(frozenset({"1"})))
    assert decide(own, request("POST", "/Basic", state("Patient/1")), SERVER, Memory()).is_allowed
    assert not decide(own, request("POST", "/Basic", state("Practitioner/dr")), SERVER, Memory()).is_allowed
    assert own.user_reach != EVERYONE
