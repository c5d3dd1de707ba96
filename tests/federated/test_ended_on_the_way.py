"""A provider says that a session there has ended while somebody is between it and a session here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from authz.login.session import Sessions
from authz.users.model import BrowserSessionRow
from tests.federated.conftest import ALONE
from tests.federated.test_back_channel_logout import is_signed_in, told
from tests.federated.test_ehr_launch import DOCTOR, Framed, TopLevel, launch_url, sign_in_beside
from tests.federated.test_who import DANA, SEARCH
from tests.upstream import practitioner

if TYPE_CHECKING:
    from tests.actors import Browser
    from tests.federated.conftest import Hospital
    from tests.transport import Reply

ALICE = {"sub": "idp-alice", "fhirUser": "Patient/A"}
OFFLINE = f"{ALONE} offline_access"
SAID = "Your session at Hospital ID has ended. Sign in again."


def check_ended(hospital: Hospital, browser: Browser, page: Reply) -> None:
    assert (page.status, SAID in page.text) == (403, True), page.text
    assert "authz_session" not in browser.cookies
    assert hospital.trail("login.failed")[-1][:2] == ("refused", "provider_session_ended")


def asked_which(hospital: Hospital) -> tuple[Browser, Reply]:
    hospital.provider.person = dict(DANA)
    hospital.network.people = [practitioner("p-1", "17"), practitioner("p-2", "17")]
    hospital.rules(searches=[SEARCH])
    browser = hospital.world.browser()
    page = hospital.arrive(browser, "openid fhirUser user/Observation.rs offline_access")
    assert "Which of these" in page.text
    return browser, page


MEANT: list[dict[str, Any]] = [{}, {"sub": "idp-dana"}, {"sid": None, "sub": "idp-dana"}]


@pytest.mark.parametrize("claims", MEANT)
@pytest.mark.parametrize("minutes", [0, 14])
def test_who_was_asked_which_of_several_they_are_is_not_let_in(
    hospital: Hospital, claims: dict[str, Any], minutes: int
) -> None:
    """Back-Channel Logout §2.7, LC-26: whoever sits at the page that was left open presses a button."""
    browser, page = asked_which(hospital)
    assert told(hospital, hospital.provider.logout_token(**claims)).status == 200
    hospital.world.clock.forward(minutes=minutes)
    check_ended(hospital, browser, browser.submit(page, {"reference": "Practitioner/p-2"}))
    assert hospital.federation.identities.find("https://idp.example/oidc", "idp-dana") is None


def test_an_answer_that_was_not_opened_yet_lets_nobody_in(hospital: Hospital) -> None:
    """Back-Channel Logout §2.7: the provider may redeem its code all the same."""
    hospital.provider.person = dict(ALICE)
    browser = hospital.world.browser()
    back = hospital.provider.visited(hospital.away(browser, OFFLINE).location)
    assert told(hospital, hospital.provider.logout_token(sub="idp-alice")).status == 200
    hospital.world.clock.forward(minutes=14)
    check_ended(hospital, browser, browser.open(back))


@pytest.mark.parametrize(
    "claims", [{"sid": "idp-session-2"}, {"sub": "idp-alice"}, {"sid": "idp-session-2", "sub": "idp-dana"}]
)
def test_the_end_of_another_session_there_stops_nobody(hospital: Hospital, claims: dict[str, Any]) -> None:
    """Back-Channel Logout §2.4: sid and sub must both fit."""
    browser, page = asked_which(hospital)
    assert told(hospital, hospital.provider.logout_token(**claims)).status == 200
    browser.submit(page, {"reference": "Practitioner/p-2"})
    assert "authz_session" in browser.cookies


def test_who_is_sent_there_afterwards_is_let_in(hospital: Hospital) -> None:
    """Back-Channel Logout §2.7: only what was on its way ends; trying again is enough, a second later."""
    browser, page = asked_which(hospital)
    told(hospital, hospital.provider.logout_token(sid=None, sub="idp-dana"))
    hospital.world.clock.forward(seconds=1)
    refused = browser.submit(page, {"reference": "Practitioner/p-2"})
    check_ended(hospital, browser, refused)
    page = hospital.arrive(browser, "openid fhirUser user/Observation.rs")
    browser.submit(page, {"reference": "Practitioner/p-2"})
    assert is_signed_in(hospital, browser)


def test_a_session_that_begins_while_its_end_is_told_ends(hospital: Hospital, monkeypatch: pytest.MonkeyPatch) -> None:
    """Back-Channel Logout §2.7: told after the way was looked at, before the session could be found."""
    hospital.provider.person = dict(ALICE)
    browser, begin = hospital.world.browser(), Sessions.begin

    def meanwhile(self: Sessions, *words: Any) -> Any:
        assert told(hospital, hospital.provider.logout_token(sub="idp-alice")).status == 200
        return begin(self, *words)

    monkeypatch.setattr(Sessions, "begin", meanwhile)
    check_ended(hospital, browser, hospital.arrive(browser, OFFLINE))
    with hospital.world.services.db.read() as session:
        (row,) = session.scalars(select(BrowserSessionRow))
    assert row.ended_at is not None


@pytest.fixture
def confirmed(hospital: Hospital) -> None:
    hospital.provider.person = dict(DOCTOR)
    with hospital.world.services.db.write() as session:
        hospital.world.services.fhir_servers.update(session, "main", {"reauthenticate": True})


@pytest.mark.usefixtures("confirmed")
def test_a_launch_is_not_confirmed_by_a_session_that_ended(hospital: Hospital) -> None:
    """Decision 14: the launch goes on when its user signs in again."""
    browser = TopLevel(hospital.world.transport)
    back = hospital.provider.visited(browser.open(launch_url(hospital)).location)
    told(hospital, hospital.provider.logout_token(sub="idp-doctor"))
    check_ended(hospital, browser, browser.open(back))


@pytest.mark.usefixtures("confirmed")
def test_the_code_of_the_window_goes_on_with_no_session_that_ended(hospital: Hospital) -> None:
    """Decision 14: the window was left open beside the frame."""
    frame = Framed(hospital.world.transport)
    page = frame.open(launch_url(hospital))
    code = sign_in_beside(hospital, page)
    told(hospital, hospital.provider.logout_token(sub="idp-doctor"))
    hospital.world.clock.forward(minutes=14)
    page = frame.submit(page, {"code": code}, press="collect")
    assert (page.status, "That sign-in has ended. Sign in again." in page.text) == (401, True)
    assert hospital.trail("login.failed")[-1][:2] == ("refused", "provider_session_ended")
    hospital.world.clock.forward(seconds=1)
    done = frame.submit(page, {"code": sign_in_beside(hospital, page)}, press="collect")
    assert hospital.world.public.redeem(done.location_parameters["code"]).json()["patient"] == "A"
