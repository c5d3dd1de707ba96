"""LA: launches that an EHR puts down, and what others try with them (security.md 2.9)."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from tests.actors import basic, challenge, new_verifier
from tests.attacks.live.target import LAUNCHED
from tests.world import FHIR, OTHER_FHIR, SECRET

if TYPE_CHECKING:
    from tests.attacks.live.target import Target
    from tests.transport import Reply

EHR = basic("ehr-main", "ehr-main-secret")


def record(**changes: Any) -> dict[str, Any]:
    found = {"client_id": "public", "fhir_server": FHIR, "user": "Practitioner/dr", "patient": "A", **changes}
    return {name: value for name, value in found.items() if value is not None}


def post(target: Target, content: object, headers: Any = None) -> Reply:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    sent = EHR if headers is None else headers
    return target.send("POST", "/launch", {"Content-Type": "application/json", **sent}, body)


def test_only_an_ehr_puts_down_launches(target: Target) -> None:
    """LA-01: nobody, apps, people's tokens, FHIR servers, services without the scope."""
    token = target.bought()["access_token"]
    service = target.bulk.post("/token", {"grant_type": "client_credentials", "scope": "system/Patient.rs"}).json()
    tries: list[tuple[int, dict[str, str]]] = [
        (401, {}),
        (401, basic("ehr-main", "wrong")),
        (401, basic("confidential", SECRET)),
        (401, basic("rs-main", "rs-main-secret")),
        (401, basic("ehr-other", "ehr-main-secret")),
        (403, {"Authorization": f"Bearer {token}"}),
        (403, {"Authorization": f"Bearer {service['access_token']}"}),
        (401, {"Authorization": f"Bearer {token}x"}),
        (401, {"Authorization": "Digest x"}),
    ]
    for status, headers in tries:
        target.refused(post(target, record(), headers), status, "invalid_client", "invalid_token", "insufficient_scope")


def test_an_ehr_launches_at_its_own_fhir_server(target: Target) -> None:
    """LA-01, LA-02: another tenant's can't be named, however it is written."""
    other = basic("ehr-other", "ehr-other-secret")
    for base in (FHIR, f"{FHIR}/", "https://FHIR.example/r4"):
        reply = post(target, record(fhir_server=base), other)
        target.refused(reply, 403, "insufficient_scope")
    assert post(target, record(fhir_server=OTHER_FHIR), other).status == 201
    ended = target.ehr2.post("/ehr-session/end", {"fhir_server": FHIR, "session": "s-9"})
    target.refused(ended, 403, "insufficient_scope")


@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": "nobody"},
        {"client_id": "off"},
        {"client_id": None},
        {"fhir_server": "https://nowhere.example/r4"},
        {"fhir_server": None},
        {"user": "nobody-known"},
        {"user": None},
        {"user": "Patient/../x"},
        {"user": f"{OTHER_FHIR}/Practitioner/dr"},
        {"user": "gone"},
        {"patient": "../A"},
        {"patient": "A,B"},
        {"patient": ["A", "B"]},
        {"patient": {"id": "A"}},
        {"patient": "A\n"},
        {"encounter": 5},
        {"launch_url": "https://evil.example/launch"},
        {"launch_url": "javascript:alert(1)"},
    ],
    ids=str,
)
def test_a_launch_names_what_exists(target: Target, changes: dict[str, Any]) -> None:
    """LA-03: a typed error, and nothing is kept."""
    reply = post(target, record(**changes))
    target.refused(reply, reply.status, "invalid_request", "access_denied", "invalid_client")
    assert reply.status in {400, 403}


@pytest.mark.parametrize("value", ["false", "true", 0, 1, [], {}, "", "no"])
def test_the_banner_is_true_or_false(target: Target, value: object) -> None:
    """LA-05: anything like it would hide a patient's name by accident; what is not said is not told either."""
    target.refused(post(target, record(need_patient_banner=value)), 400, "invalid_request")
    assert target.bought(need_patient_banner=True)["need_patient_banner"] is True


@pytest.mark.parametrize(
    "changes",
    [
        {"smart_style_url": "javascript:alert(1)"},
        {"smart_style_url": "http://ehr.example/style.json"},
        {"smart_style_url": "file:///etc/passwd"},
        {"smart_style_url": "//ehr.example/style.json"},
        {"intent": "x\ny"},
        {"intent": 5},
        {"tenant": "x" * 10_000},
        {"tenant": "a\0b"},
        {"fhirContext": "ImagingStudy/1"},
        {"fhirContext": [{"reference": "https://evil.example/ImagingStudy/1"}]},
        {"fhirContext": [{"reference": "ImagingStudy/1"}] * 51},
    ],
    ids=lambda changes: str(changes)[:40],
)
def test_style_intent_and_tenant_are_checked(target: Target, changes: dict[str, Any]) -> None:
    """LA-06."""
    target.refused(post(target, record(**changes)), 400, "invalid_request")


def test_markup_in_an_intent_stays_text(target: Target) -> None:
    """LA-06: it goes to the app as it came, and to no page."""
    made = post(target, record(intent="<script>alert(1)</script>"))
    if made.status == 201:
        page = target.pub.launched(made.json()["launch"], LAUNCHED, prompt="login")
        assert "<script" not in page.text
    else:
        target.refused(made, 400, "invalid_request")


@pytest.mark.parametrize(
    "more",
    [{"launch": "mine"}, {"launch_id": "0" * 32}, {"expires_in": 315_360_000}, {"ttl": 10**9}, {"digest": "0" * 64}],
    ids=str,
)
def test_the_server_chooses_handle_and_life(target: Target, more: dict[str, Any]) -> None:
    """LA-07: members nobody knows are refused, or change nothing of it."""
    reply = post(target, record(**more))
    if reply.status != 201:
        return target.refused(reply, 400, "invalid_request")
    body = reply.json()
    assert (body["expires_in"], len(body["launch"]) >= 43) == (300, True)
    assert body["launch"] != more.get("launch")
    assert body["launch_id"] != more.get("launch_id")
    return None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"[" * 5_000,
        b'{"a":1,"a":2}',
        b"NaN",
        b"\xff\xfe",
        b'{"client_id":"\\ud800"}',
        b"x" * 300_000,
    ],
    ids=lambda body: repr(body[:12]),
)
def test_a_launch_is_one_json_object(target: Target, body: bytes) -> None:
    """LA-03, LA-07."""
    reply = post(target, body)
    target.refused(reply, 413 if len(body) > 262_144 else 400, "invalid_request")


def test_only_the_ehr_that_made_a_launch_sees_it(target: Target) -> None:
    """LA-09: for anybody else it is not there; there is no list; the handle is no name."""
    made = target.launch()
    path = f"/launch/{made['launch_id']}"
    for method in ("GET", "DELETE"):
        for headers in ({}, basic("confidential", SECRET), basic("rs-main", "rs-main-secret")):
            assert target.send(method, path, headers).status == 401
        assert target.send(method, path, basic("ehr-other", "ehr-other-secret")).status in {204, 404}
        assert target.send(method, f"/launch/{made['launch']}", EHR).status == 404
        assert target.send(method, "/launch", EHR).status == 405
    assert target.send("GET", "/launch/", EHR).status == 404
    assert target.ehr.look_up(made["launch_id"]).status == 200
    assert target.pub.code(made["launch"], LAUNCHED)


def test_of_twelve_requests_with_one_launch_one_succeeds(target: Target) -> None:
    """LA-10: each with a verifier of its own, as twelve thieves would send them."""
    handle = str(target.launch()["launch"])
    racers = [replace(target.pub, transport=target.crowd, verifier=new_verifier()) for _ in range(12)]
    replies = target.at_once([partial(racer.launched, handle, LAUNCHED) for racer in racers])
    won = [reply for reply in replies if "code" in reply.location_parameters]
    assert len(won) <= 1
    assert {reply.location_parameters["error"] for reply in replies if reply not in won} <= {"invalid_request"}


def test_a_claimed_launch_is_of_use_to_nobody_else(target: Target) -> None:
    """LA-11: after a look at the page, a cancel, and a browser that dies; by its own request it can be resumed."""
    handle = str(target.launch()["launch"])
    browser = target.browser()
    page = browser.open(target.pub.authorize_url(launch=handle, scope=LAUNCHED, prompt="consent"))
    thief = challenge(new_verifier())
    target.redirected(target.pub.launched(handle, LAUNCHED, code_challenge=thief), "invalid_request")
    target.redirected(browser.submit(page, press="deny"), "access_denied")
    target.redirected(target.pub.launched(handle, LAUNCHED, code_challenge=thief), "invalid_request")


def test_a_withdrawn_launch_is_refused(target: Target) -> None:
    """LA-13."""
    made = target.launch()
    assert target.ehr.withdraw(made["launch_id"]).status == 204
    target.redirected(target.pub.launched(made["launch"], LAUNCHED), "invalid_request")


def test_a_launch_that_the_store_lost_is_refused(target: Target) -> None:
    """LA-14: never a token without a context, never with another's."""
    handle = str(target.launch()["launch"])
    target.begin_anew()
    target.redirected(target.pub.launched(handle, LAUNCHED), "invalid_request")


def test_a_page_of_a_launch_sends_no_referrer(target: Target) -> None:
    """LA-15: nor is the handle on it, or in a cookie; that no log has it is looked at after every case."""
    handle = str(target.launch()["launch"])
    for reply in (
        target.pub.launched(handle, LAUNCHED, prompt="login"),
        target.pub.launched(handle, LAUNCHED, response_type="token"),
        target.pub.launched(handle, LAUNCHED, client_id="nobody"),
    ):
        assert reply.header("referrer-policy") == "no-referrer"
        assert reply.header("set-cookie") is None
        assert handle not in reply.text
        assert handle not in str(reply.headers)
