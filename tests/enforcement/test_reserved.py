"""What says here who somebody is, or for whom they act, is written by staff and the hospital's own systems alone."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from authz.enforcement.decide import decide
from authz.enforcement.token import Reach
from tests.enforcement.conftest import KEPT, SERVER, Memory, token
from tests.enforcement.table import JSON_PATCH, batch, entry, request

if TYPE_CHECKING:
    from authz.enforcement.fhir_request import FhirRequest
    from authz.enforcement.token import Token

DAD = {"resourceType": "RelatedPerson", "id": "dad", "patient": {"reference": "Patient/1"}}
FRIEND = {"resourceType": "RelatedPerson", "patient": {"reference": "Patient/1"}}
PERSON = {"resourceType": "Person", "id": "p", "link": [{"target": {"reference": "RelatedPerson/dad"}}]}
MERGED = {"resourceType": "Patient", "id": "1", "active": True}
TELLING = {
    "RelatedPerson": frozenset[str](),
    "Person": frozenset[str](),
    "Patient": frozenset({"active", "identifier", "link"}),
}
NAMED = "patient/RelatedPerson.cruds patient/Person.cruds patient/Patient.cruds"
APPS: dict[str, Token] = {
    "of a patient": token("patient/*.cruds", user="Patient/1"),
    "by name": token(NAMED, user="Patient/1"),
    "of a father": token("patient/*.cruds user/*.cruds", user="RelatedPerson/dad", reach=Reach(frozenset({"1"}))),
    "of the patient as a user": token("user/*.cruds", patient=None, user="Patient/1", reach=Reach(frozenset({"1"}))),
    "of a clinician, within a record": token("patient/*.cruds user/Observation.cruds", user="Practitioner/dr"),
    "of nobody's": token("patient/*.cruds", user=None),
}
SITE: dict[str, Token] = {
    "of a clinician": token("user/*.cruds", user="Practitioner/dr"),
    "of a clinician, whom the site's own rules bound": token("user/*.cruds", reach=Reach(frozenset({"1"}))),
    "of a role": token("user/*.cruds", user="PractitionerRole/r"),
    "of the hospital's systems": token("system/*.cruds", patient=None, user=None),
}


def patch(target: str, *operations: dict[str, Any]) -> FhirRequest:
    return request("PATCH", target, list(operations), content_type=JSON_PATCH)


PHONE = {"op": "add", "path": "/telecom", "value": []}
WRITES = {
    "create": request("POST", "/RelatedPerson", FRIEND),
    "create unless there": request("POST", "/RelatedPerson", FRIEND, if_none_exist="patient=1"),
    "update": request("PUT", "/RelatedPerson/dad", DAD),
    "update as create": request("PUT", "/RelatedPerson/friend", {**FRIEND, "id": "friend"}),
    "conditional update": request("PUT", "/RelatedPerson?patient=1", DAD),
    "patch": patch("/RelatedPerson/dad", {"op": "remove", "path": "/period"}),
    "delete": request("DELETE", "/RelatedPerson/dad"),
    "in a batch": request("POST", "/", batch(entry("PUT", "RelatedPerson/dad", DAD))),
    "the patient": request("PUT", "/Patient/1", MERGED),
    "not the patient": request("DELETE", "/Patient/1"),
    "no longer merged": patch("/Patient/1", PHONE, {"op": "remove", "path": "/link/0"}),
    "active again": patch("/Patient/1", {"op": "replace", "path": "/active", "value": True}),
    "another number": patch("/Patient/1", {"op": "add", "path": "/identifier/-", "value": {"value": "17"}}),
    "escaped": patch("/Patient/1", {"op": "copy", "from": "/identifier/0", "path": "/contact/0"}),
    "the whole": patch("/Patient/1", {"op": "replace", "path": "", "value": MERGED}),
    "in a conditional patch": patch("/Patient?_id=1", {"op": "remove", "path": "/link"}),
}
ALL_THE_SAME = {
    "read": request("GET", "/RelatedPerson/dad"),
    "search": request("GET", "/RelatedPerson?patient=1"),
    "a telephone number": patch("/Patient/1", PHONE),
    "an observation": request("POST", "/Observation", {"resourceType": "Observation", "subject": DAD["patient"]}),
}


def decided(carried: Token, asked: FhirRequest, *, telling: bool = True) -> tuple[bool, str]:
    carried = replace(carried, telling=TELLING) if telling else carried
    decision = decide(carried, asked, SERVER, Memory(resources=[*KEPT, DAD]))
    return decision.is_allowed, decision.why


@pytest.mark.parametrize("asked", WRITES.values(), ids=WRITES)
@pytest.mark.parametrize("app", APPS.values(), ids=APPS)
def test_no_app_writes_who_acts_for_a_patient(app: Token, asked: FhirRequest) -> None:
    """SCP-01, CTX-13: else it would make its own right last, whatever the wildcard or the name of its scopes."""
    is_allowed, why = decided(app, asked)
    assert (is_allowed, "only user/ scopes of staff and system/ scopes write" in why) == (False, True), why


@pytest.mark.parametrize("asked", WRITES.values(), ids=WRITES)
@pytest.mark.parametrize("site", SITE.values(), ids=SITE)
def test_staff_and_the_hospitals_own_systems_write_it_as_before(site: Token, asked: FhirRequest) -> None:
    """SCP-01: their right to a record does not rest on it."""
    assert decided(site, asked) == decided(site, asked, telling=False)


@pytest.mark.parametrize("asked", ALL_THE_SAME.values(), ids=ALL_THE_SAME)
def test_what_tells_nothing_of_it_is_open_as_before(asked: FhirRequest) -> None:
    """SCP-02, SCP-03: everything else of the record, and to read it."""
    assert decided(APPS["of a patient"], asked) == (True, "")


@pytest.mark.parametrize("asked", [WRITES["create"], WRITES["update"], WRITES["the patient"]])
def test_where_nobody_is_believed_by_it_it_is_a_resource_like_others(asked: FhirRequest) -> None:
    """SCP-03."""
    assert decided(APPS["of a patient"], asked, telling=False) == (True, "")


def test_the_refusal_says_which_elements_and_who_could() -> None:
    """REQ-93: the scope that is named would do (RFC 6750 §3)."""
    father, doctor = APPS["of a father"], APPS["of a clinician, within a record"]
    for carried, scope in ((father, "system/RelatedPerson.c"), (doctor, "user/RelatedPerson.c")):
        decision = decide(replace(carried, telling=TELLING), WRITES["create"], SERVER, Memory())
        assert decision.scope == scope
        assert decision.why == (
            "a RelatedPerson says here who somebody is, or for whom they act: "
            "only user/ scopes of staff and system/ scopes write it"
        )
    assert decided(father, WRITES["the patient"])[1] == (
        "active, identifier, link of a Patient say here who somebody is, or who acts for them: "
        "only user/ scopes of staff and system/ scopes write them; patch other elements with a JSON Patch"
    )
