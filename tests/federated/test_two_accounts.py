"""One person, known by two accounts, at one browser: each session is ended by those whose word began it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from authz.users.upstream import UpstreamIdentity
from tests.federated.test_back_channel_logout import ALICE, ONLINE, is_live, is_signed_in, opened, told
from tests.upstream import FakeProvider
from tests.world import OTHER_FHIR

if TYPE_CHECKING:
    from tests.actors import Browser
    from tests.federated.conftest import Hospital

REGION = "https://region.example/oidc"
THERE = {"sub": "region-alice", "fhirUser": "Patient/OA"}


@pytest.fixture(autouse=True)
def alice(hospital: Hospital) -> FakeProvider:
    """Alice is one person at the hospital and at the region, whose provider is that of the other FHIR server."""
    hospital.provider.person = dict(ALICE)
    region = FakeProvider(hospital.provider.clock, REGION, dict(THERE), sid="region-session-1")
    hospital.network.others.append(region)
    with hospital.world.services.db.write() as session:
        hospital.federation.providers.update(session, "hospital", {"fhir_servers": ["main"]})
    hospital.add_provider("region", issuer=REGION, label="Region", fhir_user_claim="fhirUser", fhir_servers=("other",))
    hospital.rules("other", local_accounts=False)
    return region


def sub_of(hospital: Hospital, tokens: Any) -> str:
    return str(hospital.world.fhir_server.introspect(tokens["access_token"])["sub"])


def is_known_as(hospital: Hospital, sub: str, reference: str = "Patient/OA", fhir_server: str = "other") -> None:
    """By an operator's word, also at the region's provider: ``authz user identify``."""
    known = UpstreamIdentity(REGION, THERE["sub"], "region", {}, hospital.world.clock())
    with hospital.world.services.db.write() as session:
        hospital.world.services.users.link(session, sub, fhir_server, reference)
        assert hospital.federation.identities.attach(session, sub, known)


def has_a_password_here(hospital: Hospital, sub: str) -> None:
    """As ``alice-here``, who opens apps of the other FHIR server by it; it ends the sessions of before."""
    with hospital.world.services.db.write() as session:
        hospital.world.services.users.row(session, sub).name = "alice-here"
        hospital.world.services.passwords.set_password(session, sub, "alice-password")
    hospital.rules("other", local_accounts=True)
    is_known_as(hospital, sub)
    hospital.world.clock.forward(seconds=1)


def at_the_region(hospital: Hospital, browser: Browser, region: FakeProvider) -> Any:
    """What the app of the other FHIR server gets for whoever comes back from the region's provider."""
    app = replace(hospital.world.public, aud=OTHER_FHIR)
    away = browser.open(app.authorize_url(scope=ONLINE))
    page = browser.open(region.visited(away.location))
    page = browser.submit(page, press="allow") if page.status == 200 else page
    return app.redeem(page.location_parameters["code"]).json()


def is_refreshed(hospital: Hospital, tokens: Any) -> bool:
    return bool(hospital.world.public.refresh(tokens["refresh_token"]).status == 200)


def test_a_sign_in_at_a_second_provider_leaves_nothing_that_the_first_can_not_end(
    hospital: Hospital, alice: FakeProvider
) -> None:
    """Back-Channel Logout §2.7, REF-12: what began by the word of one does not go on by that of another."""
    browser, tokens = opened(hospital, scope=ONLINE)
    person = sub_of(hospital, tokens)
    is_known_as(hospital, person)
    others = at_the_region(hospital, browser, alice)
    assert (is_live(hospital, tokens), is_refreshed(hospital, tokens)) == (False, False)
    assert ("success", "another_account") in [(outcome, reason) for outcome, reason, _ in hospital.trail("logout")]
    assert told(hospital, hospital.provider.logout_token()).status == 200
    seen = hospital.world.other_fhir_server.introspect(others["access_token"])
    assert (seen["active"], seen["sub"]) == (True, person)
    assert told(hospital, alice.logout_token(), "region").status == 200
    assert hospital.world.other_fhir_server.introspect(others["access_token"]) == {"active": False}


def test_a_password_of_this_server_begins_a_session_of_its_own(hospital: Hospital) -> None:
    """Back-Channel Logout §2.7: a session there says nothing of who proved by something else who they are."""
    _, earlier = opened(hospital)
    has_a_password_here(hospital, sub_of(hospital, earlier))
    browser, tokens = opened(hospital, scope=ONLINE)
    page = browser.open(replace(hospital.world.public, aud=OTHER_FHIR).authorize_url(scope=ONLINE))
    browser.sign_in(page, "alice-here", "alice-password")
    assert is_live(hospital, tokens) is False
    assert told(hospital, hospital.provider.logout_token()).status == 200
    page = browser.open(replace(hospital.world.public, aud=OTHER_FHIR).authorize_url(scope="openid", prompt="none"))
    assert page.location_parameters.get("error") != "login_required"


def test_the_same_account_stays_in_its_session(hospital: Hospital) -> None:
    """REF-12: proved anew, what apps were given goes on; of two sessions there the last one counts."""
    browser, tokens = opened(hospital, scope=ONLINE)
    hospital.provider.sid = "idp-session-2"
    hospital.arrive(browser, ONLINE, prompt="login")
    assert is_refreshed(hospital, tokens)
    assert told(hospital, hospital.provider.logout_token()).status == 200
    assert is_signed_in(hospital, browser) is False


def test_a_provider_that_is_switched_off_leaves_none_of_its_sessions(hospital: Hospital, alice: FakeProvider) -> None:
    """Whatever somebody did in the same browser since, the sessions that began there are over."""
    browser, tokens = opened(hospital, scope=ONLINE)
    is_known_as(hospital, sub_of(hospital, tokens))
    at_the_region(hospital, browser, alice)
    with hospital.world.services.db.read() as session:
        assert hospital.federation.sessions.begun_at(session, "hospital") == []
    assert is_refreshed(hospital, tokens) is False


def test_a_page_of_one_provider_is_not_answered_in_the_session_of_the_other(
    hospital: Hospital, alice: FakeProvider
) -> None:
    """LC-09, REF-12: what it gave would end with neither."""
    hospital.provider.sid = "idp-session-1"
    own = hospital.world.browser()
    page = hospital.arrive(own, ONLINE)
    page = own.submit(page, press="allow") if page.status == 200 else page
    tokens = hospital.world.public.redeem(page.location_parameters["code"]).json()
    is_known_as(hospital, sub_of(hospital, tokens))
    browser = hospital.world.browser()
    away = browser.open(hospital.world.confidential.authorize_url(scope=ONLINE))
    first_tab = browser.open(hospital.provider.visited(away.location))
    address = browser.url
    at_the_region(hospital, browser, alice)
    browser.url = address
    answered = browser.submit(first_tab, press="allow")
    assert answered.status == 403
    assert "somebody else has signed in, since this page was shown" in answered.text
