"""Two hospitals in one installation: nothing of the one is of use at the other (REQ-69, decision 23)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest

from authz.clients.metadata import ClientMetadata
from authz.clients.registry import HospitalDecisions
from tests.actors import FORM, SmartApp, basic
from tests.backend import register
from tests.messaging import messaging_world
from tests.world import CONFIDENTIAL, FHIR, ISSUER, OTHER_FHIR, PUBLIC, SECRET

if TYPE_CHECKING:
    from tests.transport import Reply
    from tests.world import World

SCOPE = "launch openid fhirUser patient/*.rs online_access"
INACTIVE = {"active": False}


def launch(world: World, **context: Any) -> str:
    return str(world.ehr.launch("public", "Practitioner/dr", patient="A", **context)["launch"])


def at_other(world: World) -> SmartApp:
    """The same app, as it works with the other hospital."""
    return SmartApp(world.transport, "public", world.public.redirect_uri, OTHER_FHIR)


def test_a_launch_of_one_hospital_opens_nothing_at_the_other(world: World) -> None:
    """REQ-69, AUTHZ-13: refused for the other ``aud``, in words that don't say whether the launch exists."""
    handle = launch(world)
    told = at_other(world).launched(handle, SCOPE).location_parameters
    assert told["error"] == "invalid_request"
    nonsense = at_other(world).launched("nonsense", SCOPE).location_parameters
    assert told["error_description"].split(" (support")[0] == nonsense["error_description"].split(" (support")[0]
    assert world.public.tokens(handle, SCOPE)["patient"] == "A"


def test_an_ehr_speaks_for_its_own_hospital_only(world: World) -> None:
    """REQ-69, LC-01: it can neither make a launch nor look at one, nor end a session, at the other."""
    made = world.ehr.launch("public", "Practitioner/dr", patient="A", session="s-1")
    record = {"client_id": "public", "fhir_server": FHIR, "user": "Practitioner/dr"}
    assert world.other_ehr.post("/launch", record).status == 403
    for reply in (world.other_ehr.look_up(made["launch_id"]), world.other_ehr.withdraw(made["launch_id"])):
        assert reply.status in {403, 404}
    tokens = world.public.tokens(str(made["launch"]), SCOPE)
    assert world.other_ehr.post("/ehr-session/end", {"fhir_server": FHIR, "session": "s-1"}).status == 403
    assert world.other_ehr.end_session("s-1").status in {200, 204}, "a session of the same name at its own hospital"
    assert world.public.refresh(tokens["refresh_token"]).status == 200


def test_a_token_of_one_hospital_is_unknown_at_the_other(world: World) -> None:
    """REQ-69, INT-04, RS-01: introspection says no more than of an invented one; what refreshes it stays there too."""
    tokens = world.public.tokens(launch(world), SCOPE)
    for token in (tokens["access_token"], tokens["refresh_token"], "invented"):
        assert world.other_fhir_server.introspect(token) == INACTIVE
    assert world.fhir_server.introspect(tokens["access_token"])["aud"] == FHIR
    refreshed = world.public.refresh(tokens["refresh_token"], resource=OTHER_FHIR).json()
    if "access_token" in refreshed:
        assert world.other_fhir_server.introspect(refreshed["access_token"]) == INACTIVE


def test_an_app_gets_nothing_at_a_hospital_where_it_may_no_longer_be_used(world: World) -> None:
    """Decision 20, REQ-69: neither by what it got before nor by its handle, whoever wrote the decision."""
    window = messaging_world(world)
    _, tokens = window.opened()
    handle = tokens["smart_web_messaging_handle"]
    assert window.check(handle)["active"] is True
    with world.services.db.write() as session:
        world.services.clients.update(session, "public", {}, {"fhir_servers": ("other",)})
    world.clock.forward(seconds=61)
    assert window.check(handle) == INACTIVE
    refused = world.public.refresh(tokens["refresh_token"])
    assert refused.status == 400
    assert refused.json()["error"] == "invalid_grant"
    assert "the app may no longer be used at this FHIR server" in refused.json()["error_description"]


def test_a_code_buys_what_it_was_issued_for_whatever_the_redeemer_says(world: World) -> None:
    """AUTHZ-22, REQ-69: ``aud`` and ``resource`` at the token endpoint move nothing."""
    code = world.public.code(launch(world), SCOPE)
    reply = world.public.redeem(code, resource=OTHER_FHIR, aud=OTHER_FHIR)
    if reply.status == 200:
        token = reply.json()["access_token"]
        assert world.other_fhir_server.introspect(token) == INACTIVE
        assert world.fhir_server.introspect(token)["aud"] == FHIR


def test_a_person_is_nobody_at_a_hospital_that_does_not_know_them(world: World) -> None:
    """REQ-69, SCP-30: who somebody is as a FHIR resource is said for each FHIR server."""
    assert world.standalone(world.public, "patient/*.rs", "alice")
    browser = world.browser()
    page = browser.open(at_other(world).authorize_url(scope="patient/*.rs"))
    assert browser.sign_in(page, "alice", "alice-password").location_parameters["error"] == "invalid_scope"
    app, browser = at_other(world), world.browser()
    page = browser.open(app.authorize_url(scope="openid fhirUser"))
    page = browser.sign_in(page, "alice", "alice-password")
    tokens = app.redeem(browser.submit(page, press="allow").location_parameters["code"]).json()
    assert tokens["scope"] == "openid"
    assert "fhirUser" not in world.other_fhir_server.introspect(tokens["access_token"])


def test_a_credential_of_one_fhir_server_is_none_at_the_other(world: World) -> None:
    """REQ-69, security.md IN-01: each has its own name and secret."""
    token = world.public.tokens(launch(world), SCOPE)["access_token"]
    headers = {**basic("rs-main", "rs-other-secret"), "Content-Type": FORM}
    body = urlencode({"token": token}).encode()
    assert world.transport.send("POST", f"{ISSUER}/introspect", headers, body).status == 401


def test_a_token_that_stands_for_a_credential_is_good_at_its_own_hospital_only(world: World) -> None:
    """REQ-69, decision 17, BKS-12: ``__introspect`` and ``__launch`` of the one, tried at the other."""
    service = register(world, "bulk", fhir_servers=("main",))
    opened = world.other_ehr.launch("public", "Practitioner/clerk", patient="R1")
    theirs = at_other(world).tokens(str(opened["launch"]), SCOPE)["access_token"]
    headers = {"Content-Type": FORM, "Authorization": f"Bearer {service.token('__introspect')}"}
    body = urlencode({"token": theirs}).encode()
    assert world.transport.send("POST", f"{ISSUER}/introspect", headers, body).json() == INACTIVE
    record = {"client_id": "public", "fhir_server": OTHER_FHIR, "user": "Practitioner/clerk"}
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {service.token('__launch')}"}
    reply = world.transport.send("POST", f"{ISSUER}/launch", headers, json.dumps(record).encode())
    assert (reply.status, reply.json()["error"]) == (403, "insufficient_scope")
    assert service.ask(resource=OTHER_FHIR).json()["error"] == "invalid_target"


def test_an_app_of_one_hospital_is_not_one_of_the_other(world: World) -> None:
    """AUTHZ-12, REQ-69: a registration may be for some FHIR servers only."""
    with world.services.db.write() as session:
        world.services.clients.update(session, "public", {}, {"fhir_servers": ("main",)})
    told = world.browser().open(at_other(world).authorize_url(scope="patient/*.rs")).location_parameters
    assert told["error"] == "invalid_request"
    assert told["error_description"].startswith("aud is not the base URL of a FHIR server this app may use here")
    record = {"client_id": "public", "fhir_server": OTHER_FHIR, "user": "Practitioner/dr"}
    refusal = world.other_ehr.post("/launch", record).json()
    assert (refusal["error"], refusal["error_description"]) == (
        "invalid_request",
        "client_id: no such app at this FHIR server",
    )


def test_one_issuer_and_one_key_set_for_both(world: World) -> None:
    """Decision 23, REQ-D9: the OAuth issuer is not the FHIR base URL that a launch calls iss."""
    documents = [document(world, name) for name in ("main", "other")]
    assert documents[0] == documents[1]
    assert documents[0]["issuer"] == ISSUER
    assert documents[0]["issuer"] not in {FHIR, OTHER_FHIR}


def document(world: World, name: str) -> dict[str, Any]:
    return dict(world.transport.send("GET", f"{ISSUER}/fhir-servers/{name}/.well-known/smart-configuration").json())


def test_one_organisation_is_fhir_server_in_one_launch_and_app_in_another(world: World) -> None:
    """REQ-31: the referral system opens apps with its own records, and is itself opened by the hospital's EHR."""
    with world.services.db.write() as session:
        decisions = HospitalDecisions(fhir_servers=("main",), skip_consent_in_ehr_launch=True)
        metadata = {**CONFIDENTIAL, "client_name": "Referrals", "redirect_uris": ["https://other.example/cb"]}
        world.services.clients.add(
            session, ClientMetadata.load(metadata), decisions, client_id="referrals", secret=SECRET
        )
        metadata = {**PUBLIC, "client_name": "Viewer", "redirect_uris": ["https://viewer.example/cb"]}
        world.services.clients.add(
            session,
            ClientMetadata.load(metadata),
            HospitalDecisions(fhir_servers=("other",), skip_consent_in_ehr_launch=True),
            client_id="viewer",
        )
    as_app = SmartApp(world.transport, "referrals", "https://other.example/cb", FHIR, SECRET)
    opened = world.ehr.launch("referrals", "Practitioner/dr", patient="A")
    token = as_app.tokens(str(opened["launch"]), SCOPE)["access_token"]
    assert world.fhir_server.introspect(token)["client_id"] == "referrals"
    assert world.other_fhir_server.introspect(token) == INACTIVE, "not even at the organisation's own FHIR server"
    viewer = SmartApp(world.transport, "viewer", "https://viewer.example/cb", OTHER_FHIR)
    opened = world.other_ehr.launch("viewer", "Practitioner/clerk", patient="R1")
    token = viewer.tokens(str(opened["launch"]), SCOPE)["access_token"]
    assert world.other_fhir_server.introspect(token)["patient"] == "R1"
    assert world.fhir_server.introspect(token) == INACTIVE


def test_a_fhir_server_that_is_switched_off_takes_its_own_tokens_along_and_no_others(world: World) -> None:
    """REQ-69: the other hospital does not notice."""
    mine = world.public.tokens(launch(world), SCOPE)
    opened = world.other_ehr.launch("public", "Practitioner/clerk", patient="R1")
    theirs = at_other(world).tokens(str(opened["launch"]), SCOPE)

    def off(session: Any) -> None:
        world.services.fhir_servers.set_enabled(session, "other", enabled=False)

    world.services.revocation.revoke_fhir_server("other", "fhir_server_disabled", within=off)
    assert world.fhir_server.introspect(mine["access_token"])["active"] is True
    assert at_other(world).refresh(theirs["refresh_token"]).json()["error"] == "invalid_grant"
    assert document_status(world, "other") == 404
    assert document_status(world, "main") == 200


def document_status(world: World, name: str) -> int:
    reply: Reply = world.transport.send("GET", f"{ISSUER}/fhir-servers/{name}/.well-known/smart-configuration")
    return reply.status


@pytest.mark.parametrize("name", ["MAIN", "main%2f..%2fother", "..", "main/other", "%00", "x" * 300])
def test_a_name_that_is_none_has_no_document(world: World, name: str) -> None:
    assert document_status(world, name) in {400, 404}
