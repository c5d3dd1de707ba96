"""A provider is switched off, or removed, while people are between it and a session here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from authz.login.federated.relying_party import RelyingParty
from tests.cli.conftest import Cli
from tests.federated.test_confirmed_launch_ended import confirmed_launch, consent_page
from tests.federated.test_ehr_launch import Framed, sign_in_beside
from tests.federated.test_ended_on_the_way import ALICE, OFFLINE, SAID, asked_which

if TYPE_CHECKING:
    from tests.federated.conftest import Hospital

SWITCHED = pytest.mark.parametrize("how", ["disable", "remove"])


def off_and_on(hospital: Hospital, how: str) -> None:
    Cli.of(hospital.world)("sign-in-provider", how, "hospital")
    hospital.world.clock.forward(minutes=2)
    on_again(hospital, how)


def on_again(hospital: Hospital, how: str) -> None:
    if how == "disable":
        Cli.of(hospital.world)("sign-in-provider", "enable", "hospital")
    else:
        hospital.add_provider(fhir_user_claim="fhirUser", fhir_servers=("main",))


@SWITCHED
def test_who_was_asked_which_of_several_they_are_is_not_let_in(hospital: Hospital, how: str) -> None:
    """LC-26, A7: the provider was not to be believed when it said who they are."""
    browser, page = asked_which(hospital)
    off_and_on(hospital, how)
    refused = browser.submit(page, {"reference": "Practitioner/p-2"})
    assert (refused.status, SAID in refused.text, "authz_session" in browser.cookies) == (403, True, False)
    assert hospital.federation.identities.find("https://idp.example/oidc", "idp-dana") is None


@SWITCHED
def test_allow_on_the_page_of_a_launch_that_was_confirmed_there_has_the_person_sign_in_again(
    hospital: Hospital, how: str
) -> None:
    """LC-26, decision 14."""
    browser, page = consent_page(hospital)
    off_and_on(hospital, how)
    away = browser.submit(page, press="allow")
    assert (away.status, away.location.partition("?")[0]) == (303, "https://idp.example/oidc/authorize")


def test_the_code_of_a_window_is_worth_nothing_in_the_frame_beside_it(hospital: Hospital) -> None:
    """LC-26, decision 51."""
    url = confirmed_launch(hospital)
    frame = Framed(hospital.world.transport)
    page = frame.open(url)
    code = sign_in_beside(hospital, page)
    off_and_on(hospital, "disable")
    page = frame.submit(page, {"code": code}, press="collect")
    assert (page.status, "That sign-in has ended. Sign in again." in page.text) == (401, True)


@SWITCHED
def test_an_answer_that_is_being_read_begins_no_session(
    hospital: Hospital, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """LC-26, I4: ``ended_sessions`` does not count it, and it must not be there when the provider is on again."""
    honest = RelyingParty.proof

    def switched_off_meanwhile(self: RelyingParty, *rest: Any) -> Any:
        found = honest(self, *rest)
        assert Cli.of(hospital.world)("sign-in-provider", how, "hospital")["ended_sessions"] == 0
        return found

    hospital.provider.person = dict(ALICE)
    browser = hospital.world.browser()
    back = hospital.provider.visited(hospital.away(browser, OFFLINE).location)
    with monkeypatch.context() as patched:
        patched.setattr(RelyingParty, "proof", switched_off_meanwhile)
        assert browser.open(back).status == 403
    assert "authz_session" not in browser.cookies
    on_again(hospital, how)
    assert hospital.away(browser, OFFLINE).location.startswith("https://idp.example/oidc/authorize")
