"""It is forgotten as whom somebody comes from a provider, while they are being recognised by that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from authz.users.sign_ins import end_sign_ins
from authz.users.upstream import UpstreamIdentities
from tests.cli.conftest import Cli
from tests.federated.test_confirmed_launch_ended import confirmed_launch
from tests.federated.test_ehr_launch import TopLevel
from tests.federated.test_ended_on_the_way import OFFLINE, check_ended
from tests.federated.test_who import local_sub

if TYPE_CHECKING:
    from authz.users.registry import User
    from tests.federated.conftest import Hospital

MALLORY = {"sub": "idp-mallory", "name": "Mallory"}


@pytest.fixture
def forgotten(hospital: Hospital, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mallory was made known as alice by mistake; what mends it begins before she is found and ends right after."""
    Cli.of(hospital.world)("user", "identify", "alice", "hospital", "idp-mallory")
    hospital.provider.person = dict(MALLORY)
    services, honest, sub = hospital.world.services, UpstreamIdentities.find, local_sub(hospital, "alice")

    def find(self: UpstreamIdentities, *who: str) -> User | None:
        found = honest(self, *who)
        monkeypatch.setattr(UpstreamIdentities, "find", honest)

        def change(session: Any) -> None:
            self.detach(session, sub)
            end_sign_ins(session, sub, begun)

        services.revocation.revoke_user(sub, "user_unidentified", within=change)
        return found

    begun = hospital.world.clock()
    hospital.world.clock.forward(seconds=1)
    monkeypatch.setattr(UpstreamIdentities, "find", find)


@pytest.mark.usefixtures("forgotten")
def test_no_session_begins_as_the_person_they_were_taken_for(hospital: Hospital) -> None:
    """LC-26, I4: ``authz user unidentify`` has told that all of them ended."""
    browser = hospital.world.browser()
    check_ended(hospital, browser, hospital.arrive(browser, OFFLINE))
    assert hospital.federation.identities.find("https://idp.example/oidc", "idp-mallory") is None
    hospital.world.clock.forward(minutes=1)
    hospital.arrive(browser, OFFLINE)
    mallory = hospital.federation.identities.find("https://idp.example/oidc", "idp-mallory")
    assert mallory.sub != local_sub(hospital, "alice")


def test_a_launch_that_they_confirm_is_granted_nothing(hospital: Hospital, request: pytest.FixtureRequest) -> None:
    """LC-26, decision 14."""
    url = confirmed_launch(hospital)
    request.getfixturevalue("forgotten")
    browser = TopLevel(hospital.world.transport)
    reply = browser.open(hospital.provider.visited(browser.open(url).location))
    assert reply.location_parameters["error"] == "access_denied"
