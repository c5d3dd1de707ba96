"""The demo's FHIR server, seen from outside with an authorization server that says what the test needs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from demo.authorization_server import Refused
from demo.config import FHIR_CREDENTIAL, DemoConfig
from demo.fhir_server import create_fhir_server
from demo.hospital import Journal, hospital_records
from tests.demo.conftest import NOW, TalkingServer

if TYPE_CHECKING:
    from flask.testing import FlaskClient
    from werkzeug.test import TestResponse

REALM = 'Bearer realm="Lakeside General FHIR"'


@pytest.fixture
def fhir(config: DemoConfig, server: TalkingServer) -> FlaskClient:
    return create_fhir_server(config, server, FHIR_CREDENTIAL, lambda: NOW).test_client()  # type: ignore[arg-type]  # a fake


@pytest.fixture
def child(server: TalkingServer) -> dict[str, str]:
    """The header of an app that looks after Patient/child-1."""
    return server.knows("child-token", "patient/*.rs patient/Observation.cud", patient="child-1")


@pytest.fixture
def clinician(server: TalkingServer, config: DemoConfig) -> dict[str, str]:
    return server.knows("staff-token", "user/*.cruds", fhirUser=f"{config.fhir}/Practitioner/prac-1")


def weight(patient: str = "child-1", value: float = 11.9) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "status": "final",
        "category": [{"coding": [{"code": "vital-signs"}]}],
        "code": {"coding": [{"system": "http://loinc.org", "code": "29463-7"}]},
        "subject": {"reference": f"Patient/{patient}"},
        "effectiveDateTime": "2026-03-02T09:30:00Z",
        "valueQuantity": {"value": value, "unit": "kg"},
    }


def entries(answer: TestResponse) -> list[dict[str, Any]]:
    assert answer.status_code == 200, answer.text
    return [entry["resource"] for entry in answer.json.get("entry", [])]  # type: ignore[union-attr]  # it is JSON


def issue(answer: TestResponse) -> tuple[int, str]:
    """Status and issue code of a refusal; it must be an OperationOutcome in FHIR's media type."""
    assert answer.mimetype == "application/fhir+json"
    outcome = answer.json
    assert outcome is not None
    assert outcome["resourceType"] == "OperationOutcome"
    return answer.status_code, outcome["issue"][0]["code"]


# --- who gets in -----------------------------------------------------------------------------------------------------


def test_without_a_token_the_challenge_carries_no_error(fhir: FlaskClient) -> None:
    """RFC 6750 §3.1; requirements row 93; REQ-93, REQ-D15."""
    answer = fhir.get("/fhir/Patient/pat-1")
    assert issue(answer) == (401, "login")
    assert answer.headers["WWW-Authenticate"] == REALM


@pytest.mark.parametrize("path", ["/fhir", "/fhir/Nonsense", "/fhir/Patient/pat-1/deeper/still", "/elsewhere"])
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
def test_no_address_answers_anything_without_a_token(fhir: FlaskClient, method: str, path: str) -> None:
    assert fhir.open(path, method=method).status_code == 401


@pytest.mark.parametrize("header", ["Bearer", "Bearer ", "Bearer a b", "Bearer <x>", "bearerabc"])
def test_a_header_that_is_no_bearer_token_is_an_invalid_token(fhir: FlaskClient, header: str) -> None:
    answer = fhir.get("/fhir/Patient/pat-1", headers={"Authorization": header})
    assert answer.status_code == 401
    assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]


@pytest.mark.parametrize(
    "members",
    [
        {"active": False},
        {"active": "true"},
        {"exp": int(NOW.timestamp())},
        {"exp": None},
        {"aud": "http://127.0.0.1:9003/fhir2"},
        {"aud": []},
        {"aud": None},
    ],
)
def test_a_token_that_is_dead_or_made_for_another_server_is_refused(
    fhir: FlaskClient, server: TalkingServer, members: dict[str, Any]
) -> None:
    """SMART 2.2 RS-01, RS-02: active, not expired, and its ``aud`` is this server."""
    answer = fhir.get("/fhir/Patient/pat-1", headers=server.knows("t", "patient/*.rs", patient="pat-1", **members))
    assert issue(answer) == (401, "login")
    assert answer.headers["WWW-Authenticate"].startswith(f'{REALM}, error="invalid_token"')


def test_the_audience_may_be_one_of_a_list(fhir: FlaskClient, server: TalkingServer, config: DemoConfig) -> None:
    header = server.knows("t", "patient/*.rs", patient="pat-1", aud=["https://elsewhere.example", config.fhir])
    assert fhir.get("/fhir/Patient/pat-1", headers=header).status_code == 200


def test_the_authorization_server_is_asked_each_time_so_that_a_revocation_bites_at_once(
    fhir: FlaskClient, server: TalkingServer, child: dict[str, str]
) -> None:
    assert fhir.get("/fhir/Patient/child-1", headers=child).status_code == 200
    server.tokens.clear()
    assert fhir.get("/fhir/Patient/child-1", headers=child).status_code == 401
    assert server.calls == [("introspect", ("child-token", "demo-fhir"))] * 2


@pytest.mark.parametrize("trouble", [None, Refused(401, "invalid_client", "wrong secret")])
def test_when_the_authorization_server_is_away_nobody_is_told_that_the_token_is_bad(
    fhir: FlaskClient, server: TalkingServer, child: dict[str, str], trouble: Refused | None
) -> None:
    server.broken, server.refuses = trouble is None, trouble
    answer = fhir.get("/fhir/Patient/child-1", headers=child)
    assert issue(answer) == (503, "transient")
    assert answer.headers["Retry-After"] == "2"
    assert "WWW-Authenticate" not in answer.headers


# --- what they get ---------------------------------------------------------------------------------------------------


def test_a_read_answers_the_resource_with_its_version(fhir: FlaskClient, child: dict[str, str]) -> None:
    answer = fhir.get("/fhir/Patient/child-1", headers=child)
    assert answer.mimetype == "application/fhir+json"
    assert answer.headers["ETag"] == 'W/"1"'
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.json is not None
    assert answer.json["meta"] == {"versionId": "1", "lastUpdated": "2026-03-02T10:00:00.000Z"}
    assert answer.json["name"][0] == {"use": "official", "family": "Brandt", "given": ["Ella"]}


def test_another_patients_resource_is_refused_with_the_scope_that_is_needed(
    fhir: FlaskClient, child: dict[str, str]
) -> None:
    """RFC 6750 §3.1; requirements row 93; REQ-93, REQ-D15."""
    answer = fhir.get("/fhir/Patient/pat-2", headers=child)
    assert issue(answer) == (403, "forbidden")
    assert answer.headers["WWW-Authenticate"] == (
        f'{REALM}, error="insufficient_scope", '
        'error_description="this Patient is outside what the token gives access to", scope="patient/Patient.r"'
    )


def test_what_is_not_there_is_not_found(fhir: FlaskClient, child: dict[str, str]) -> None:
    assert issue(fhir.get("/fhir/Observation/none", headers=child)) == (404, "not-found")
    assert issue(fhir.get("/fhir/Spaceship/1", headers=child)) == (404, "not-supported")


def test_a_search_answers_a_searchset_with_total_and_links(
    fhir: FlaskClient, child: dict[str, str], config: DemoConfig
) -> None:
    query = "patient=child-1&code=http%3A%2F%2Floinc.org%7C29463-7&_sort=-date&_count=2"
    answer = fhir.get(f"/fhir/Observation?{query}", headers=child)
    found = entries(answer)
    bundle = answer.json
    assert bundle is not None
    assert {name: bundle[name] for name in bundle if name != "entry"} == {
        "resourceType": "Bundle",
        "type": "searchset",
        "total": 9,
        "link": [
            {"relation": "self", "url": f"{config.fhir}/Observation?{query}"},
            {"relation": "next", "url": f"{config.fhir}/Observation?{query}&_offset=2"},
        ],
    }
    assert [o["effectiveDateTime"] for o in found] == sorted((o["effectiveDateTime"] for o in found), reverse=True)
    assert bundle["entry"][0]["fullUrl"] == f"{config.fhir}/Observation/{found[0]['id']}"


def test_all_pages_together_are_the_whole_result(fhir: FlaskClient, child: dict[str, str]) -> None:
    whole = [r["id"] for r in entries(fhir.get("/fhir/Observation?_count=500", headers=child))]
    seen: list[str] = []
    url: str | None = "/fhir/Observation?_count=7"
    while url:
        answer = fhir.get(url, headers=child)
        seen += [r["id"] for r in entries(answer)]
        assert answer.json is not None
        url = next((link["url"] for link in answer.json["link"] if link["relation"] == "next"), None)
    assert seen == whole


def test_a_search_without_a_patient_sees_the_tokens_patient_only(fhir: FlaskClient, child: dict[str, str]) -> None:
    subjects = {r["subject"]["reference"] for r in entries(fhir.get("/fhir/Observation", headers=child))}
    assert subjects == {"Patient/child-1"}
    assert [p["id"] for p in entries(fhir.get("/fhir/Patient", headers=child))] == ["child-1"]


@pytest.mark.parametrize(
    "query",
    [
        "Observation?patient=pat-2",
        "Observation?patient=Patient/pat-2",
        "Observation?subject=http://127.0.0.1:9003/fhir/Patient/pat-2",
        "Observation?patient=child-1,pat-2",
        "Observation?patient=child-1&patient=pat-2",
        "Patient?_id=pat-2",
    ],
)
def test_a_search_for_another_patient_is_refused(fhir: FlaskClient, child: dict[str, str], query: str) -> None:
    assert issue(fhir.get(f"/fhir/{query}", headers=child)) == (403, "forbidden")


@pytest.mark.parametrize(
    "query",
    [
        "Observation?_include=Observation:subject",
        "Patient?_revinclude=Observation:subject",
        "Patient?_has:Observation:patient:code=1",
        "Observation?patient.name=Brandt",
        "Observation?code:in=http://vs.example",
        "Observation?colour=blue",
        "Observation?code=",
        "Observation?date=yesterday",
        "Observation?_count=many",
        "Observation?_sort=code",
        "Observation?_elements=id",
    ],
)
def test_a_search_that_is_not_wholly_understood_is_refused(
    fhir: FlaskClient, child: dict[str, str], query: str
) -> None:
    """Never ignored: a filter that is dropped would show more than was asked for."""
    assert fhir.get(f"/fhir/{query}", headers=child).status_code == 400


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("Patient?name=brandt", 2),
        ("Patient?name=ell", 1),
        ("Patient?name=randt", 0),
        ("Patient?identifier=http://lakeside.example/mrn|LG-40127", 1),
        ("Patient?identifier=LG-40127,LG-40740", 2),
        ("Patient?gender=female&name=brandt", 1),
        ("Patient?birthdate=le2026-03-02&birthdate=ge2019-01-01", 3),
        ("Patient?_id=pat-3", 1),
        ("Condition?code=195967001&clinical-status=active", 2),
        ("Observation?category=laboratory&patient=pat-2", 6),
        ("Observation?category=http://elsewhere.example|laboratory&patient=pat-2", 0),
        ("Encounter?status=in-progress&patient=pat-8", 1),
        ("Encounter?date=2026-03-02&patient=pat-8", 0),
        ("Encounter?date=ge2026-03-02&patient=pat-8", 1),
        ("Practitioner?name=marsh", 1),
    ],
)
def test_searches_find_what_they_ask_for(fhir: FlaskClient, clinician: dict[str, str], query: str, count: int) -> None:
    assert len(entries(fhir.get(f"/fhir/{query}", headers=clinician))) == count


def test_a_search_may_be_posted(fhir: FlaskClient, clinician: dict[str, str]) -> None:
    answer = fhir.post("/fhir/Patient/_search", headers=clinician, data={"name": "Brandt", "gender": "male"})
    assert [p["id"] for p in entries(answer)] == ["child-2"]


def test_a_granular_scope_hides_the_other_categories(fhir: FlaskClient, server: TalkingServer) -> None:
    scope = "patient/Observation.rs?category=http://terminology.hl7.org/CodeSystem/observation-category|laboratory"
    header = server.knows("t", scope, patient="child-1")
    found = entries(fhir.get("/fhir/Observation", headers=header))
    assert [o["category"][0]["coding"][0]["code"] for o in found] == ["laboratory"]
    assert fhir.get("/fhir/Observation/child-1-weight-0", headers=header).status_code == 403


def test_a_parent_sees_both_children_by_user_scope(
    fhir: FlaskClient, server: TalkingServer, config: DemoConfig
) -> None:
    """A RelatedPerson is tied to one patient; the Person resource joins the two ties of one mother."""
    header = server.knows("t", "user/Patient.rs", fhirUser=f"{config.fhir}/RelatedPerson/rel-1")
    assert [p["id"] for p in entries(fhir.get("/fhir/Patient", headers=header))] == ["child-1", "child-2"]
    assert fhir.get("/fhir/Patient/pat-1", headers=header).status_code == 403


@pytest.mark.parametrize(
    "user", ["Practitioner/nobody", "http://elsewhere.example/Practitioner/prac-1", "Device/d1", "x"]
)
def test_a_user_the_hospital_does_not_know_sees_nothing(fhir: FlaskClient, server: TalkingServer, user: str) -> None:
    header = server.knows("t", "user/*.rs", fhirUser=user)
    assert entries(fhir.get("/fhir/Patient", headers=header)) == []


def test_scope_fhir_user_reads_who_the_user_is(fhir: FlaskClient, server: TalkingServer, config: DemoConfig) -> None:
    header = server.knows("t", "openid fhirUser", fhirUser=f"{config.fhir}/Practitioner/prac-1")
    answer = fhir.get("/fhir/Practitioner/prac-1", headers=header)
    assert answer.status_code == 200
    assert fhir.get("/fhir/Practitioner/prac-2", headers=header).status_code == 403
    assert fhir.get("/fhir/Practitioner", headers=header).status_code == 403


# --- what they change ------------------------------------------------------------------------------------------------


def test_a_created_resource_is_stored_under_a_new_id(
    fhir: FlaskClient, child: dict[str, str], config: DemoConfig
) -> None:
    answer = fhir.post("/fhir/Observation", headers=child, json=weight() | {"id": "mine", "meta": {"versionId": "9"}})
    assert answer.status_code == 201
    created = answer.json
    assert created is not None
    assert created["id"] != "mine"
    assert answer.headers["Location"] == f"{config.fhir}/Observation/{created['id']}"
    meta = {"versionId": "1", "lastUpdated": "2026-03-02T10:00:00.000Z"}
    assert created == weight() | {"id": created["id"], "meta": meta}
    assert fhir.get(f"/fhir/Observation/{created['id']}", headers=child).json == created


def test_a_whole_reference_to_our_own_patient_counts_as_the_short_one(
    fhir: FlaskClient, child: dict[str, str], config: DemoConfig
) -> None:
    body = weight() | {"subject": {"reference": f"{config.fhir}/Patient/child-1"}}
    answer = fhir.post("/fhir/Observation", headers=child, json=body)
    assert answer.status_code == 201
    assert answer.json is not None
    assert answer.json["subject"] == {"reference": "Patient/child-1"}


def test_the_ehr_sees_in_the_journal_what_an_app_wrote(
    fhir: FlaskClient, child: dict[str, str], config: DemoConfig
) -> None:
    created = fhir.post("/fhir/Observation", headers=child, json=weight()).json
    fhir.delete("/fhir/Observation/child-1-weight-0", headers=child)
    assert created is not None
    records = Journal(config.state_dir / "journal.jsonl").over(hospital_records(NOW.date()))
    assert records["Observation", created["id"]] == created
    assert ("Observation", "child-1-weight-0") not in records


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (weight("child-2"), 403),
        (weight() | {"subject": {"reference": "http://elsewhere.example/Patient/child-1"}}, 403),
        (weight() | {"subject": {"identifier": {"value": "LG-1"}}}, 403),
        (weight() | {"resourceType": "Condition"}, 400),
        ({k: v for k, v in weight().items() if k != "subject"}, 422),
        (["Observation"], 400),
    ],
)
def test_a_create_must_be_about_the_tokens_patient(
    fhir: FlaskClient, child: dict[str, str], body: Any, status: int
) -> None:
    assert fhir.post("/fhir/Observation", headers=child, json=body).status_code == status


@pytest.mark.parametrize(
    "text", ["{", "NaN", '{"resourceType": "Observation", "note": "\\ud800"}', "[" * 90_000, "1" * 9_000]
)
def test_a_body_that_cannot_be_read_or_sent_back_is_refused(
    fhir: FlaskClient, child: dict[str, str], text: str
) -> None:
    answer = fhir.post("/fhir/Observation", headers=child, data=text, content_type="application/fhir+json")
    assert issue(answer) == (400, "structure")


def test_bodies_have_a_limit_and_a_media_type(fhir: FlaskClient, child: dict[str, str]) -> None:
    big = json.dumps(weight() | {"note": [{"text": "x" * 300_000}]})
    assert issue(fhir.post("/fhir/Observation", headers=child, data=big, content_type="application/json")) == (
        413,
        "too-long",
    )
    assert issue(fhir.post("/fhir/Observation", headers=child, data={"a": "b"})) == (415, "not-supported")


def test_a_letter_that_was_not_granted_is_not_there(fhir: FlaskClient, server: TalkingServer) -> None:
    """SCP-04: write does not imply read, nor the other way round."""
    header = server.knows("t", "patient/Observation.c", patient="child-1")
    created = fhir.post("/fhir/Observation", headers=header, json=weight())
    assert created.status_code == 201
    assert created.json is not None
    path = f"/fhir/Observation/{created.json['id']}"
    assert [
        fhir.open(path, method=m, headers=header, json=created.json).status_code for m in ("GET", "PUT", "DELETE")
    ] == [403] * 3
    assert fhir.get("/fhir/Observation", headers=header).status_code == 403


def test_an_update_needs_the_current_version_if_it_names_one(fhir: FlaskClient, child: dict[str, str]) -> None:
    path = "/fhir/Observation/child-1-weight-0"
    body = weight() | {"id": "child-1-weight-0"}
    first = fhir.put(path, headers=child | {"If-Match": 'W/"1"'}, json=body)
    assert (first.status_code, first.headers["ETag"]) == (200, 'W/"2"')
    assert issue(fhir.put(path, headers=child | {"If-Match": 'W/"1"'}, json=body)) == (412, "conflict")
    assert issue(fhir.delete(path, headers=child | {"If-Match": 'W/"1"'})) == (412, "conflict")


def test_an_update_cannot_take_a_resource_to_or_from_another_patient(fhir: FlaskClient, child: dict[str, str]) -> None:
    away = weight("child-2") | {"id": "child-1-weight-0"}
    assert fhir.put("/fhir/Observation/child-1-weight-0", headers=child, json=away).status_code == 403
    here = weight() | {"id": "child-2-weight-0"}
    assert fhir.put("/fhir/Observation/child-2-weight-0", headers=child, json=here).status_code == 403
    wrong = weight() | {"id": "other"}
    assert issue(fhir.put("/fhir/Observation/child-1-weight-0", headers=child, json=wrong)) == (400, "invalid")


def test_an_update_may_create_and_a_deleted_resource_is_gone(fhir: FlaskClient, child: dict[str, str]) -> None:
    path = "/fhir/Observation/new-one"
    assert fhir.put(path, headers=child, json=weight() | {"id": "new-one"}).status_code == 201
    assert fhir.delete(path, headers=child).status_code == 204
    assert issue(fhir.get(path, headers=child)) == (410, "deleted")
    again = fhir.put(path, headers=child, json=weight() | {"id": "new-one"})
    assert (again.status_code, again.headers["ETag"]) == (201, 'W/"2"')


def test_conditional_create_patch_batch_and_operations_are_not_offered(
    fhir: FlaskClient, clinician: dict[str, str]
) -> None:
    """SCP-05: what has no letter is refused."""
    conditional = clinician | {"If-None-Exist": "identifier=1"}
    assert fhir.post("/fhir/Observation", headers=conditional, json=weight()).status_code == 400
    assert issue(fhir.patch("/fhir/Patient/pat-1", headers=clinician)) == (405, "not-supported")
    assert fhir.post("/fhir", headers=clinician, json={"resourceType": "Bundle"}).status_code == 404
    assert fhir.get("/fhir/Patient/pat-1/$everything", headers=clinician).status_code == 404


def test_nonsense_in_a_person_does_not_break_the_server(
    fhir: FlaskClient, clinician: dict[str, str], server: TalkingServer
) -> None:
    for number, link in enumerate(({"target": 1}, [1, {"target": {"reference": 2}}, {"target": None}], "x")):
        body = {"resourceType": "Person", "id": f"p{number}", "link": link}
        assert fhir.put(f"/fhir/Person/p{number}", headers=clinician, json=body).status_code == 201
    header = server.knows("t", "user/*.rs", fhirUser="RelatedPerson/rel-2")
    assert [p["id"] for p in entries(fhir.get("/fhir/Patient", headers=header))] == ["child-1", "child-2"]


@pytest.mark.parametrize(
    "value", [5, [], [["x"]], {}, {"start": 3}, "2026-13-45", "2026-03-02T10:00:00", "9999-12-31", None]
)
def test_nonsense_in_a_date_matches_no_search_and_breaks_none(
    fhir: FlaskClient, clinician: dict[str, str], value: Any
) -> None:
    body = weight("pat-9") | {"effectiveDateTime": value}
    assert fhir.post("/fhir/Observation", headers=clinician, json=body).status_code == 201
    answer = fhir.get(
        "/fhir/Observation?patient=pat-9&date=le2026-03-02T10:00:00Z&date=ge2026-03-01&_sort=date", headers=clinician
    )
    assert entries(answer) == []


# --- what anyone may read --------------------------------------------------------------------------------------------


def test_discovery_is_the_authorization_servers_document_and_open_to_every_origin(
    fhir: FlaskClient, server: TalkingServer
) -> None:
    """DISC-01, DISC-03, CORS-01, REQ-118."""
    answer = fhir.get(
        "/fhir/.well-known/smart-configuration", headers={"Origin": "https://a.example", "Accept": "text/html"}
    )
    assert answer.data == server.smart_configuration()
    assert answer.mimetype == "application/json"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert answer.headers["Cache-Control"] == "public, max-age=60"
    server.broken = True
    assert fhir.get("/fhir/.well-known/smart-configuration").status_code == 503
    assert fhir.get("/fhir/metadata").status_code == 503


def test_the_capability_statement_says_where_to_ask_for_access(fhir: FlaskClient, config: DemoConfig) -> None:
    """CS-01 to CS-05: the fragment of the authorization server stands on ``rest[0]``, with ``cors``."""
    answer = fhir.get("/fhir/metadata", headers={"Origin": "https://a.example"})
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert answer.mimetype == "application/fhir+json"
    statement = answer.json
    assert statement is not None
    assert (statement["kind"], statement["fhirVersion"]) == ("instance", "4.0.1")
    assert statement["implementation"]["url"] == config.fhir
    assert statement["rest"][0]["security"] == {
        "extension": [{"url": "oauth-uris"}],
        "service": [{"text": "SMART"}],
        "cors": True,
    }


def test_a_browser_app_may_read_answers_and_errors_of_the_api(fhir: FlaskClient, child: dict[str, str]) -> None:
    """CORS-02, CORS-06, requirements row 94: errors carry the header too, else the app sees a blank wall; REQ-94."""
    origin = {"Origin": "http://127.0.0.1:9002"}
    preflight = fhir.options("/fhir/Observation", headers=origin)
    assert preflight.status_code == 204
    assert "Authorization" in preflight.headers["Access-Control-Allow-Headers"]
    for headers in (origin | child, origin):
        answer = fhir.get("/fhir/Patient/child-1", headers=headers)
        assert answer.headers["Access-Control-Allow-Origin"] == origin["Origin"]
        assert "Origin" in answer.headers["Vary"]
        assert "WWW-Authenticate" in answer.headers["Access-Control-Expose-Headers"]
        assert "Access-Control-Allow-Credentials" not in answer.headers
