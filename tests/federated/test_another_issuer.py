"""A provider is changed for another one under the same name: what the one before said goes on by nothing."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.cli.conftest import Cli
from tests.federated.test_back_channel_logout import ALICE, ONLINE, is_live, is_signed_in, opened
from tests.federated.test_who import SEARCH
from tests.upstream import CLIENT_ID, IDP, FakeProvider, practitioner

if TYPE_CHECKING:
    from tests.federated.conftest import Hospital

NEW = "https://new-idp.example/oidc"
UPDATE = ("sign-in-provider", "update", "hospital")


@pytest.mark.parametrize("change", [("--issuer", NEW), ("--client-id", "another")])
def test_the_sessions_that_began_by_it_end_with_it(hospital: Hospital, change: tuple[str, str]) -> None:
    """A7, REF-12: its sign-outs are heard no more, so nothing goes on that they would have ended."""
    hospital.provider.person = dict(ALICE)
    browser, tokens = opened(hospital, scope=ONLINE)
    operator = Cli.of(hospital.world)
    assert "ended_sessions" not in operator(*UPDATE, "--label", "Hospital")
    assert is_live(hospital, tokens)
    assert operator(*UPDATE, *change)["ended_sessions"] == 1
    assert (is_signed_in(hospital, browser), is_live(hospital, tokens)) == (False, False)
    assert hospital.world.public.refresh(tokens["refresh_token"]).status == 400
    assert operator(*UPDATE, *change).get("ended_sessions") is None


def test_nobody_is_found_by_the_list_of_the_one_before(hospital: Hospital) -> None:
    """A7, decision 19: 1001 there is somebody else than 1001 here."""
    operator = Cli.of(hospital.world)
    operator(*UPDATE, "--fhir-user-claim", "")
    operator("sign-in-provider", "map", "hospital", "1001", "Practitioner/dr", "--fhir-server", "main")
    operator(*UPDATE, "--client-id", "authz-2")
    assert operator("sign-in-provider", "mapped", "--fhir-server", "main") == [
        {"provider": "hospital", "value": "1001", "reference": "Practitioner/dr"}
    ]
    operator(*UPDATE, "--issuer", NEW, "--client-id", CLIENT_ID)
    assert operator("sign-in-provider", "mapped", "--fhir-server", "main") == []
    new = FakeProvider(hospital.provider.clock, NEW, {"sub": "1001", "name": "Somebody else"})
    hospital.network.provider = new
    browser = hospital.world.browser()
    page = browser.open(new.visited(hospital.away(browser).location))
    assert "We do not find you in these records" in page.text
    somebody = hospital.federation.identities.find(NEW, "1001")
    assert hospital.world.services.users.fhir_users(somebody.sub) == {}


def test_who_is_on_the_way_from_it_arrives_no_more(hospital: Hospital) -> None:
    """Issue 6.1: at the page that asks which of several people they are, say."""
    hospital.provider.person = {"sub": "idp-dana", "employee_number": "17"}
    hospital.network.people = [practitioner("p-1", "17"), practitioner("p-2", "17")]
    hospital.rules(searches=[SEARCH])
    browser = hospital.world.browser()
    page = hospital.arrive(browser, "openid fhirUser")
    assert re.search("Which of these is you", page.text)
    Cli.of(hospital.world)(*UPDATE, "--issuer", NEW)
    refused = browser.submit(page, {"reference": "Practitioner/p-1"})
    assert (refused.status, "authz_session" in browser.cookies) == (403, False)
    assert hospital.federation.identities.find(IDP, "idp-dana") is None
