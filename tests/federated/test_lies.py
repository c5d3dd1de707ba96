"""A provider that lies, fails or is slow: nobody is signed in, in words, and the trail says why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from authz.outbound import Answer
from tests.federated.conftest import ALONE
from tests.upstream import CALLBACK, CLIENT_ID, IDP, as_json

if TYPE_CHECKING:
    from tests.actors import Browser
    from tests.federated.conftest import Hospital
    from tests.transport import Reply

ALICE = {"sub": "idp-alice", "fhirUser": "Patient/A"}
NOT_TRUSTED = "The answer of Hospital ID can not be trusted. You are not signed in."


@pytest.fixture(autouse=True)
def alice(hospital: Hospital) -> None:
    hospital.provider.person = dict(ALICE)


def check_refused(hospital: Hospital, browser: Browser, page: Reply, reason: str, cause: str) -> None:
    """The page says so, with a code that finds it, offers another try, and no session has begun."""
    assert page.status in {403, 503}
    assert 'role="alert"' in page.text
    assert "Sign in with Hospital ID" in page.text
    code = page.text.partition("Code for the support desk: <code>")[2][:8]
    outcome, why, detail = hospital.trail("login.failed")[-1]
    assert (outcome, why, detail["provider"]) == ("refused", reason, "hospital")
    assert cause in detail["cause"], detail
    assert browser.open(f"{hospital.world.issuer}/support/{code}").status == 200
    assert "authz_session" not in browser.cookies
    cancelled = browser.submit(page, press="cancel")
    assert cancelled.location_parameters["error"] == "access_denied"


LIES: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({"iss": "https://other.example"}, {}, "iss"),
    ({"iss": f"{IDP}/"}, {}, "iss"),
    ({"iss": None}, {}, "iss"),
    ({"aud": "another-app"}, {}, "aud"),
    ({"aud": [CLIENT_ID, "another-app"]}, {}, "aud"),
    ({"aud": []}, {}, "aud"),
    ({"azp": "another-app"}, {}, "azp"),
    ({"nonce": "of-another-request"}, {}, "nonce"),
    ({"nonce": None}, {}, "nonce"),
    ({"nonce": 7}, {}, "nonce"),
    ({"exp": 1}, {}, "exp"),
    ({"exp": None}, {}, "exp"),
    ({"exp": True}, {}, "exp"),
    ({"exp": "2099"}, {}, "exp"),
    ({"iat": None}, {}, "iat"),
    ({"iat": 1}, {}, "iat"),
    ({"nbf": 2**36}, {}, "nbf"),
    ({"auth_time": 2**36}, {}, "auth_time"),
    ({"auth_time": "now"}, {}, "auth_time"),
    ({"sub": None}, {}, "sub"),
    ({"sub": ""}, {}, "sub"),
    ({"sub": "x" * 256}, {}, "sub"),
    ({"sub": ["idp-alice"]}, {}, "sub"),
    ({"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"}, {}, "at_hash"),
    ({"events": {}}, {}, "not an id_token"),
    ({}, {"typ": "logout+jwt"}, "not an id_token"),
    ({}, {"typ": "at+jwt"}, "not an id_token"),
    ({}, {"alg": "none"}, "not base64url"),
    ({}, {"alg": "HS256"}, "alg must be one of"),
    ({}, {"kid": "unheard-of"}, "no key that it publishes"),
]


@pytest.mark.parametrize(("claims", "header", "cause"), LIES)
def test_a_lie_signs_nobody_in(hospital: Hospital, claims: dict[str, Any], header: dict[str, Any], cause: str) -> None:
    """OIDC Core §3.1.3.7, RFC 8725 §3: wrong issuer, audience, nonce, time, key, algorithm, kind, each by itself."""
    hospital.provider.claims, hospital.provider.header = claims, header
    browser = hospital.world.browser()
    page = hospital.arrive(browser)
    assert NOT_TRUSTED in page.text
    check_refused(hospital, browser, page, "provider_untrusted", cause)


def test_a_key_that_is_not_published_signs_nobody_in(hospital: Hospital) -> None:
    """OIDC Core §10.1: the right name over the wrong key; the set is fetched once more, and no third time."""
    hospital.provider.signs_with, hospital.provider.header = "key-2", {"kid": "key-1"}
    browser = hospital.world.browser()
    check_refused(hospital, browser, hospital.arrive(browser), "provider_untrusted", "no key that it publishes")
    hospital.arrive(hospital.world.browser())
    hospital.arrive(hospital.world.browser())
    assert hospital.provider.asked.count("GET /jwks") == 2


def test_a_new_key_of_the_provider_is_found(hospital: Hospital) -> None:
    """OIDC Core §10.1.1: a provider changes its keys without telling anybody."""
    assert hospital.arrive(hospital.world.browser()).status == 200
    hospital.provider.keys, hospital.provider.signs_with = ["key-2", "key-1"], "key-2"
    assert hospital.arrive(hospital.world.browser()).status == 200


@pytest.mark.parametrize(("algorithm", "kid"), [("PS256", "key-1"), ("RS512", "key-1"), ("ES256", "ec-1")])
def test_the_algorithms_of_providers_in_use_are_understood(hospital: Hospital, algorithm: str, kid: str) -> None:
    """OIDC Core §15.1: RS256 at least; others are as good, a shared secret is not."""
    hospital.provider.keys, hospital.provider.signs_with = [kid], kid
    hospital.provider.header = {"alg": algorithm}
    assert hospital.arrive(hospital.world.browser()).status == 200


def test_a_key_without_a_name_will_do_where_there_is_one(hospital: Hospital) -> None:
    """OIDC Core §10.1: kid is needed where there are several keys."""
    hospital.provider.header = {"kid": None}
    assert hospital.arrive(hospital.world.browser()).status == 200
    hospital.provider.keys = ["key-1", "key-2"]
    hospital.world.clock.forward(hours=2)
    assert hospital.arrive(hospital.world.browser()).status == 403


DOCUMENTS: list[tuple[dict[str, Any], str, str]] = [
    ({"issuer": "https://other.example"}, "provider_untrusted", "of another issuer"),
    ({"issuer": f"{IDP}/"}, "provider_untrusted", "of another issuer"),
    ({"token_endpoint": "http://idp.example/token"}, "provider_untrusted", "token_endpoint"),
    ({"jwks_uri": None}, "provider_untrusted", "jwks_uri"),
    ({"authorization_endpoint": "javascript:alert(1)"}, "provider_untrusted", "authorization_endpoint"),
    ({"end_session_endpoint": ["https://idp.example"]}, "provider_untrusted", "end_session_endpoint"),
]


@pytest.mark.parametrize(("document", "reason", "cause"), DOCUMENTS)
def test_a_document_that_can_not_be_sends_nobody_anywhere(
    hospital: Hospital, document: dict[str, Any], reason: str, cause: str
) -> None:
    """OIDC Discovery §4.3, RFC 9700 §4.4: whose issuer is another one's, or whose addresses are not safe."""
    hospital.provider.document = document
    browser = hospital.world.browser()
    check_refused(hospital, browser, hospital.away(browser), reason, cause)


def test_the_answer_says_who_answers(hospital: Hospital) -> None:
    """RFC 9207 §2.4: a wrong or missing ``iss`` is a mix-up; no code is sent anywhere then."""
    for iss in (None, "https://attacker.example"):
        browser = hospital.world.browser()
        page = browser.open(hospital.provider.visited(hospital.away(browser).location, iss=iss))
        check_refused(hospital, browser, page, "provider_untrusted", "RFC 9207")
    assert "POST /token" not in hospital.provider.asked
    hospital.provider.document = {"authorization_response_iss_parameter_supported": None}
    hospital.world.clock.forward(hours=2)
    browser = hospital.world.browser()
    assert browser.open(hospital.provider.visited(hospital.away(browser).location, iss=None)).status == 200


def test_an_answer_comes_in_at_the_address_of_its_provider_only(hospital: Hospital) -> None:
    """RFC 9700 §4.4.2: each provider has its own redirect URI; the answer of one is none of another."""
    hospital.add_provider("region", issuer="https://region.example", label="Region")
    browser = hospital.world.browser()
    page = hospital.away(browser)
    link = page.text.partition('href="/sign-in/hospital')[2].partition('"')[0]
    away = browser.open(f"{hospital.world.issuer}/sign-in/hospital{link}")
    back = hospital.provider.visited(away.location).replace(CALLBACK, CALLBACK.replace("hospital", "region"))
    assert browser.open(back).status == 400
    assert "POST /token" not in hospital.provider.asked


ANSWERS: list[tuple[dict[str, str | None], str, int, str]] = [
    ({"code": None, "error": "access_denied"}, "provider_declined", 403, "Hospital ID did not sign you in."),
    ({"code": None, "error": "login_required"}, "provider_declined", 403, "Hospital ID did not sign you in."),
    ({"code": None, "error": "server_error"}, "provider_failed", 503, "could not sign you in"),
    ({"code": None, "error": "temporarily_unavailable"}, "provider_failed", 503, "could not sign you in"),
    ({"code": None}, "provider_untrusted", 403, NOT_TRUSTED),
    ({"code": "guessed"}, "provider_untrusted", 403, NOT_TRUSTED),
]


@pytest.mark.parametrize(("answer", "reason", "status", "words"), ANSWERS)
def test_an_answer_without_a_good_code_is_a_page_in_words(
    hospital: Hospital, answer: dict[str, str | None], reason: str, status: int, words: str
) -> None:
    """OIDC Core §3.1.2.6: the person may try again, or go back to the app, which is told only then."""
    browser = hospital.world.browser()
    page = browser.open(hospital.provider.visited(hospital.away(browser).location, **answer))
    assert (page.status, words in page.text) == (status, True)
    check_refused(hospital, browser, page, reason, "")


FAULTS: list[tuple[str, Answer | None, str]] = [
    ("/token", as_json({"error": "server_error"}, 500), "provider_failed"),
    ("/token", Answer(200, {}, b"<html>"), "provider_untrusted"),
    ("/token", as_json({"access_token": "x"}), "provider_untrusted"),
    ("/token", as_json({"id_token": "a.b.c"}), "provider_untrusted"),
    ("/token", as_json({"id_token": 7}), "provider_untrusted"),
    ("/jwks", as_json({}, 500), "provider_unavailable"),
    ("/jwks", as_json({"keys": []}), "provider_untrusted"),
    ("/userinfo", as_json({}, 503), "provider_failed"),
    ("/userinfo", as_json({"sub": "idp-mallory", "name": "Mallory"}), "provider_untrusted"),
]


@pytest.mark.parametrize(("path", "answer", "reason"), FAULTS)
def test_a_fault_behind_the_browser_signs_nobody_in(hospital: Hospital, path: str, answer: Answer, reason: str) -> None:
    """House, law 2; OIDC Core §5.3.2: UserInfo must speak of the same person."""
    hospital.provider.answers[path] = answer
    browser = hospital.world.browser()
    check_refused(hospital, browser, hospital.arrive(browser), reason, "")


def test_a_provider_that_does_not_answer_is_left_alone_for_a_while(hospital: Hospital) -> None:
    """House, law 2: the page comes at once the second time; when it is back, so is the sign-in."""
    hospital.provider.is_down = True
    browser = hospital.world.browser()
    page = hospital.away(browser)
    assert (page.status, "does not answer at the moment" in page.text) == (503, True)
    hospital.away(hospital.world.browser())
    assert hospital.provider.asked == ["GET /.well-known/openid-configuration"]
    hospital.provider.is_down = False
    hospital.world.clock.forward(seconds=11)
    assert hospital.arrive(hospital.world.browser()).status == 200


def test_an_answer_is_good_once_and_in_the_browser_that_asked(hospital: Hospital) -> None:
    """RFC 9700 §4.7, LC-26: state is for one browser and one time; guessed, repeated or carried elsewhere: nothing."""
    browser, other = hospital.world.browser(), hospital.world.browser()
    back = hospital.provider.visited(hospital.away(browser).location)
    assert other.open(back).status == 400
    assert browser.open(back).status == 400  # whoever tried it elsewhere has used it up
    back = hospital.provider.visited(hospital.away(browser).location)
    assert browser.open(back).status == 200
    assert browser.open(back).status == 400
    for query in ("", "?state=", "?state=guessed&code=x", "?code=x&error=y"):
        assert browser.open(CALLBACK + query).status == 400
    assert hospital.provider.asked.count("POST /token") == 1


def test_two_tabs_do_not_get_into_each_others_way(hospital: Hospital) -> None:
    """LC-23: each answer belongs to its own request."""
    browser = hospital.world.browser()
    first, second = hospital.away(browser, state="s" * 22), hospital.away(browser, scope="openid", state="t" * 22)
    assert "code" in after_consent(browser, browser.open(hospital.provider.visited(second.location)), "t" * 22)
    assert "code" in after_consent(browser, browser.open(hospital.provider.visited(first.location)), "s" * 22)


def after_consent(browser: Browser, page: Reply, state: str) -> dict[str, str]:
    done = browser.submit(page, press="allow") if page.status == 200 else page
    assert done.location_parameters["state"] == state
    return done.location_parameters


@pytest.mark.parametrize(
    ("asked", "age"),
    [
        ({"prompt": "login"}, 3600),
        ({"max_age": "0"}, 3600),
        ({"max_age": "600"}, 3600),
        ({"prompt": "login"}, None),
        ({"max_age": "600"}, None),
    ],
)
def test_a_provider_that_does_not_ask_anew_is_refused(
    hospital: Hospital, asked: dict[str, str], age: int | None
) -> None:
    """OIDC Core §3.1.2.1: forwarded, and verified by auth_time; who does not tell it has not done it."""
    hospital.provider.claims = {"auth_time": None if age is None else hospital.provider.now() - age}
    browser = hospital.world.browser()
    page = hospital.arrive(browser, **asked)
    assert "You have to sign in anew" in page.text
    check_refused(hospital, browser, page, "provider_not_fresh", "auth_time")


def test_a_fresh_sign_in_is_asked_for_and_believed(hospital: Hospital) -> None:
    """OIDC Core §3.1.2.1: prompt=login and max_age travel on; select_account too."""
    expected = {
        "prompt=login": {"prompt": "login", "max_age": "0"},
        "max_age=600": {"max_age": "600"},
        "prompt=select_account": {"prompt": "select_account"},
        "prompt=consent": {},
    }
    for asked, forwarded in expected.items():
        name, _, value = asked.partition("=")
        browser = hospital.world.browser()
        away = hospital.away(browser, **{name: value})
        sent = {k: v for k, v in away.location_parameters.items() if k in {"prompt", "max_age"}}
        assert sent == forwarded, asked
        page = browser.open(hospital.provider.visited(away.location))
        assert "error" not in (page.location_parameters if page.status == 303 else {}), asked


def test_the_class_that_the_hospital_demands_must_be_reached(hospital: Hospital) -> None:
    """OIDC Core §5.5.1.1, RFC 9470 §5: asked for, and refused if it did not come."""
    with hospital.world.services.db.write() as session:
        hospital.federation.providers.update(session, "hospital", {"acr_values": ["mfa", "phr"]})
    browser = hospital.world.browser()
    away = hospital.away(browser)
    assert away.location_parameters["acr_values"] == "mfa phr"
    page = browser.open(hospital.provider.visited(away.location))
    check_refused(hospital, browser, page, "provider_too_weak", "acr")
    hospital.provider.claims = {"acr": "phr"}
    assert hospital.arrive(hospital.world.browser()).status == 200


def test_prompt_none_is_answered_here(hospital: Hospital) -> None:
    """OIDC Core §3.1.2.6: login_required at once, and nobody is sent to the provider for it."""
    answer = hospital.away(hospital.world.browser(), prompt="none").location_parameters
    assert answer["error"] == "login_required"
    assert hospital.provider.asked == []


def test_our_own_key_proves_who_we_are(hospital: Hospital) -> None:
    """OIDC Core §9: private_key_jwt for the issuer and nobody else, one minute, once."""
    with hospital.world.services.db.write() as session:
        hospital.federation.providers.update(session, "hospital", {"auth_method": "private_key_jwt"})
    hospital.arrive(hospital.world.browser())
    form = hospital.provider.forms[0]
    claims = hospital.world.services.keyring.verify(form["client_assertion"])
    now = hospital.provider.now()
    assert claims.pop("jti")
    assert claims == {"iss": CLIENT_ID, "sub": CLIENT_ID, "aud": IDP, "iat": now, "exp": now + 60}
    assert "client_secret" not in form


def test_the_request_and_what_was_asked_survive_the_round_trip(hospital: Hospital) -> None:
    """Issue 6.1: the app's own state and nonce come back from us, never from the provider."""
    browser = hospital.world.browser()
    done = browser.submit(hospital.arrive(browser, scope=ALONE, nonce="of-the-app"), press="allow")
    answer = done.location_parameters
    assert (answer["state"], answer["iss"]) == (hospital.world.public.state, hospital.world.issuer)
    token = hospital.world.public.redeem(answer["code"]).json()["id_token"]
    assert hospital.world.services.keyring.verify(token)["nonce"] == "of-the-app"
