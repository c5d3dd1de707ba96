"""Two patients in a FHIR server that knows nothing of SMART, behind nginx and /forward-auth: nothing of one reaches
an app that was launched for the other, and nothing outside its scopes reaches the FHIR server.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field, replace
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any

import pytest
import urllib3
from hypothesis import HealthCheck, event, example, given, settings
from hypothesis import strategies as st

from authz.enforcement.fhir_request import FhirRequest
from authz.scopes import RESOURCE_TYPES, ScopeSet
from tests.enforcement.conftest import BASE, MINE, observation
from tests.enforcement.generated import PIECES, near_misses, requests
from tests.enforcement.table import ROWS, identity, request
from tests.fhir_proxy import Recorder, enforcing_nginx, sekmet
from tests.live import live_server
from tests.servers import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.live import Live

pytestmark = pytest.mark.nginx

THEIRS, OURS, NOBODYS = "SECRET-OF-PATIENT-2", "RECORD-OF-PATIENT-1", "STAFF-DIRECTORY"
TOLD_BY_PROXIES = ("x-original-content-length", "x-envoy-auth-partial-body", "content-length")
JSON = "application/fhir+json"
SYSTEM = "https://hospital.example/samples"


def about(patient: str, resource: dict[str, Any]) -> dict[str, Any]:
    return {**resource, "text": {"status": "generated", "div": f"<div>{OURS if patient == '1' else THEIRS}</div>"}}


def person(type_: str, id_: str, text: str, **more: Any) -> dict[str, Any]:
    return {"resourceType": type_, "id": id_, "name": [{"family": text}], **more}


def subject(type_: str, id_: str, patient: str, **more: Any) -> dict[str, Any]:
    return about(patient, {"resourceType": type_, "id": id_, "subject": {"reference": f"Patient/{patient}"}, **more})


ENCOUNTER = {"status": "finished", "class": {"code": "AMB"}}
CONDITION = {"code": {"text": "x"}}
RECORDS = [
    person("Patient", "1", OURS, link=[{"other": {"reference": "Patient/2"}, "type": "seealso"}]),
    person("Patient", "2", THEIRS, link=[{"other": {"reference": "Patient/1"}, "type": "seealso"}]),
    person("Practitioner", "dr", NOBODYS),
    about("1", observation("o1", "1")),
    about("2", observation("o1", "2")),  # its second version: once it was in the other patient's record
    about("1", observation("o1", "1")),
    about("1", observation("v1", "1", "vital-signs")),
    about("2", observation("o2", "2")),
    about("2", {**observation("o3", "2"), "performer": [{"reference": "Patient/1"}]}),
    subject("Encounter", "e1", "1", **ENCOUNTER),
    subject("Encounter", "e2", "2", **ENCOUNTER),
    subject("Condition", "c1", "1", **CONDITION),
    subject("Condition", "c2", "2", **CONDITION, asserter={"reference": "Patient/1"}),
    subject("Basic", "b1", "1", code={"text": "x"}),
    subject("Basic", "b2", "2", code={"text": "x"}),
    {
        "resourceType": "Provenance",
        "id": "p1",
        "recorded": "2026-01-01T00:00:00Z",
        "target": [{"reference": "Observation/o1"}, {"reference": "Observation/o2", "display": THEIRS}],
        "agent": [{"who": {"reference": "Patient/2"}}],
    },
    {
        "resourceType": "Group",
        "id": "g1",
        "type": "person",
        "actual": True,
        "member": [{"entity": {"reference": "Patient/1"}}, {"entity": {"reference": "Patient/2", "display": THEIRS}}],
    },
]


@dataclass
class Site:
    """What the test stands on; ``ask`` is an app's request, every byte of its address as written."""

    port: int
    live: Live
    recorder: Recorder
    inside: str
    tokens: dict[str, str] = field(default_factory=dict)

    def token(self, scope: str) -> str:
        if scope not in self.tokens:
            handle = str(self.live.ehr.launch("public", "Practitioner/dr", patient="1")["launch"])
            self.tokens[scope] = str(self.live.public.tokens(handle, f"launch {scope}".strip())["access_token"])
        return self.tokens[scope]

    def fill(self) -> None:
        """Put the records back; straight into the FHIR server."""
        for resource in RECORDS:
            url, body = f"{self.inside}/{resource['resourceType']}/{resource['id']}", json.dumps(resource).encode()
            answer = urllib3.request("PUT", url, body=body, headers={"Content-Type": JSON}, retries=False)
            assert answer.status in {200, 201}, answer.data

    def ask(self, asked: FhirRequest, scope: str | None) -> Reply:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.putrequest(asked.method, asked.target, skip_accept_encoding=True)
        sent = {name: value for name, value in asked.headers.items() if name not in TOLD_BY_PROXIES}
        if asked.body:
            sent["content-length"] = str(len(asked.body))
        if scope is not None:
            sent["authorization"] = f"Bearer {self.token(scope)}"
        for name, value in sent.items():
            connection.putheader(name, value)
        connection.endheaders(asked.body or None)
        answer = connection.getresponse()
        reply = Reply(answer.status, dict(answer.headers), answer.read())
        connection.close()
        return reply


@dataclass(frozen=True)
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def why(self) -> str:
        return str(json.loads(self.body)["issue"][0]["diagnostics"])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder, port = tmp_path_factory.mktemp("site"), free_port()
    base = f"http://127.0.0.1:{port}/r4"
    with sekmet(folder, base) as fhir_port, live_server(folder, trusted_proxies="127.0.0.1") as live:
        recorder, inside = Recorder(fhir_port), f"http://127.0.0.1:{fhir_port}/fhir"
        live.change_fhir_server(base_url=base, upstream_url=inside, aliases=(BASE,))
        live.ehr.fhir_server = live.public.aud = base
        authz_port = int(live.settings.issuer.rpartition(":")[2])
        with recorder.running() as between, enforcing_nginx(folder, port, authz_port, between):
            made = Site(port, live, recorder, inside)
            made.fill()
            yield made


def travels(row: tuple[str, FhirRequest, str]) -> bool:
    """Whether it is a request that a client can send: some rows are about what proxies tell, or system tokens."""
    scope, asked, _ = row
    return (
        "system/" not in scope and not set(TOLD_BY_PROXIES[:2]) & set(asked.headers) and asked.target.startswith("/r4")
    )


def is_sent_as_meant(asked: FhirRequest) -> bool:
    return asked.headers.get("content-length", "0") in {"0", str(len(asked.body))}


TABLE = [row for row in ROWS if travels(row) and is_sent_as_meant(row[1])]
ANSWERED_BY_NGINX = ("metadata", "smart-configuration")


def test_the_table_has_requests_of_every_kind() -> None:
    """The issue asks for sixty at least."""
    assert len(TABLE) >= 200


@pytest.mark.parametrize(("scope", "asked", "why"), TABLE, ids=identity)
def test_nothing_of_the_other_patient_comes_out_and_nothing_unallowed_goes_in(
    site: Site, scope: str, asked: FhirRequest, why: str
) -> None:
    """SCP-02..07, PROC-05, RS-01..03, REQ-93, REQ-103: each row once more, through everything."""
    site.recorder.taken()
    reply = site.ask(asked, scope)
    passed = site.recorder.taken()
    if "user/" not in scope:
        assert THEIRS.encode() not in reply.body
        assert THEIRS not in str(reply.headers)
    if why:
        assert passed == []
        assert reply.status in {400, 403, 404, 405, 414}, reply
        if reply.status == 403 and reply.headers["Content-Type"] == JSON:
            assert why in reply.why
            assert 'error="insufficient_scope"' in reply.headers["WWW-Authenticate"]
    elif asked.method == "OPTIONS" or asked.target.partition("?")[0].endswith(ANSWERED_BY_NGINX):
        assert (reply.status, passed) == (204 if asked.method == "OPTIONS" else 200, [])
    else:
        assert [(method, target) for method, target, *_ in passed] == [(asked.method, f"/fhir{asked.target[3:]}")]
        assert passed[0][3] == asked.body
        assert reply.status not in {401, 403, 500, 503}, reply
    if passed and asked.method != "GET":
        site.fill()


LETTERS = {"POST": "c", "PUT": "u", "PATCH": "u", "DELETE": "d"}
GRANTED = [
    "patient/*.cruds",
    "patient/*.rs",
    "patient/Observation.rs",
    "patient/Observation.cud patient/Patient.r",
    "patient/Observation.rs?category=laboratory",
    "patient/Patient.s patient/Observation.cruds?category=vital-signs patient/Encounter.s",
]


def used(method: str, target: str) -> tuple[str, str]:
    """Type and letter of a request, read as simply as can be, and not by what is tested."""
    parts = target.removeprefix("/fhir").partition("?")[0].strip("/").split("/")
    if len(parts) == 3 and parts[2] in RESOURCE_TYPES["R4"]:  # Patient/1/Observation
        return parts[2], "s"
    if method not in {"GET", "HEAD"} and parts[-1] != "_search":
        return parts[0], LETTERS[method]
    one = parts[2:3] == ["_history"] or (len(parts) == 2 and parts[1] not in {"_search", "_history"})
    return parts[0], "r" if one else "s"


@given(asked=requests() | near_misses() | near_misses(), scope=st.sampled_from(GRANTED))
@example(asked=request("GET", "/Observation?patient=1"), scope="patient/*.rs")
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_generated_requests_bring_nothing_of_the_other_patient_and_stay_within_the_scopes(
    site: Site, asked: FhirRequest, scope: str
) -> None:
    """SCP-02, SCP-03, RS-03: whatever hypothesis thinks of."""
    site.recorder.taken()
    reply = site.ask(asked, scope)
    passed = site.recorder.taken()
    assert THEIRS.encode() not in reply.body
    assert (not passed) is (reply.status in {401, 403} or asked.target.startswith("/r4/metadata"))
    for method, target, headers, _ in passed:
        type_, letter = used(method, target)
        assert any(held.permits(type_, letter) for held in ScopeSet.parse(scope).resources), (method, target)
        assert headers["x-authz-patient"] == "1"
    event("passed" if passed else "refused")
    if passed and asked.method not in {"GET", "HEAD"}:
        site.fill()


def test_a_parameter_that_this_fhir_server_ignores_is_not_relied_on(site: Site) -> None:
    """It has no ``patient`` for Basic, and answers as if it had not been asked for one: with everybody's."""
    inside = urllib3.request("GET", f"{site.inside}/Basic?patient=1", retries=False)
    assert THEIRS.encode() in inside.data
    refused = site.ask(request("GET", "/Basic?patient=1"), "patient/*.rs")
    assert (refused.status, "does not say that it can search Basic by patient" in refused.why) == (403, True)
    allowed = site.ask(request("GET", "/Basic?subject=Patient/1"), "patient/*.rs")
    assert (allowed.status, OURS.encode() in allowed.body, THEIRS.encode() in allowed.body) == (200, True, False)
    assert site.ask(request("GET", "/Basic/b1"), "patient/*.rs").status == 200
    assert site.ask(request("GET", "/Basic/b2"), "patient/*.rs").status == 403


def test_a_user_scope_of_staff_does_see_the_other_patient(site: Site) -> None:
    """The marker is there to be found: without this, the tests above would prove nothing."""
    for target in (
        "/Patient/2",
        "/Observation?patient=2",
        "/Observation/o3",
        "/Patient/2/$everything",
        "/Provenance/p1",
    ):
        assert THEIRS.encode() in site.ask(request("GET", target), "user/*.rs").body


def test_what_the_client_sends_under_our_names_does_not_reach_the_fhir_server(site: Site) -> None:
    """The token ends at the proxy, and the context headers are those of the token."""
    forged = {
        "X-Authz-Patient": "2",
        "X-Authz-Encounter": "e2",
        "X-Authz-Scope": "system/*.cruds",
        "X-Original-URI": "/r4/metadata",
        "X-Original-Method": "OPTIONS",
        "X-Original-Content-Length": "0",
        "X-Forwarded-Uri": "/r4/metadata",
        "Cookie": "a=b",
    }
    asked = FhirRequest("GET", "/r4/Observation?patient=1", forged)
    site.recorder.taken()
    assert site.ask(asked, "patient/*.rs").status == 200
    ((_, _, headers, _),) = site.recorder.taken()
    assert {"authorization", "cookie", "x-authz-encounter"}.isdisjoint(headers)
    assert (headers["x-authz-patient"], headers["x-authz-scope"]) == ("1", "launch patient/*.rs")
    refused = FhirRequest("GET", "/r4/Observation?patient=2", forged)
    assert site.ask(refused, "patient/*.rs").status == 403
    assert site.recorder.taken() == []


def ask_with(site: Site, headers: list[tuple[str, str]], asked: FhirRequest, scope: str) -> Reply:
    """As ``Site.ask``, with further headers, of which one may come twice."""
    connection = HTTPConnection("127.0.0.1", site.port, timeout=30)
    connection.putrequest(asked.method, asked.target, skip_accept_encoding=True)
    sent = [("authorization", f"Bearer {site.token(scope)}"), ("content-length", str(len(asked.body))), *headers]
    for name, value in sent:
        connection.putheader(name, value)
    connection.endheaders(asked.body or None)
    answer = connection.getresponse()
    reply = Reply(answer.status, dict(answer.headers), answer.read())
    connection.close()
    return reply


FORM = "application/x-www-form-urlencoded"
NEW, FOUND = request("POST", "/Observation", MINE), FhirRequest("POST", "/r4/Observation/_search", {}, b"patient=1")
THE_OTHER = f"identifier={SYSTEM}|{THEIRS}"


@pytest.mark.parametrize(
    ("asked", "headers"),
    [
        # together they name our patient; a FHIR server takes the first, the last, or both
        (NEW, [("Content-Type", JSON), ("If-None-Exist", "patient=1&status=final"), ("If-None-Exist", THE_OTHER)]),
        (NEW, [("Content-Type", JSON), ("If-None-Exist", THE_OTHER), ("If-None-Exist", "&patient=1")]),
        # where a FHIR server reads no form, the search is without its only parameter
        (FOUND, [("Content-Type", FORM), ("Content-Type", "text/plain")]),
        (FOUND, [("Content-Type", "text/plain"), ("Content-Type", FORM)]),
        (FOUND, [("Content-Type", f"{FORM};a=b, text/plain")]),
        # the same bytes are other names and values
        (FOUND, [("Content-Type", f"{FORM}; a=b; charset=utf-16le")]),
        (FOUND, [("Content-Type", f"{FORM}; charset=utf-8; charset=utf-16le")]),
        (NEW, [("Content-Type", f"{JSON}; fhirVersion=4.0; charset=shift_jis")]),
        # one more resource than the request itself writes, of a type that the app may not write
        (NEW, [("Content-Type", JSON), ("X-Provenance", '{"resourceType":"Provenance"}')]),
        # whatever refers to it goes as well, and a version that is over is written anew
        (request("DELETE", "/Observation/o1"), [("X-Cascade", "delete")]),
        (request("PUT", "/Observation/o1", MINE), [("Content-Type", JSON), ("X-Rewrite-History", "true")]),
        # the same address in the records of another house
        (request("GET", "/Observation/o1"), [("X-FHIR-TENANT-ID", "other")]),
        (request("GET", "/Observation/o1"), [("x-fhir-dsid", "other")]),
    ],
    ids=lambda value: None if isinstance(value, FhirRequest) else " ".join(":".join(pair) for pair in value)[:60],
)
def test_a_header_says_one_thing_or_nothing_passes(
    site: Site, asked: FhirRequest, headers: list[tuple[str, str]]
) -> None:
    """SCP-02, SCP-03; RFC 9110 §5.3, §8.3; FHIR R4 "Conditional create", "Provenance header": what was judged is what
    the FHIR server gets, whichever of two lines it reads.
    """
    theirs = {**about("2", observation("o2", "2")), "identifier": [{"system": SYSTEM, "value": THEIRS}]}
    url = f"{site.inside}/Observation/o2"
    put = urllib3.request("PUT", url, body=json.dumps(theirs).encode(), headers={"Content-Type": JSON}, retries=False)
    assert put.status == 200
    site.recorder.taken()
    reply = ask_with(site, headers, asked, "patient/*.cruds")
    passed = site.recorder.taken()
    if passed:
        site.fill()
    assert passed == []
    assert reply.status in {400, 403, 503}, reply
    assert THEIRS.encode() not in reply.body


def test_without_a_good_token_nothing_passes_and_a_browser_may_read_why(site: Site) -> None:
    """REQ-93, RFC 6750 §3.1, CORS-04."""
    site.recorder.taken()
    reply = site.ask(request("GET", "/Patient/1"), None)
    assert (reply.status, reply.headers["WWW-Authenticate"]) == (401, 'Bearer realm="authz"')
    assert reply.why == "an access token is needed"
    assert reply.headers["Access-Control-Allow-Origin"] == "*"
    asked = request("GET", "/Patient/1", authorization="Bearer nonsense")
    bad = site.ask(asked, None)
    assert (bad.status, 'error="invalid_token"' in bad.headers["WWW-Authenticate"]) == (401, True)
    assert site.recorder.taken() == []


def test_a_revoked_token_is_refused_at_once(site: Site) -> None:
    """RS-01."""
    handle = str(site.live.ehr.launch("public", "Practitioner/dr", patient="1")["launch"])
    token = str(site.live.public.tokens(handle, "launch patient/*.rs")["access_token"])
    asked = request("GET", "/Patient/1", authorization=f"Bearer {token}")
    assert site.ask(asked, None).status == 200
    assert site.live.public.revoke(token).status == 200
    assert site.ask(asked, None).status == 401


def test_a_body_too_large_to_be_shown_is_no_way_around(site: Site) -> None:
    """What would have to be seen and is not shown is refused; who may write everything needs no look."""
    large = {**MINE, "note": [{"text": "x" * 300_000}]}
    reply = site.ask(request("POST", "/Observation", large), "patient/*.cruds")
    assert (reply.status, reply.why) == (403, "the proxy does not show the body, or not all of it")
    assert site.ask(request("POST", "/Observation", large), "user/*.cruds").status == 201
    shown = {**MINE, "note": [{"text": "x" * 250_000}]}
    assert site.ask(request("POST", "/Observation", shown), "patient/*.cruds").status == 201


def test_the_documents_at_the_fhir_base_are_those_of_the_authorization_server(site: Site) -> None:
    """RS-04, CS-05: byte-identical endpoints in both."""
    configuration = json.loads(site.ask(request("GET", "/.well-known/smart-configuration"), None).body)
    statement = json.loads(site.ask(request("GET", "/metadata"), None).body)
    assert configuration["token_endpoint"] == f"{site.live.settings.issuer}/token"
    (extension,) = statement["rest"][0]["security"]["extension"]
    uris = {item["url"]: item["valueUri"] for item in extension["extension"]}
    assert uris["token"] == configuration["token_endpoint"]
    assert statement["implementation"]["url"] == f"http://127.0.0.1:{site.port}/r4"
    assert site.inside not in json.dumps(statement["implementation"])


def test_while_the_authorization_server_is_away_nothing_passes(site: Site, tmp_path: Path) -> None:
    """Fail closed: 503, and not a byte of a record."""
    away, port = free_port(), free_port()
    site.recorder.taken()
    with enforcing_nginx(tmp_path, port, away, site.recorder.port):
        reply = replace(site, port=port).ask(request("GET", "/Patient/1"), "patient/*.rs")
    assert (reply.status, reply.headers["Retry-After"]) == (503, "2")
    assert reply.why == "whether this is allowed can not be found out now"
    assert site.recorder.taken() == []


@given(
    st.lists(PIECES | st.sampled_from(["/r4/", "Patient/2", "Observation/o2", "Patient/1/"]), min_size=1, max_size=7)
    .map("".join)
    .map(lambda text: re.sub(r"[^!-~]", "", text))
)
@example("Patient/1/../2")
@example("Patient/1/%2e%2e/2")
@example("Patient//2")
@example("Observation?patient=1&patient=2")
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_spelling_of_an_address_leads_around_the_decision(site: Site, rest: str) -> None:
    """security.md 3.5: nginx, this server and the FHIR server get the same bytes; what reads in two ways is refused."""
    site.recorder.taken()
    reply = site.ask(FhirRequest("GET", f"/r4/{rest}"), "patient/*.rs")
    passed = site.recorder.taken()
    assert THEIRS.encode() not in reply.body
    assert all(target == f"/fhir/{rest}" for _, target, *_ in passed)
    assert reply.status < 500
