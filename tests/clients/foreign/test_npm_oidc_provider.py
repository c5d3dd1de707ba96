"""A certified OpenID Connect provider (npm oidc-provider) as the hospital's, over real HTTP."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from tests.actors import Browser
from tests.federated.test_ehr_launch import TopLevel
from tests.live import Live, live_server
from tests.node_provider import SECRET, Hospital, know, provider
from tests.servers import wait_until
from tests.transport import OverHttp

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.transport import Reply

pytestmark = pytest.mark.node

ALONE = "launch/patient patient/*.rs openid fhirUser online_access"


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with live_server(tmp_path_factory.mktemp("provider")) as running:
        yield running


@pytest.fixture
def hospital(live: Live) -> Iterator[Hospital]:
    with provider(live, client_secret=SECRET) as running:
        know(running)
        yield running


def opened_alone(hospital: Hospital, browser: Browser, at: Browser, **changes: str) -> Reply:
    away = browser.open(hospital.live.public.authorize_url(scope=ALONE, **changes))
    page = browser.open(hospital.sign_in(at, away.location, "idp-alice"))
    return browser.submit(page, press="allow") if page.status == 200 else page


def claims_of(hospital: Hospital, id_token: str) -> Any:
    with hospital.live.app.app_context():
        return hospital.live.app.extensions["authz"].keyring.verify(id_token)


def test_a_patient_signs_in_at_a_real_provider_and_opens_an_app(hospital: Hospital) -> None:
    """Issue 6.1, OIDC Core §3.1: discovery, PKCE, id_token by its own key; fhirUser comes from its UserInfo."""
    browser, at = Browser(OverHttp(hospital.live.settings.issuer)), hospital.person()
    done = opened_alone(hospital, browser, at)
    tokens = hospital.live.public.redeem(done.location_parameters["code"]).json()
    assert tokens["patient"] == "A"
    assert claims_of(hospital, tokens["id_token"])["fhirUser"].endswith("/Patient/A")


def test_a_session_there_spares_the_second_sign_in_unless_the_app_wants_one(hospital: Hospital) -> None:
    """OIDC Core §3.1.2.1: single sign-on; prompt=login is forwarded, heeded, and proved by auth_time."""
    at = hospital.person()
    opened_alone(hospital, Browser(OverHttp(hospital.live.settings.issuer)), at)
    browser = Browser(OverHttp(hospital.live.settings.issuer))
    away = browser.open(hospital.live.public.authorize_url(scope=ALONE))
    page = at.open(away.location)
    assert page.location.startswith(f"{hospital.live.settings.issuer}/sign-in/hospital/callback?")
    assert "code" in browser.open(page.location).location_parameters
    again = Browser(OverHttp(hospital.live.settings.issuer))
    page = at.open(again.open(hospital.live.public.authorize_url(scope=ALONE, prompt="login")).location)
    assert 'name="login"' in page.text
    page = at.submit(page, {"login": "idp-alice", "password": "any"})
    page = at.submit(page) if page.status == 200 else page
    assert "code" in again.open(page.location).location_parameters


def test_a_clinician_confirms_an_ehr_launch_at_a_real_provider(hospital: Hospital) -> None:
    """Issue 6.1, decision 14: reauthenticate; in a tab at once, in a frame by a window and its code."""
    hospital.live.change_fhir_server(reauthenticate=True)
    try:
        at, transport = hospital.person(), OverHttp(hospital.live.settings.issuer)
        launch = hospital.live.ehr.launch("public", "doctor", patient="A")["launch"]
        scope = "launch patient/*.rs openid fhirUser"
        tab = TopLevel(transport)
        away = tab.open(hospital.live.public.authorize_url(launch=launch, scope=scope))
        done = tab.open(hospital.sign_in(at, away.location, "idp-doctor"))
        assert hospital.live.public.redeem(done.location_parameters["code"]).json()["patient"] == "A"
        launch = hospital.live.ehr.launch("public", "doctor", patient="A")["launch"]
        frame, window = Browser(transport), TopLevel(transport)
        page = frame.open(hospital.live.public.authorize_url(launch=launch, scope=scope))
        link = re.search(r'href="(/sign-in/hospital\?[^"]+)" target="_blank"', page.text)
        assert link is not None
        away = window.open(hospital.live.settings.issuer + link[1].replace("&amp;", "&"))
        shown = window.open(hospital.sign_in(at, away.location, "idp-doctor"))
        code = re.search(r"<strong>(\d{3} \d{3})</strong>", shown.text)
        assert code is not None
        done = frame.submit(page, {"code": code[1]}, press="collect")
        assert hospital.live.public.redeem(done.location_parameters["code"]).json()["patient"] == "A"
    finally:
        hospital.live.change_fhir_server(reauthenticate=False)


def test_who_signs_out_there_is_signed_out_here(hospital: Hospital) -> None:
    """Back-Channel Logout 1.0: the provider's own logout token, by way of the sign-out that we offered."""
    browser, at = Browser(OverHttp(hospital.live.settings.issuer)), hospital.person()
    done = opened_alone(hospital, browser, at)
    tokens = hospital.live.public.redeem(done.location_parameters["code"]).json()
    other = Browser(OverHttp(hospital.live.settings.issuer))
    done = opened_alone(hospital, other, at)
    others = hospital.live.public.redeem(done.location_parameters["code"]).json()
    page = browser.submit(browser.open(f"{hospital.live.settings.issuer}/logout"), press="sign_out")
    assert hospital.live.fhir_server.introspect(tokens["access_token"]) == {"active": False}
    assert hospital.live.fhir_server.introspect(others["access_token"])["active"] is True
    link = re.search(rf'href="({re.escape(hospital.issuer)}/session/end\?[^"]+)"', page.text)
    assert link is not None, page.text
    asked = at.open(link[1].replace("&amp;", "&"))
    gone = at.submit(asked, {"logout": "yes"})
    assert gone.status == 200, gone.text
    wait_until(
        lambda: hospital.live.fhir_server.introspect(others["access_token"]) == {"active": False}, "the sign-out here"
    )
    answer = other.open(hospital.live.public.authorize_url(scope="openid", prompt="none")).location_parameters
    assert answer["error"] == "login_required"


def test_our_own_key_is_believed_by_a_real_provider(live: Live) -> None:
    """OIDC Core §9, RFC 7523 §3: private_key_jwt by the keys that we publish."""
    own = {
        "token_endpoint_auth_method": "private_key_jwt",
        "jwks_uri": f"{live.settings.issuer}/jwks",
        "token_endpoint_auth_signing_alg": "RS256",
    }
    with provider(live, **own) as hospital:
        know(hospital, None, auth_method="private_key_jwt")
        browser = Browser(OverHttp(live.settings.issuer))
        assert "code" in opened_alone(hospital, browser, hospital.person()).location_parameters


def test_a_secret_that_it_does_not_know_signs_nobody_in(hospital: Hospital) -> None:
    """The control of the tests above: the provider does check who we are."""
    know(hospital, "another-secret-altogether")
    browser = Browser(OverHttp(hospital.live.settings.issuer))
    away = browser.open(hospital.live.public.authorize_url(scope=ALONE))
    page = browser.open(hospital.sign_in(hospital.person(), away.location, "idp-alice"))
    assert (page.status, "can not be trusted" in page.text) == (403, True)
