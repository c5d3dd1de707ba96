"""Which requests a token may make: a table, each row with what is said about it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from authz.enforcement.decide import decide, is_open
from authz.enforcement.fhir_request import FhirRequest
from authz.enforcement.token import Reach
from authz.errors import Unavailable
from tests.enforcement.conftest import BASE, MINE, SERVER, THEIRS, VITALS, Memory, observation, token

ALL, LAB = "patient/*.cruds", "patient/Observation.cruds?category=laboratory"
FORM, JSON_PATCH = "application/x-www-form-urlencoded", "application/json-patch+json"
OUTSIDE = "is outside what the token gives access to"
ANOTHER = "the search asks for a patient whom this token is not about"
PLAIN = "the path must be plain"
BEYOND = "looks beyond the patient's record"
UNSHOWN = "the proxy does not show the body"


def request(method: str, target: str, body: object = None, **headers: str) -> FhirRequest:
    content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    told = {"content-type": "application/fhir+json", "content-length": str(len(content))} if content else {}
    return FhirRequest(method, f"/r4{target}", told | {n.replace("_", "-"): v for n, v in headers.items()}, content)


def batch(*entries: dict[str, Any], kind: str = "batch") -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": kind, "entry": list(entries)}


def entry(method: str, url: str, resource: dict[str, Any] | None = None, **more: str) -> dict[str, Any]:
    return {"request": {"method": method, "url": url, **more}, **({"resource": resource} if resource else {})}


# scope, request, why not ("" = allowed)
ROWS: list[tuple[str, FhirRequest, str]] = [
    # read, version, history
    (ALL, request("GET", "/Patient/1"), ""),
    (ALL, request("HEAD", "/Patient/1"), ""),
    (ALL, request("GET", "/Patient/1?_format=json&_summary=true&_elements=name&_pretty=true"), ""),
    (ALL, request("GET", "/Patient/2"), OUTSIDE),
    (ALL, request("GET", "/Patient/1?_revinclude=Observation:patient"), "no meaning here"),
    (ALL, request("GET", "/Patient/1/_history"), ""),
    (ALL, request("GET", "/Patient/1/_history/3"), ""),
    (ALL, request("GET", "/Patient/2/_history"), "versions may be of another patient"),
    (ALL, request("GET", "/Patient/2/_history/1"), OUTSIDE),
    (ALL, request("GET", "/Observation/o1"), ""),
    (ALL, request("GET", "/Observation/o2"), OUTSIDE),
    (ALL, request("GET", "/Observation/unheard-of"), OUTSIDE),
    (ALL, request("GET", "/Observation/o1/_history"), "versions may be of another patient"),
    (ALL, request("GET", "/Observation/o1/_history/1"), ""),
    (ALL, request("GET", "/Observation/o1/_history/2"), OUTSIDE),
    (ALL, request("GET", "/Observation/_history"), "versions may be of another patient"),
    (ALL, request("GET", "/_history"), "versions may be of another patient"),
    (ALL, request("GET", "/Practitioner/dr"), "not part of a patient's record"),
    ("patient/Observation.s", request("GET", "/Observation/o1"), "no granted scope"),
    ("patient/Condition.r", request("GET", "/Observation/o1"), "no granted scope"),
    ("patient/Observation.read", request("GET", "/Observation/o1"), ""),
    (LAB, request("GET", "/Observation/o1"), ""),
    (LAB, request("GET", "/Observation/v1"), OUTSIDE),
    ("user/*.rs", request("GET", "/Observation/o2"), ""),
    ("user/*.rs", request("GET", "/Observation/o2/_history"), ""),
    ("user/Observation.rs?category=vital-signs", request("GET", "/Observation/o2"), OUTSIDE),
    ("user/*.rs", request("GET", "/Practitioner/dr"), ""),
    ("system/*.rs", request("GET", "/_history"), ""),
    ("openid fhirUser", request("GET", "/Practitioner/dr"), ""),
    ("openid fhirUser", request("GET", "/Practitioner/other"), "no granted scope"),
    ("openid fhirUser", request("GET", "/Practitioner/dr/_history"), "no granted scope"),
    ("openid fhirUser", request("PUT", "/Practitioner/dr", {}), "no granted scope"),
    ("openid", request("GET", "/Practitioner/dr"), "no granted scope"),
    # search
    (ALL, request("GET", "/Observation?patient=1"), ""),
    (ALL, request("GET", "/Observation?patient=Patient/1&_sort=-date&_count=9&_total=accurate&_offset=9"), ""),
    (ALL, request("GET", f"/Observation?subject={BASE}/Patient/1&date=ge2020&code:not=x&status:missing=false"), ""),
    (ALL, request("GET", "/Observation?subject:Patient=1&patient:Patient=1"), ""),
    (ALL, request("GET", "/Observation?patient=1&patient=1"), ""),
    (ALL, request("GET", "/Observation"), "must name the patient: patient=<id>"),
    (ALL, request("GET", "/Observation?"), "must name the patient"),
    (ALL, request("GET", "/Observation?performer=Patient/1"), "must name the patient"),
    (ALL, request("GET", "/Observation?subject=1"), ANOTHER),
    (ALL, request("GET", "/Observation?patient="), ANOTHER),
    (ALL, request("GET", "/Observation?patient=2"), ANOTHER),
    (ALL, request("GET", "/Observation?patient=1,2"), ANOTHER),
    (ALL, request("GET", "/Observation?patient=1&patient=2"), ANOTHER),
    (ALL, request("GET", "/Observation?patient=1&subject=Patient/2"), ANOTHER),
    (ALL, request("GET", "/Observation?patient=https://elsewhere.example/Patient/1"), ANOTHER),
    (ALL, request("GET", "/Observation?patient=1%5C,2"), ANOTHER),
    (ALL, request("GET", "/Observation?patient=Patient/1/_history/1"), ANOTHER),
    (ALL, request("GET", "/Observation?patient:not=2"), ANOTHER),
    (ALL, request("GET", "/Observation?patient:missing=false"), ANOTHER),
    (ALL, request("GET", "/Observation?patient:identifier=x"), ANOTHER),
    (ALL, request("GET", "/Observation?subject:Group=1"), ANOTHER),
    (ALL, request("GET", "/Observation?patient.identifier=x"), ANOTHER),
    (ALL, request("GET", "/Observation?patient=1&subject:Patient.name=x"), ANOTHER),
    (ALL, request("GET", "/Observation?PATIENT=1"), "must name the patient"),
    (ALL, request("GET", "/Observation?p%61tient=1"), ""),
    (ALL, request("GET", "/Observation?p%61tient=2"), ANOTHER),
    (ALL, request("GET", "/Observation?patient=%2531"), "encoded twice"),
    (ALL, request("GET", "/Observation?patient=1;patient=2"), "percent-encoded"),
    (ALL, request("GET", "/Observation?patient=1&performer.name=x"), BEYOND),
    (ALL, request("GET", "/Observation?patient=1&performer:Practitioner.name=x"), BEYOND),
    (ALL, request("GET", "/Observation?patient=1&code:in=http://vs.example"), BEYOND),
    (ALL, request("GET", "/Observation?patient=1&_filter=code eq x".replace(" ", "%20")), BEYOND),
    (ALL, request("GET", "/Observation?patient=1&_list=9"), BEYOND),
    (ALL, request("GET", "/Observation?patient=1&_contained=true"), BEYOND),
    (ALL, request("GET", "/Observation?patient=1&_query=everyone"), "can't be decided about"),
    (ALL, request("GET", "/Observation?patient=1&_has:AuditEvent:entity:agent=x"), BEYOND),
    (ALL, request("GET", "/Observation?patient=1&_sort=patient.name"), BEYOND),
    (ALL, request("GET", "/Observation?patient=1&unheard-of=x"), "does not say that it can search"),
    (ALL, request("GET", "/Observation?patient=1&_method=DELETE"), "neither a method nor a token"),
    (ALL, request("GET", "/Observation?patient=1&access_token=x"), "neither a method nor a token"),
    (ALL, request("GET", "/Observation?patient=1&a[]=x"), "is no search parameter"),
    (ALL, request("GET", "/Patient?_id=1"), ""),
    (ALL, request("GET", "/Patient?_id=1,2"), ANOTHER),
    (ALL, request("GET", "/Patient?identifier=x"), "must name the patient: _id=<id>"),
    (ALL, request("GET", "/Patient?link=Patient/1"), "must name the patient"),
    (ALL, request("GET", "/Practitioner?name=x"), "not part of a patient's record"),
    (ALL, request("GET", "?_type=Observation&patient=1"), "a search of all types"),
    ("patient/Observation.r", request("GET", "/Observation?patient=1"), "no granted scope"),
    ("user/Observation.s", request("GET", "/Observation?code=x"), ""),
    ("user/*.rs", request("GET", "?_id=1"), ""),
    # constraints of scopes
    (LAB, request("GET", "/Observation?patient=1&category=laboratory"), ""),
    (LAB, request("GET", "/Observation?patient=1"), "must be limited as the scope is, by category"),
    (LAB, request("GET", "/Observation?patient=1&category=vital-signs"), "must be limited"),
    (LAB, request("GET", "/Observation?patient=1&category=laboratory,vital-signs"), "must be limited"),
    (LAB, request("GET", "/Observation?patient=1&category=laboratory,"), "must be limited"),
    (LAB, request("GET", "/Observation?patient=1&category:not=vital-signs"), "must be limited"),
    (LAB, request("GET", "/Observation?patient=2&category=laboratory"), ANOTHER),
    (
        f"{LAB} patient/Observation.rs?category=vital-signs",
        request("GET", "/Observation?patient=1&category=laboratory,vital-signs"),
        "",
    ),
    ("user/Observation.s?category=laboratory", request("GET", "/Observation?category=laboratory"), ""),
    ("user/Observation.s?category=laboratory", request("GET", "/Observation"), "must be limited"),
    (
        "user/Observation.s?category=laboratory patient/Observation.r",
        request("GET", "/Observation?patient=1"),
        "limited",
    ),
    # includes
    (ALL, request("GET", "/Observation?patient=1&_include=Observation:patient"), ""),
    (ALL, request("GET", "/Observation?patient=1&_include=Observation:subject:Patient"), ""),
    (ALL, request("GET", "/Observation?patient=1&_include=Observation:subject:Group"), "_include may bring"),
    (ALL, request("GET", "/Observation?patient=1&_include=Observation:performer"), "_include may bring"),
    (ALL, request("GET", "/Observation?patient=1&_include=*"), "_include may bring"),
    (ALL, request("GET", "/Observation?patient=1&_include:iterate=Observation:patient"), "_include may bring"),
    (ALL, request("GET", "/Appointment?patient=1&_include=Appointment:patient"), "_include may bring"),
    (ALL, request("GET", "/Patient/1/Encounter?_include=Encounter:patient"), "_include may bring"),
    (
        "patient/Observation.rs",
        request("GET", "/Observation?patient=1&_include=Observation:patient"),
        "_include may bring",
    ),
    (ALL, request("GET", "/Patient?_id=1&_revinclude=Observation:patient"), ""),
    (ALL, request("GET", "/Patient?_id=1&_revinclude=Observation:performer"), "_revinclude may bring"),
    (ALL, request("GET", "/Patient?_id=1&_revinclude=*"), "_revinclude may bring"),
    (ALL, request("GET", "/Patient?_id=1&_revinclude=Patient:link"), "_revinclude may bring"),
    (ALL, request("GET", "/Observation?patient=1&_revinclude=Provenance:target"), "_revinclude may bring"),
    (
        f"patient/Patient.rs {LAB}",
        request("GET", "/Patient?_id=1&_revinclude=Observation:patient"),
        "_revinclude may bring",
    ),
    ("user/Observation.rs", request("GET", "/Observation?_include=Observation:subject"), "looks into all types"),
    (
        "user/Observation.rs user/Patient.rs",
        request("GET", "/Observation?_include=Observation:subject:Patient"),
        "",
    ),
    ("user/Observation.rs", request("GET", "/Observation?_revinclude=Provenance:target"), "looks into Provenance"),
    ("user/Observation.rs", request("GET", "/Observation?subject:Patient.name=x"), "looks into Patient"),
    ("user/Observation.rs", request("GET", "/Observation?subject.name=x"), "looks into all types"),
    ("user/Patient.rs", request("GET", "/Patient?_has:Observation:patient:code=x"), "looks into Observation"),
    (
        "user/Patient.rs",
        request("GET", "/Patient?_has:Observation:patient:_has:AuditEvent:entity:agent=x"),
        "looks into",
    ),
    ("user/*.rs", request("GET", "/Patient?_has:Observation:patient:code=x&_filter=x&_include:iterate=*"), ""),
    ("user/*.rs", request("GET", "/Patient?_query=all"), "can't be decided about"),
    # compartments and operations
    (ALL, request("GET", "/Patient/1/Encounter?date=2020"), ""),
    (ALL, request("GET", "/Patient/2/Encounter?patient=1"), ANOTHER),
    (ALL, request("GET", "/Patient/1/Observation"), "must name the patient"),
    (ALL, request("GET", "/Patient/1/Observation?patient=1"), ""),
    (ALL, request("GET", "/Patient/1/*"), PLAIN),
    (ALL, request("GET", "/Patient/1/$everything"), "this operation is for who"),
    ("user/*.rs", request("GET", "/Patient/1/$everything?_since=2020"), ""),
    ("user/*.s", request("GET", "/Patient/1/$everything"), "no granted scope"),
    ("user/Patient.rs user/Observation.rs", request("GET", "/Patient/1/$everything"), "this operation is for who"),
    ("system/*.rs", request("GET", "/$export"), ""),
    ("system/*.rs", request("GET", "/Group/g/$export?_typeFilter=Patient%3Fx%3D1&_since=2020"), ""),
    ("system/Patient.rs system/Group.rs", request("GET", "/Group/g/$export?_type=Patient"), ""),
    (
        "system/Patient.rs system/Group.rs",
        request("GET", "/Group/g/$export?_type=Patient,Observation"),
        "this operation",
    ),
    ("system/Patient.rs", request("GET", "/Patient/$export?_type=Patient&_typeFilter=x"), "this operation"),
    ("user/*.rs", request("GET", "/$export"), "this operation is for who"),
    ("system/*.cruds", request("GET", "/ValueSet/$expand?url=x"), "not one that can be decided about"),
    ("system/*.cruds", request("POST", "/$graphql", {}), "not one that can be decided about"),
    ("system/*.cruds", request("GET", "/Patient/$everything"), "not one that can be decided about"),
    # create
    (ALL, request("POST", "/Observation", MINE), ""),
    (ALL, request("POST", "/Observation", THEIRS), OUTSIDE),
    (ALL, request("POST", "/Observation", {"resourceType": "Observation"}), OUTSIDE),
    (ALL, request("POST", "/Observation", {**MINE, "resourceType": "Condition"}), "of the type and id in the address"),
    (
        ALL,
        request("POST", "/Observation", {**MINE, "subject": {"reference": "Patient?identifier=x"}}),
        "by type and id",
    ),
    (ALL, request("POST", "/Observation", {**MINE, "performer": [{"reference": "urn:uuid:1"}]}), "by type and id"),
    (ALL, request("POST", "/Observation"), UNSHOWN),
    (ALL, request("POST", "/Observation", MINE, x_original_content_length="9"), UNSHOWN),
    (ALL, request("POST", "/Observation", MINE, x_envoy_auth_partial_body="true"), UNSHOWN),
    (ALL, request("POST", "/Observation", MINE, content_encoding="gzip"), UNSHOWN),
    (ALL, request("POST", "/Observation", MINE, content_type="application/fhir+xml"), "only a body of"),
    (ALL, request("POST", "/Observation", MINE, content_type="application/json; charset=utf-7"), "only a body of"),
    (ALL, request("POST", "/Observation", b'{"subject":1,"subject":2}'), "can not be read"),
    (ALL, request("POST", "/Patient", {"resourceType": "Patient", "id": "1"}), "another patient than the one"),
    (LAB, request("POST", "/Observation", MINE), ""),
    (LAB, request("POST", "/Observation", VITALS), OUTSIDE),
    ("patient/Observation.rs", request("POST", "/Observation", MINE), "no granted scope"),
    ("user/*.cruds", request("POST", "/Observation"), ""),
    (ALL, request("POST", "/Observation", MINE, if_none_exist="patient=1&code=x"), ""),
    (ALL, request("POST", "/Observation", MINE, if_none_exist="identifier=x"), "must name the patient"),
    (ALL, request("POST", "/Observation", MINE, if_none_exist=""), "must name the patient"),
    ("patient/Observation.c", request("POST", "/Observation", MINE, if_none_exist="patient=1"), "no granted scope"),
    # search by POST
    (ALL, request("POST", "/Observation/_search", b"patient=1&code=x", content_type=FORM), ""),
    (ALL, request("POST", "/Observation/_search?patient=1", b"code=x", content_type=FORM), ""),
    (ALL, request("POST", "/Observation/_search?patient=1", b"patient=2", content_type=FORM), ANOTHER),
    (ALL, request("POST", "/Observation/_search?patient=1"), UNSHOWN),
    (ALL, request("POST", "/Observation/_search", b"patient=1"), "the body of a search is"),
    (ALL, request("POST", "/Observation/_search", b"patient=1&_method=PUT", content_type=FORM), "neither a method"),
    (ALL, request("GET", "/Observation/_search?patient=1"), "not one that can be decided about"),
    ("user/*.rs", request("POST", "/Observation/_search"), UNSHOWN),
    # update, patch, delete
    (ALL, request("PUT", "/Observation/o1", MINE), ""),
    (ALL, request("PUT", "/Observation/o1", {**THEIRS, "id": "o1"}), OUTSIDE),
    (ALL, request("PUT", "/Observation/o2", {**MINE, "id": "o2"}), OUTSIDE),
    (ALL, request("PUT", "/Observation/o1", {**MINE, "id": "o2"}), "of the type and id in the address"),
    (ALL, request("PUT", "/Observation/new", {**MINE, "id": "new"}), ""),
    (ALL, request("PUT", "/Observation/new", {**THEIRS, "id": "new"}), OUTSIDE),
    (ALL, request("PUT", "/Observation/o1"), UNSHOWN),
    (ALL, request("PUT", "/Patient/1", {"resourceType": "Patient", "id": "1"}), ""),
    (ALL, request("PUT", "/Patient/3", {"resourceType": "Patient", "id": "3"}), OUTSIDE),
    (ALL, request("PUT", "/Observation?patient=1&code=x", {**MINE, "id": "o1"}), "of the type and id in the address"),
    (ALL, request("PUT", "/Observation?patient=1&code=x", {n: v for n, v in MINE.items() if n != "id"}), ""),
    (ALL, request("PUT", "/Observation?code=x", MINE), "must name the patient"),
    (LAB, request("PUT", "/Observation/o1", observation("o1", "1", "vital-signs")), OUTSIDE),
    (LAB, request("PUT", "/Observation/v1", observation("v1", "1")), OUTSIDE),
    ("patient/Observation.c", request("PUT", "/Observation/o1", MINE), "no granted scope"),
    ("user/*.cruds", request("PUT", "/Observation/o2"), ""),
    (
        ALL,
        request("PATCH", "/Observation/o1", [{"op": "add", "path": "/note", "value": []}], content_type=JSON_PATCH),
        "",
    ),
    (ALL, request("PATCH", "/Observation/o2", [{"op": "add", "path": "/note"}], content_type=JSON_PATCH), OUTSIDE),
    (
        ALL,
        request("PATCH", "/Observation/o1", [{"op": "add", "path": "/subject/reference"}], content_type=JSON_PATCH),
        "whose the resource is",
    ),
    (
        ALL,
        request("PATCH", "/Observation/o1", [{"op": "add", "path": ""}], content_type=JSON_PATCH),
        "whose the resource",
    ),
    (ALL, request("PATCH", "/Observation/o1", [{"op": "add"}], content_type=JSON_PATCH), "whose the resource"),
    (
        ALL,
        request(
            "PATCH", "/Observation/o1", [{"op": "move", "from": "/subject", "path": "/x"}], content_type=JSON_PATCH
        ),
        "whose the resource is",
    ),
    (ALL, request("PATCH", "/Observation/o1", {"resourceType": "Parameters"}), "only a body of application/json-patch"),
    (
        LAB,
        request("PATCH", "/Observation/o1", [{"op": "add", "path": "/x"}], content_type=JSON_PATCH),
        "limits of a scope",
    ),
    (ALL, request("DELETE", "/Observation/o1"), ""),
    (ALL, request("DELETE", "/Observation/o2"), OUTSIDE),
    (ALL, request("DELETE", "/Observation?patient=1&status=final"), ""),
    (ALL, request("DELETE", "/Observation?status=final"), "must name the patient"),
    (ALL, request("DELETE", "/Observation"), "must name the patient"),
    (LAB, request("DELETE", "/Observation/v1"), OUTSIDE),
    (LAB, request("DELETE", "/Observation?patient=1"), "must be limited"),
    ("patient/Observation.cru", request("DELETE", "/Observation/o1"), "no granted scope"),
    # batch and transaction
    (ALL, request("POST", "", batch(entry("GET", "Observation?patient=1"), entry("POST", "Observation", MINE))), ""),
    (ALL, request("POST", "/", batch(entry("GET", "Patient/1"), kind="transaction")), ""),
    (ALL, request("POST", "", batch(entry("GET", "Patient/1"), entry("GET", "Patient/2"))), OUTSIDE),
    (ALL, request("POST", "", batch(entry("POST", "Observation", THEIRS))), OUTSIDE),
    (
        ALL,
        request("POST", "", batch(entry("POST", "Observation", MINE, ifNoneExist="code=x"))),
        "must name the patient",
    ),
    (ALL, request("POST", "", batch(entry("GET", "/Patient/1"))), PLAIN),
    (ALL, request("POST", "", batch(entry("GET", f"{BASE}/Patient/1"))), PLAIN),
    (ALL, request("POST", "", batch(entry("GET", "Patient/2/../1"))), PLAIN),
    (ALL, request("POST", "", batch(entry("OPTIONS", "Patient/1"))), "not one that can be decided"),
    (
        ALL,
        request("POST", "", batch(entry("POST", "", batch(entry("GET", "Patient/2"))))),
        "not one that can be decided",
    ),
    (ALL, request("POST", "", batch(*[entry("GET", "Observation/o1")] * 21)), "asked too often"),
    (ALL, request("POST", "", batch(*[entry("GET", "Patient/1")] * 101)), "1 to 100 entries"),
    (ALL, request("POST", "", batch()), "1 to 100 entries"),
    (ALL, request("POST", "", batch({"resource": MINE})), "must have a request"),
    (ALL, request("POST", "", batch(entry("GET", "Patient/1"), kind="history")), "batch or a transaction"),
    (ALL, request("POST", "", MINE), "the body must be a Bundle"),
    (ALL, request("POST", ""), UNSHOWN),
    ("system/*.cruds", request("POST", ""), UNSHOWN),
    ("patient/Patient.r", request("POST", "", batch(entry("GET", "Observation?patient=1"))), "no granted scope"),
    # discovery, and tricks with the address
    ("", request("GET", "/metadata"), ""),
    ("", request("GET", "/.well-known/smart-configuration"), ""),
    ("", request("OPTIONS", "/Patient/2"), ""),
    (ALL, request("GET", "/metadata/../Patient/2"), PLAIN),
    (ALL, request("GET", "//Patient/1"), PLAIN),
    (ALL, request("GET", "/Patient/1/"), PLAIN),
    (ALL, request("GET", "/Patient/1/../2"), PLAIN),
    (ALL, request("GET", "/Patient/./1"), PLAIN),
    (ALL, request("GET", "/Patient/%32"), PLAIN),
    (ALL, request("GET", "/Patient/1%2F..%2F2"), PLAIN),
    (ALL, request("GET", "/Patient/1%00"), PLAIN),
    (ALL, request("GET", "/Patient/1;x=2"), PLAIN),
    (ALL, request("GET", "/Patient/1%252e"), PLAIN),
    (ALL, request("GET", "/Patient\\1"), PLAIN),
    (ALL, request("GET", "/Patient/1#?_id=2"), PLAIN),
    (ALL, request("GET", "/Patient?_id=1#&_id=2"), "percent-encoded"),
    (ALL, request("GET", "/patient/1"), "not one that can be decided about"),
    (ALL, request("GET", "/Observation/o1/note"), "not one that can be decided about"),
    (ALL, FhirRequest("GET", "https://fhir.example/r4/Patient/1"), "not below the base"),
    (ALL, FhirRequest("GET", "/other/Patient/1"), "not below the base"),
    (ALL, FhirRequest("GET", "/r4x/Patient/1"), "not below the base"),
    (ALL, FhirRequest("GET", "/r4/Patient/" + "1" * 8000), "too long"),
    (ALL, request("TRACE", "/Patient/1"), "not one that can be decided about"),
    (ALL, request("get", "/Patient/1"), "not one that can be decided about"),
    (ALL, request("POST", "/Patient/1", {}), "not one that can be decided about"),
    (ALL, request("GET", "/Patient/1", x_http_method_override="DELETE"), "another method"),
    (ALL, request("POST", "/Observation/_search", b"patient=1", x_http_method="PUT"), "another method"),
    (ALL, request("GET", "/Patient/1", b"x"), "has no body"),
    (ALL, request("GET", "/Patient/1", content_length="3"), "has no body"),
    ("", request("GET", "/Patient/1"), "no granted scope"),
    ("launch openid offline_access", request("GET", "/Patient/1"), "no granted scope"),
]


def identity(row: object) -> str | None:
    return f"{row.method} {row.target[:70]}" if isinstance(row, FhirRequest) else None


@pytest.mark.parametrize(("scope", "asked", "why"), ROWS, ids=identity)
def test_a_request_is_allowed_only_within_patient_type_letters_and_constraints(
    scope: str, asked: FhirRequest, why: str
) -> None:
    """SCP-02, SCP-03, SCP-04, SCP-05, SCP-06, SCP-07, SCP-13, SCP-15, PROC-05, RS-03, OID-14, AMB-10, REQ-103."""
    records = Memory(versions={"Observation/o1/1": MINE, "Observation/o1/2": THEIRS})
    decision = decide(token(scope), asked, SERVER, records)
    assert why in decision.why if why else decision.why == "", decision.why
    assert decision.is_allowed is (why == "")


def test_the_scope_that_would_have_been_needed_is_told() -> None:
    """REQ-93: ``insufficient_scope`` names it (RFC 6750 §3)."""
    asked = request("POST", "/Observation", MINE, if_none_exist="patient=1")
    assert decide(token("patient/Patient.r"), asked, SERVER, Memory()).scope == "patient/Observation.cs"
    assert decide(token("", patient=None), asked, SERVER, Memory()).scope == "user/Observation.cs"
    assert decide(token("", patient=None, user=None), asked, SERVER, Memory()).scope == "system/Observation.cs"


def test_user_scopes_of_patients_and_representatives_reach_their_own_records_only() -> None:
    """SCP-01, REQ-109: a scope never enlarges what the user may do."""
    parent = token("user/*.cruds", patient=None, user="RelatedPerson/rel", reach=Reach(frozenset({"1", "3"})))
    for asked, allowed in (
        (request("GET", "/Observation/o1"), True),
        (request("GET", "/Observation/o2"), False),
        (request("GET", "/Observation?patient=1,3"), True),
        (request("GET", "/Observation?patient=1,2"), False),
        (request("GET", "/Practitioner/dr"), False),
        (request("GET", "/Patient/1/$everything"), False),
        (request("POST", "/Observation", observation("n", "3")), True),
    ):
        assert decide(parent, asked, SERVER, Memory()).is_allowed is allowed, asked
    stranger = replace(parent, user_reach=Reach())
    assert not decide(stranger, request("GET", "/Observation?patient=1"), SERVER, Memory()).is_allowed


def test_a_patient_scope_without_a_patient_in_the_token_reaches_nobody() -> None:
    """CTX-10: without a patient in context there is nothing a patient scope could be about."""
    orphan = token("patient/*.cruds", patient=None)
    assert "nobody in context" in decide(orphan, request("GET", "/Observation/o1"), SERVER, Memory()).why


def test_a_parameter_that_the_fhir_server_does_not_know_limits_nothing() -> None:
    """FHIR lets a server ignore unknown parameters: ``Observation?patient=1`` would then return everybody's."""
    for name in ("patient", "category"):
        deaf = Memory(deaf_to=frozenset({name}))
        asked = request("GET", "/Observation?patient=1&category=laboratory")
        assert not decide(token(LAB), asked, SERVER, deaf).is_allowed


def test_a_search_is_decided_without_asking_the_fhir_server() -> None:
    records = Memory()
    assert decide(token(LAB), request("GET", "/Observation?patient=1&category=laboratory"), SERVER, records).is_allowed
    assert decide(token(ALL), request("GET", "/Patient/1"), SERVER, records).is_allowed
    assert records.asked == []


def test_a_fhir_server_that_can_not_be_asked_is_no_yes() -> None:
    class Silent(Memory):
        def holds(self, _question: object) -> bool:
            raise Unavailable("no answer")

    with pytest.raises(Unavailable):
        decide(token(ALL), request("GET", "/Observation/o1"), SERVER, Silent())


@pytest.mark.parametrize("target", ["/metadata", "/metadata?mode=full", "/.well-known/smart-configuration.json"])
def test_discovery_is_open_to_everybody(target: str) -> None:
    """RS-04, SMART DISC-01."""
    assert is_open(request("GET", target), SERVER)
    assert not is_open(request("POST", target, {}), SERVER)
    assert not is_open(request("GET", f"{target}/x".replace("?mode=full", "")), SERVER)
