"""A provider says that a session there has ended; and the way out there, when somebody signs out here."""

from __future__ import annotations

import json
import re
from base64 import urlsafe_b64encode
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest

from authz.storage.limiter import Limit
from authz.storage.records import digest
from tests.actors import FORM
from tests.federated.conftest import ALONE
from tests.upstream import CLIENT_ID, IDP, LOGOUT_EVENT

if TYPE_CHECKING:
    from tests.actors import Browser
    from tests.federated.conftest import Hospital
    from tests.transport import Reply

ONLINE = f"{ALONE} online_access"
ALICE = {"sub": "idp-alice", "fhirUser": "Patient/A"}


@pytest.fixture(autouse=True)
def alice(hospital: Hospital) -> None:
    hospital.provider.person = dict(ALICE)


def opened(
    hospital: Hospital, sid: str = "idp-session-1", scope: str = f"{ALONE} online_access"
) -> tuple[Browser, Any]:
    """A browser in which somebody signed in, and what the app got."""
    hospital.provider.sid = sid
    browser = hospital.world.browser()
    page = hospital.arrive(browser, scope)
    page = browser.submit(page, press="allow") if page.status == 200 else page
    return browser, hospital.world.public.redeem(page.location_parameters["code"]).json()


def told(hospital: Hospital, token: str | None, name: str = "hospital") -> Reply:
    body = urlencode({"logout_token": token} if token is not None else {}).encode()
    url = f"{hospital.world.issuer}/back-channel-logout/{name}"
    return hospital.world.transport.send("POST", url, {"Content-Type": FORM}, body)


def is_live(hospital: Hospital, tokens: Any) -> bool:
    return bool(hospital.world.fhir_server.introspect(tokens["access_token"])["active"])


def is_signed_in(hospital: Hospital, browser: Browser) -> bool:
    answer = hospital.away(browser, scope="openid", prompt="none").location_parameters
    return answer.get("error") != "login_required"


def test_a_session_that_ends_there_ends_here(hospital: Hospital) -> None:
    """Back-Channel Logout §2.7, REF-12: by sid; the app's token goes, another session of the same person stays."""
    browser, tokens = opened(hospital)
    other, others = opened(hospital, "idp-session-2")
    hospital.provider.sid = "idp-session-1"
    reply = told(hospital, hospital.provider.logout_token())
    assert (reply.status, reply.body, reply.header("cache-control")) == (200, b"", "no-store")
    assert (is_signed_in(hospital, browser), is_live(hospital, tokens)) == (False, False)
    assert (is_signed_in(hospital, other), is_live(hospital, others)) == (True, True)
    refreshed = hospital.world.public.refresh(tokens["refresh_token"])
    assert (refreshed.status, refreshed.json()["error"]) == (400, "invalid_grant")
    assert [(outcome, reason) for outcome, reason, _ in hospital.trail("logout")] == [("success", "provider")]


@pytest.mark.parametrize("alg", [["RS256"], {"RS256": 1}, None, 1])
def test_an_algorithm_that_is_no_name_is_refused(hospital: Hospital, alg: Any) -> None:
    """Back-Channel Logout §2.6, G-1: anybody may send one; it is refused as any other, not a failure of ours."""
    _, body, signature = hospital.provider.logout_token().split(".")
    header = urlsafe_b64encode(json.dumps({"alg": alg, "kid": "key-1"}).encode()).rstrip(b"=").decode()
    reply = told(hospital, f"{header}.{body}.{signature}")
    assert (reply.status, reply.json()["error"]) == (400, "invalid_request")


def test_by_subject_all_sessions_of_the_person_end(hospital: Hospital) -> None:
    """Back-Channel Logout §2.4: without sid it is about every session; offline_access outlives it (§2.7)."""
    first, tokens = opened(hospital)
    second, offline = opened(hospital, "idp-session-2", f"{ALONE} offline_access")
    hospital.provider.person = {"sub": "idp-doctor", "fhirUser": "Practitioner/dr"}
    doctor = hospital.world.browser()
    hospital.arrive(doctor, "openid")
    assert told(hospital, hospital.provider.logout_token(sid=None, sub="idp-alice")).status == 200
    assert [is_signed_in(hospital, one) for one in (first, second, doctor)] == [False, False, True]
    assert (is_live(hospital, tokens), is_live(hospital, offline)) == (False, True)


def test_sid_and_subject_must_belong_together(hospital: Hospital) -> None:
    browser, tokens = opened(hospital)
    assert told(hospital, hospital.provider.logout_token(sub="idp-doctor")).status == 200
    assert (is_signed_in(hospital, browser), is_live(hospital, tokens)) == (True, True)
    assert told(hospital, hospital.provider.logout_token(sub="idp-alice")).status == 200
    assert (is_signed_in(hospital, browser), is_live(hospital, tokens)) == (False, False)


def test_a_session_never_heard_of_has_ended_already(hospital: Hospital) -> None:
    """Back-Channel Logout §2.7, §2.8: there is nothing to do, and nothing wrong."""
    assert told(hospital, hospital.provider.logout_token(sid="unheard-of")).status == 200


BAD: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"iss": "https://other.example"}, {}),
    ({"aud": "another-app"}, {}),
    ({"aud": [CLIENT_ID, "another-app"]}, {}),
    ({"nonce": "n"}, {}),
    ({"events": None}, {}),
    ({"events": [LOGOUT_EVENT]}, {}),
    ({"events": {LOGOUT_EVENT: True}}, {}),
    ({"events": {"urn:other": {}}}, {}),
    ({"sid": None}, {}),
    ({"sid": 7}, {}),
    ({"jti": None}, {}),
    ({"jti": ""}, {}),
    ({"iat": None}, {}),
    ({"iat": 1}, {}),
    ({"exp": 1}, {}),
    ({"exp": None}, {}),
    ({}, {"typ": "at+jwt"}),
    ({}, {"alg": "none"}),
    ({}, {"alg": "HS256"}),
    ({}, {"kid": "key-7"}),
]


@pytest.mark.parametrize(("claims", "header"), BAD)
def test_a_bad_logout_token_ends_nothing(hospital: Hospital, claims: dict[str, Any], header: dict[str, Any]) -> None:
    """Back-Channel Logout §2.6, §2.8: 400, and the trail has it."""
    browser, _ = opened(hospital)
    reply = told(hospital, hospital.provider.logout_token(header, **claims))
    assert (reply.status, reply.refusal()) == (
        400,
        {"error": "invalid_request", "error_description": "the logout token is not valid"},
    )
    assert is_signed_in(hospital, browser)
    assert [(outcome, reason) for outcome, reason, _ in hospital.trail("logout")] == [("refused", "provider_untrusted")]


def test_a_logout_token_is_good_once(hospital: Hospital) -> None:
    """Back-Channel Logout §2.6, decision 1: its jti is a row; who records it signs nobody out with it later."""
    token = hospital.provider.logout_token(sid=None, sub="idp-alice")
    assert told(hospital, token).status == 200
    hospital.world.clock.forward(seconds=1)
    browser, _ = opened(hospital)
    assert told(hospital, token).status == 400
    assert is_signed_in(hospital, browser)


NOT_ITS_OWN = [case for case in BAD if not case[1] or "typ" in case[1]]


@pytest.mark.parametrize(("claims", "header"), NOT_ITS_OWN)
def test_what_can_not_be_from_a_provider_costs_it_nothing(
    hospital: Hospital, claims: dict[str, Any], header: dict[str, Any]
) -> None:
    """Back-Channel Logout §2.6, RL-02: what it says is judged first, and nothing is fetched for it."""
    assert told(hospital, hospital.provider.logout_token(header, **claims)).status == 400
    assert [told(hospital, junk).status for junk in ("x", "a.b.c", "x" * 40_000)] == [400] * 3
    assert hospital.provider.asked == []


def test_a_token_that_came_before_is_not_asked_about(hospital: Hospital) -> None:
    """Back-Channel Logout §2.6: by its jti, before its keys are looked for."""
    token = hospital.provider.logout_token()
    assert told(hospital, token).status == 200
    hospital.world.clock.forward(seconds=310)
    asked = len(hospital.provider.asked)
    assert (told(hospital, token).status, len(hospital.provider.asked)) == (400, asked)


def test_a_token_in_a_bad_moment_is_to_be_sent_again(hospital: Hospital) -> None:
    """Back-Channel Logout §2.8: 400 means that it is invalid, and is not repeated; who can't say so says 503."""
    browser, tokens = opened(hospital)
    hospital.world.clock.forward(seconds=310)
    hospital.provider.is_down = True
    token = hospital.provider.logout_token()
    reply = told(hospital, token)
    assert (reply.status, reply.header("retry-after")) == (503, "60")
    assert reply.json()["error"] == "temporarily_unavailable"
    assert hospital.trail("logout") == []
    hospital.provider.is_down = False
    hospital.world.clock.forward(seconds=60)
    assert told(hospital, token).status == 200
    assert (is_signed_in(hospital, browser), is_live(hospital, tokens)) == (False, False)


def test_a_key_that_may_not_be_looked_for_yet_is_no_refusal(hospital: Hospital) -> None:
    """Back-Channel Logout §2.8: whoever invents names of keys loses no token that a new key signed."""
    browser, _ = opened(hospital)
    assert told(hospital, hospital.provider.logout_token({"kid": "key-7"})).status == 400
    hospital.provider.keys, hospital.provider.signs_with = ["key-1", "key-2"], "key-2"
    token = hospital.provider.logout_token()
    asked = len(hospital.provider.asked)
    assert [told(hospital, token).status for _ in range(20)] == [503] * 20
    assert len(hospital.provider.asked) == asked
    hospital.world.clock.forward(seconds=60)
    assert told(hospital, token).status == 200
    assert not is_signed_in(hospital, browser)


def test_a_forged_signature_is_refused_whenever_it_comes(hospital: Hospital) -> None:
    """Back-Channel Logout §2.6: by the name of a key that is published, so no newer set has to be seen."""
    told(hospital, hospital.provider.logout_token({"kid": "key-7"}))
    forged = hospital.provider.logout_token().rpartition(".")[0] + "." + "A" * 342
    assert [told(hospital, forged).status for _ in range(3)] == [400] * 3


def test_for_an_address_that_was_refused_too_often_nothing_is_fetched(
    hospital: Hospital, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RL-02, decision 27: nor is it refused what the keys that are here prove."""
    monkeypatch.setattr("authz.limits.REFUSALS", Limit("refusals", 3, 60))
    people = hospital.world.services.settings.people_per_address
    opened(hospital)
    hospital.world.services.backend.count(f"throttle:refusals:{digest('127.0.0.1')}", 60, 3 * people)
    assert told(hospital, "x").status == 429
    assert told(hospital, hospital.provider.logout_token()).status == 200
    asked = len(hospital.provider.asked)
    assert told(hospital, hospital.provider.logout_token({"kid": "key-7"})).status == 503
    hospital.world.clock.forward(seconds=310)
    hospital.world.services.backend.count(f"throttle:refusals:{digest('127.0.0.1')}", 60, 3 * people)
    assert told(hospital, hospital.provider.logout_token()).status == 503
    assert len(hospital.provider.asked) == asked


def test_what_is_no_logout_request_is_refused(hospital: Hospital) -> None:
    token = hospital.provider.logout_token()
    for reply in (
        told(hospital, None),
        told(hospital, "a.b.c"),
        told(hospital, token, "nobody"),
        told(hospital, hospital.provider.id_token({"nonce": "n"})),
    ):
        assert (reply.status, reply.json()["error"]) == (400, "invalid_request")


def test_another_provider_ends_no_session_of_this_one(hospital: Hospital) -> None:
    """Back-Channel Logout §2.6: the token is judged as that of the provider at whose address it came in."""
    hospital.add_provider("region", client_id="another-registration", label="Region")
    browser, _ = opened_by_choice(hospital)
    assert told(hospital, hospital.provider.logout_token(), "region").status == 400
    assert is_signed_in(hospital, browser)


def opened_by_choice(hospital: Hospital) -> tuple[Browser, Reply]:
    browser = hospital.world.browser()
    page = hospital.away(browser)
    link = page.text.partition('href="/sign-in/hospital')[2].partition('"')[0]
    away = browser.open(f"{hospital.world.issuer}/sign-in/hospital{link}")
    return browser, browser.open(hospital.provider.visited(away.location))


def test_whoever_signs_out_here_is_offered_to_sign_out_there(hospital: Hospital) -> None:
    """RP-Initiated Logout §2: offered and not forced, with the id_token of the session, told once."""
    browser, _ = opened(hospital)
    page = browser.submit(browser.open(f"{hospital.world.issuer}/logout"), press="sign_out")
    link = re.search(r'href="(https://idp\.example/oidc/logout\?[^"]+)"', page.text)
    assert link is not None, page.text
    asked = dict(parse_qsl(urlsplit(link[1].replace("&amp;", "&")).query))
    assert set(asked) == {"id_token_hint", "client_id"}
    assert asked["client_id"] == CLIENT_ID
    assert (
        hospital.federation.relying_party.signed(
            hospital.federation.relying_party.published.metadata(IDP), asked["id_token_hint"]
        )[1]["sub"]
        == "idp-alice"
    )
    assert "Sign out of Hospital ID" in page.text


def test_a_provider_without_a_way_out_is_not_mentioned(hospital: Hospital) -> None:
    hospital.provider.document = {"end_session_endpoint": None}
    browser, _ = opened(hospital)
    page = browser.submit(browser.open(f"{hospital.world.issuer}/logout"), press="sign_out")
    assert ("You are signed out" in page.text, "Hospital ID" in page.text) == (True, False)
