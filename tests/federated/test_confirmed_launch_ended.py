"""A provider says that a session there has ended by which a launch was confirmed whose page is still open."""

from __future__ import annotations

from typing import TYPE_CHECKING

from authz.login.federated.logout_token import Ended
from tests.federated.test_back_channel_logout import told
from tests.federated.test_ehr_launch import Framed, TopLevel, launch_url, sign_in_beside
from tests.flows.test_granted_meanwhile import in_the_midst

if TYPE_CHECKING:
    import pytest
    from sqlalchemy.orm import Session

    from tests.actors import Browser
    from tests.federated.conftest import Hospital
    from tests.transport import Reply
    from tests.world import World

ALICE = {"sub": "idp-alice", "fhirUser": "Patient/A"}


def confirmed_launch(hospital: Hospital) -> str:
    """Of a patient, who is asked for consent after signing in at the provider."""
    hospital.provider.person = dict(ALICE)
    with hospital.world.services.db.write() as session:
        hospital.world.services.fhir_servers.update(session, "main", {"reauthenticate": True})
    return launch_url(hospital, "Patient/A")


def consent_page(hospital: Hospital) -> tuple[Browser, Reply]:
    browser = TopLevel(hospital.world.transport)
    page = browser.open(hospital.provider.visited(browser.open(confirmed_launch(hospital)).location))
    assert "Share with" in page.text
    return browser, page


def test_allow_on_a_page_left_open_is_refused_when_the_session_that_confirmed_the_launch_has_ended(
    hospital: Hospital,
) -> None:
    """Back-Channel Logout §2.7, LC-26, decision 14: a new sign-in is demanded, and then it goes on."""
    browser, page = consent_page(hospital)
    told(hospital, hospital.provider.logout_token(sub="idp-alice"))
    hospital.world.clock.forward(minutes=13)
    away = browser.submit(page, press="allow")
    assert (away.status, away.location.partition("?")[0]) == (303, "https://idp.example/oidc/authorize")
    assert (away.location_parameters["prompt"], away.location_parameters["max_age"]) == ("login", "0")
    page = browser.open(hospital.provider.visited(away.location))
    done = browser.submit(page, press="allow")
    assert hospital.world.public.redeem(done.location_parameters["code"]).json()["patient"] == "A"


def test_allow_in_a_frame_is_refused_when_the_session_in_the_window_beside_it_has_ended(hospital: Hospital) -> None:
    """Back-Channel Logout §2.7, decision 14: the code was typed before."""
    url = confirmed_launch(hospital)
    frame = Framed(hospital.world.transport)
    page = frame.open(url)
    page = frame.submit(page, {"code": sign_in_beside(hospital, page)}, press="collect")
    assert "Share with" in page.text
    told(hospital, hospital.provider.logout_token(sub="idp-alice"))
    hospital.world.clock.forward(minutes=13)
    page = frame.submit(page, press="allow")
    assert (page.status, "Sign in with Hospital ID" in page.text, "Share with" in page.text) == (200, True, False)


def test_the_end_of_another_session_there_leaves_the_launch_confirmed(hospital: Hospital) -> None:
    """Back-Channel Logout §2.4."""
    browser, page = consent_page(hospital)
    told(hospital, hospital.provider.logout_token(sub="idp-dana"))
    assert "code" in browser.submit(page, press="allow").location_parameters


def test_a_grant_on_its_way_ends_with_the_session_that_confirmed_its_launch(
    hospital: Hospital, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Back-Channel Logout §2.7, I4: told when everything has been found out, and nothing is written yet."""
    browser, page = consent_page(hospital)

    def end(_: World, session: Session) -> None:
        ended = Ended("https://idp.example/oidc", "idp-alice", None, "told-once", hospital.world.clock())
        hospital.federation.sessions.note_end(session, ended)

    in_the_midst(hospital.world, monkeypatch, end)
    answer = browser.submit(page, press="allow").location_parameters
    assert (answer.get("code"), answer["error"]) == (None, "access_denied")
