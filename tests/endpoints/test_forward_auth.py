"""What a proxy hears about a request it was asked to pass on."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from authz.audit.search import Query, search
from authz.discovery import ready
from authz.discovery.ready import described
from authz.enforcement.gateway import MOST_LINES
from authz.outbound import Answer
from authz.policy.rights import HookedRights, StatedRights
from tests.flows.test_counts import counted
from tests.outside import FakeOutbound, Outside
from tests.world import FHIR, build, settings_in

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from authz.policy.rights import RightsQuestion
    from tests.transport import Reply
    from tests.world import World

SCOPE = "launch openid fhirUser online_access patient/*.cruds"
PARAMETERS = ["_id", "patient", "subject", "category", "code"]
STATEMENT: dict[str, Any] = {
    "resourceType": "CapabilityStatement",
    "fhirVersion": "4.0.1",
    "implementation": {"description": "Inside", "url": "http://10.0.0.7:8080/fhir"},
    "rest": [
        {
            "mode": "server",
            "security": {"description": "nobody"},
            "resource": [
                {"type": type_, "searchParam": [{"name": name} for name in PARAMETERS]}
                for type_ in ("Observation", "Patient")
            ],
        }
    ],
}
MINE = {"resourceType": "Observation", "id": "o1", "subject": {"reference": "Patient/A"}}


def answer(content: Any, status: int = 200) -> Answer:
    return Answer(status, {}, json.dumps(content).encode())


@pytest.fixture
def outside() -> Outside:
    found = answer({"resourceType": "Bundle", "entry": [{"resource": MINE}]})
    return Outside({f"{FHIR}/metadata": answer(STATEMENT), f"{FHIR}/Observation?_id=o1&patient=Patient%2FA": found})


@pytest.fixture
def world(tmp_path: Path, outside: Outside) -> Iterator[World]:
    made = build(settings_in(tmp_path, trusted_proxies="127.0.0.0/8"), FakeOutbound(outside))
    with made.app.app_context():
        yield made
        made.services.db.engine.dispose()
    made.services.backend.close()


def launched(world: World, scope: str = SCOPE, user: str = "Practitioner/dr", **context: Any) -> str:
    handle = str(world.ehr.launch("public", user, **({"patient": "A"} | context))["launch"])
    return str(world.public.tokens(handle, scope)["access_token"])


def ask(world: World, method: str, uri: str, token: str | None = None, body: bytes = b"", **more: str) -> Reply:
    """As nginx asks."""
    headers = {"X-Original-Method": method, "X-Original-URI": uri, **{n.replace("_", "-"): v for n, v in more.items()}}
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    return world.transport.send("POST", f"{world.issuer}/forward-auth/main", headers, body)


def diagnostics(reply: Reply) -> str:
    assert reply.header("content-type") == "application/fhir+json"
    outcome = reply.json()
    assert outcome["resourceType"] == "OperationOutcome"
    assert outcome["issue"][0]["diagnostics"] == reply.header("x-authz-reason")
    return str(outcome["issue"][0]["diagnostics"])


def test_what_is_allowed_is_passed_on_with_the_context_of_the_token(world: World) -> None:
    """REQ-103, RS-01: 204, and headers that tell the FHIR server who asks."""
    token = launched(world, encounter="E1")
    members = world.fhir_server.introspect(token)
    reply = ask(world, "GET", "/r4/Patient/A", token)
    assert (reply.status, reply.body) == (204, b"")
    assert reply.header("cache-control") == "no-store"
    assert {name: value for name, (value,) in reply.headers.items() if name.startswith("x-authz-")} == {
        "x-authz-patient": "A",
        "x-authz-encounter": "E1",
        "x-authz-user": f"{FHIR}/Practitioner/dr",
        "x-authz-subject": members["sub"],
        "x-authz-client": "public",
        "x-authz-scope": SCOPE,
        "x-authz-token-id": members["jti"],
    }


def test_without_a_token_there_is_the_challenge_and_no_error_code(world: World) -> None:
    """REQ-93, RFC 6750 §3.1."""
    reply = ask(world, "GET", "/r4/Patient/A")
    assert reply.status == 401
    assert reply.header("www-authenticate") == 'Bearer realm="authz"'
    assert diagnostics(reply) == "an access token is needed"


@pytest.mark.parametrize("authorization", ["Bearer nonsense", "Bearer a b", "Basic YTpi", "Bearer", "DPoP x"])
def test_a_token_that_is_none_is_401_invalid_token(world: World, authorization: str) -> None:
    """REQ-93, RS-01; another scheme is refused too, for the FHIR server might understand it."""
    reply = ask(world, "GET", "/r4/Patient/A", Authorization=authorization)
    assert reply.status == 401
    assert (reply.header("www-authenticate") or "").startswith('Bearer realm="authz", error="invalid_token"')


def test_a_revoked_token_and_one_of_another_fhir_server_are_invalid(world: World) -> None:
    """RS-01, RS-02: current, and made for this FHIR server, which is the one of the route."""
    token = launched(world)
    assert ask(world, "GET", "/r4/Patient/A", token).status == 204
    headers = {"X-Original-Method": "GET", "X-Original-URI": "/r4/Patient/A", "Authorization": f"Bearer {token}"}
    elsewhere = world.transport.send("POST", f"{world.issuer}/forward-auth/other", headers)
    assert elsewhere.status == 401
    assert world.transport.send("POST", f"{world.issuer}/forward-auth/unknown", headers).status == 404
    assert world.public.revoke(token).status == 200
    assert ask(world, "GET", "/r4/Patient/A", token).status == 401


def test_what_the_token_does_not_give_is_403_with_the_scope_that_would(world: World) -> None:
    """REQ-93, RS-03, RFC 6750 §3.1; one line in the trail, however often it is asked."""
    token = launched(world)
    for _ in range(3):
        reply = ask(world, "GET", "/r4/Patient/B", token)
        assert reply.status == 403
        assert reply.header("www-authenticate") == (
            'Bearer realm="authz", error="insufficient_scope", '
            'error_description="this Patient is outside what the token gives access to", scope="patient/Patient.r"'
        )
        assert diagnostics(reply) == "this Patient is outside what the token gives access to"
    with world.services.db.read() as session:
        (record,) = search(session, Query(event="fhir.refused"))
    assert record["detail"] == {"problem": "this Patient is outside what the token gives access to"}
    assert (record["client_id"], record["fhir_server"], record["patient"]) == ("public", "main", "A")
    undecided = ask(world, "GET", "/r4/Patient/A/../B", token)
    assert undecided.status == 403
    assert "scope=" not in (undecided.header("www-authenticate") or "")


def test_one_token_does_not_fill_the_trail(world: World) -> None:
    """security.md 4.1: what is asked stands in the line, and an app can make up as much of it as it likes."""
    token = launched(world)
    for number in range(MOST_LINES + 20):
        assert ask(world, "GET", f"/r4/Observation?patient=A&made-up-{number}=x", token).status == 403
    with world.services.db.read() as session:
        assert len(list(search(session, Query(event="fhir.refused")))) == MOST_LINES - 1
        (last,) = search(session, Query(event="rate_limited"))
    assert (last["reason"], last["client_id"], last["patient"]) == ("refusals_of_a_token", "public", "A")


def test_whose_a_resource_is_is_asked_of_the_fhir_server(world: World, outside: Outside) -> None:
    """Instance reads under ``patient/`` scopes; an answer is believed for a second."""
    token = launched(world)
    assert ask(world, "GET", "/r4/Observation/o1", token).status == 204
    assert ask(world, "DELETE", "/r4/Observation/o1", token).status == 204
    assert [asked.url for asked in outside.asked] == [
        f"{FHIR}/metadata",
        f"{FHIR}/Observation?_id=o1&patient=Patient%2FA",
    ]
    reply = ask(world, "GET", "/r4/Observation/o2", token)
    assert (reply.status, reply.header("retry-after")) == (503, "2")
    assert diagnostics(reply) == "whether this is allowed can't be found out now, try again"


def test_a_body_that_the_proxy_shows_is_judged(world: World) -> None:
    """SCP-04, REQ-110: what is written stays in the patient's record."""
    token, json_type = launched(world), "application/fhir+json"
    theirs = json.dumps({**MINE, "subject": {"reference": "Patient/B"}}).encode()
    good = json.dumps(MINE).encode()
    assert ask(world, "POST", "/r4/Observation", token, good, Content_Type=json_type).status == 204
    assert ask(world, "POST", "/r4/Observation", token, theirs, Content_Type=json_type).status == 403
    cut = ask(world, "POST", "/r4/Observation", token, good, Content_Type=json_type, X_Original_Content_Length="9")
    assert diagnostics(cut) == "the proxy does not show the body, or not all of it"
    form = "application/x-www-form-urlencoded"
    assert ask(world, "POST", "/r4/Observation/_search", token, b"patient=A", Content_Type=form).status == 204
    assert ask(world, "POST", "/r4/Observation/_search", token, b"patient=B", Content_Type=form).status == 403


def test_traefik_and_envoy_tell_the_original_request_in_their_own_way(world: World) -> None:
    """Traefik: X-Forwarded-*; Envoy: method and address of the question itself; ``Host`` is never asked."""
    bearer = {"Authorization": f"Bearer {launched(world)}", "Host": "elsewhere.example"}
    envoy = bearer | {"X-Authz-Proxy": "envoy"}
    url = f"{world.issuer}/forward-auth/main"
    for id_, status in (("A", 204), ("B", 403)):
        traefik = {"X-Forwarded-Method": "GET", "X-Forwarded-Uri": f"/r4/Patient/{id_}", "X-Forwarded-Host": "x"}
        assert world.transport.send("GET", url, bearer | traefik).status == status
        told = world.transport.send("GET", f"{url}/r4/Patient/{id_}", envoy)
        assert told.status == {204: 200}.get(status, status)
    assert world.transport.send("GET", f"{url}/r4/Patient?_id=A", envoy).status == 200
    assert world.transport.send("GET", f"{url}/r4/Patient?_id=B", envoy).status == 403
    assert world.transport.send("GET", f"{url}/r4/Patient/%41", envoy).status == 403
    assert world.transport.send("DELETE", f"{url}/r4/Patient/B", envoy).status == 403
    hiding = world.transport.send("GET", f"{url}/r4/Patient/A", bearer)
    assert (hiding.status, "the proxy must add X-Authz-Proxy" in diagnostics(hiding)) == (403, True)


def test_a_client_can_not_tell_another_original_request_than_the_proxy_does(world: World) -> None:
    """Each proxy sets its own headers; those of another kind can only come from the client, and are refused."""
    token = launched(world)
    bearer = {"Authorization": f"Bearer {token}"}
    assert ask(world, "GET", "/r4/Patient/A", token, X_Forwarded_Uri="/r4/Patient/A").status == 403
    assert ask(world, "GET", "/r4/Patient/A", token, X_Forwarded_Method="GET").status == 403
    url = f"{world.issuer}/forward-auth/main"
    both = {"X-Original-Method": "GET", "X-Original-URI": "/r4/Patient/A"}
    assert world.transport.send("GET", f"{url}/r4/Patient/A", bearer | both | {"X-Authz-Proxy": "envoy"}).status == 403
    assert world.transport.send("GET", url, bearer).status == 403
    assert world.transport.send("GET", url, bearer | {"X-Original-URI": "/r4/Patient/A"}).status == 403


def test_only_a_trusted_proxy_is_answered(world: World) -> None:
    with world.app.test_client() as client:
        for address in ("10.0.0.1", "", "unix:"):
            reply = client.get(
                "/forward-auth/main",
                headers={"X-Original-Method": "GET", "X-Original-URI": "/r4/metadata"},
                environ_overrides={"REMOTE_ADDR": address},
            )
            assert reply.status_code == 403
            assert reply.json is None or "trusted_proxies" in reply.json["issue"][0]["diagnostics"]


@pytest.mark.parametrize("uri", ["/r4/metadata", "/r4/.well-known/smart-configuration"])
def test_discovery_passes_without_a_token_and_without_context(world: World, uri: str) -> None:
    reply = ask(world, "GET", uri)
    assert reply.status == 204
    assert {value for name, (value,) in reply.headers.items() if name.startswith("x-authz")} == {""}


def test_a_search_costs_one_round_trip_and_no_sql(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """House section 4 "Forward-auth": as cheap as an introspection."""
    token = launched(world)
    for _ in range(2):
        assert ask(world, "GET", "/r4/Observation?patient=A", token).status == 204
    with counted(world, monkeypatch) as counts:
        assert ask(world, "GET", "/r4/Observation?patient=A", token).status == 204
    assert counts == {"store": 1, "sql": 0}


def test_a_representative_sees_the_records_of_those_they_act_for(world: World) -> None:
    """SCP-01, REQ-109: rights differ by user and patient."""
    with world.services.db.write() as session:
        rights = {"scope_ceilings": {"RelatedPerson": "user/*.rs"}}
        world.services.fhir_servers.update(session, "main", rights)
    launch = str(world.ehr.launch("public", "RelatedPerson/rel", patient="child-1")["launch"])
    browser = world.browser()
    page = browser.open(world.public.authorize_url(launch=launch, scope="launch user/*.rs"))
    code = browser.submit(page, press="allow").location_parameters["code"]
    token = str(world.public.redeem(code).json()["access_token"])
    assert ask(world, "GET", "/r4/Observation?patient=child-1,child-2", token).status == 204
    assert ask(world, "GET", "/r4/Patient/child-2", token).status == 204
    assert ask(world, "GET", "/r4/Patient/A", token).status == 403


def test_the_sites_own_rules_bound_what_staff_reach_by_user_scopes(world: World) -> None:
    """Decision 20, REQ-109: the hook is asked about the patient whom the request names; no name, no access."""

    class OnlyA:
        def allows(self, question: RightsQuestion) -> bool:
            return question.patient == "A"

    reach = world.services.gateway.user_reach
    token = launched(world, "launch user/*.rs")
    assert ask(world, "GET", "/r4/Observation?patient=B", token).status == 204
    hooked = HookedRights(StatedRights(world.services.users), OnlyA())
    object.__setattr__(reach, "rights", hooked)
    assert ask(world, "GET", "/r4/Observation?patient=A", token).status == 204
    assert ask(world, "GET", "/r4/Patient/A", token).status == 204
    for refused in ("Observation?patient=B", "Observation?patient=A,B", "Patient/B", "Observation", "Practitioner/x"):
        assert ask(world, "GET", f"/r4/{refused}", token).status == 403


def test_the_capability_statement_says_where_apps_get_access(world: World, outside: Outside) -> None:
    """CS-01..05: the FHIR server's own, with ``rest.security`` of ours; the address behind the proxy stays inside."""
    reply = world.transport.send("GET", f"{world.issuer}/fhir-servers/main/metadata")
    assert reply.header("content-type") == "application/fhir+json"
    assert reply.header("access-control-allow-origin") == "*"
    fragment = world.transport.send("GET", f"{world.issuer}/fhir-servers/main/oauth-uris").json()
    assert reply.json() == {
        **STATEMENT,
        "implementation": {"description": "Inside", "url": FHIR},
        "rest": [{**STATEMENT["rest"][0], "security": fragment}],
    }
    again = world.transport.send("GET", f"{world.issuer}/fhir-servers/main/metadata")
    assert again.body == reply.body
    assert len(outside.asked) == 1
    assert world.transport.send("GET", f"{world.issuer}/fhir-servers/unknown/metadata").status == 404
    assert world.transport.send("GET", f"{world.issuer}/fhir-servers/other/metadata").status == 503


def test_the_capability_statement_is_put_together_once_for_all_who_ask(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RL-07: some MB; whoever has it already is told so without a look at the bytes. A change shows at once."""
    made = 0

    def counting(*of: Any) -> dict[str, Any]:
        nonlocal made
        made += 1
        return described(*of)

    monkeypatch.setattr(ready, "described", counting)
    url = f"{world.issuer}/fhir-servers/main/metadata"
    first = world.transport.send("GET", url)
    again = [world.transport.send("GET", url, {"If-None-Match": str(first.header("etag"))}) for _ in range(3)]
    assert [(reply.status, reply.body) for reply in again] == [(304, b"")] * 3
    assert world.transport.send("GET", url).body == first.body
    assert made == 1
    with world.services.db.write() as session:
        world.services.fhir_servers.update(session, "main", {"registration": "open"})
    changed = world.transport.send("GET", url, {"If-None-Match": str(first.header("etag"))})
    assert (changed.status, "register" in changed.body.decode()) == (200, True)
    assert changed.header("etag") != first.header("etag")
