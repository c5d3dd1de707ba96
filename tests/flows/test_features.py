"""What a hospital has switched off at a FHIR server is refused in the protocol's own words (decision 23)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from authz.errors import InvalidValue
from authz.fhir_servers.features import Feature
from authz.tokens.model import GrantRow
from tests.world import FHIR, OTHER_FHIR

if TYPE_CHECKING:
    from tests.world import World

SCOPE = "launch patient/*.read offline_access"


def switch_off(world: World, *without: str, name: str = "main") -> None:
    with world.services.db.write() as session:
        world.services.fhir_servers.update(session, name, {"without": without})


def handle(world: World, **context: Any) -> str:
    return str(world.ehr.launch("public", "Practitioner/dr", patient="A", **context)["launch"])


def refused(told: dict[str, str], error: str, words: str) -> None:
    assert told["error"] == error
    assert told["error_description"].startswith(words)


def test_without_standalone_an_app_is_opened_from_the_ehr_only(world: World) -> None:
    """REQ-36: the app hears why before anybody is asked to sign in; an EHR launch works as before."""
    switch_off(world, Feature.STANDALONE)
    told = world.browser().open(world.public.authorize_url(scope="patient/*.rs")).location_parameters
    refused(told, "unauthorized_client", "at this FHIR server apps are opened from the EHR only: launch is missing")
    assert told["state"] == world.public.state
    assert world.public.tokens(handle(world), SCOPE)["patient"] == "A"


def test_without_ehr_launch_neither_the_ehr_nor_an_app_gets_far(world: World) -> None:
    before = handle(world)
    switch_off(world, Feature.EHR_LAUNCH)
    reply = world.ehr.post("/launch", {"client_id": "public", "fhir_server": FHIR, "user": "doctor"})
    words = "fhir_server: apps are not opened from an EHR at this FHIR server"
    assert (reply.status, reply.json()["error"], reply.json()["error_description"]) == (400, "invalid_request", words)
    told = world.public.launched(before, SCOPE).location_parameters
    refused(told, "unauthorized_client", "at this FHIR server apps are not opened from an EHR: leave launch out")
    assert world.standalone(world.public, "patient/*.rs", "alice")


def test_without_offline_access_it_is_dropped_with_a_verdict(world: World) -> None:
    switch_off(world, Feature.OFFLINE_ACCESS)
    tokens = world.public.tokens(handle(world), f"{SCOPE} online_access")
    assert tokens["scope"] == "launch patient/*.read online_access"
    assert verdict(world, "offline_access") == ("dropped", "policy", "access ends with the session at this FHIR server")


def test_without_scopes_v1_the_verdict_says_how_to_write_them(world: World) -> None:
    switch_off(world, Feature.SCOPES_V1)
    tokens = world.public.tokens(handle(world), "launch patient/*.read patient/Patient.rs?code=a.*")
    assert tokens["scope"] == "launch patient/Patient.rs?code=a.*"
    words = "write it as SMART 2 does: .rs for .read, .cud for .write"
    assert verdict(world, "patient/*.read") == ("dropped", "unsupported", words)


@pytest.mark.parametrize("feature", [Feature.EHR_LAUNCH, Feature.OFFLINE_ACCESS, Feature.SCOPES_V1])
def test_what_was_granted_before_is_not_refreshed_any_more(world: World, feature: Feature) -> None:
    """Decision 20: the policy is asked again at every refresh; another FHIR server is not concerned."""
    tokens = world.public.tokens(handle(world), "launch patient/*.read offline_access")
    switch_off(world, feature, name="other")
    tokens = world.public.refresh(tokens["refresh_token"], scope="patient/*.read").json()
    switch_off(world, feature)
    reply = world.public.refresh(tokens["refresh_token"], scope="patient/*.read")
    assert (reply.status, reply.json()["error"]) == (400, "invalid_grant")


def test_a_fhir_server_that_offers_nothing_is_to_be_disabled(world: World) -> None:
    with pytest.raises(InvalidValue, match="disable the FHIR server instead"):
        switch_off(world, Feature.STANDALONE, Feature.EHR_LAUNCH, Feature.BACKEND_SERVICES)
    with pytest.raises(InvalidValue, match="launch-ehr: what can be switched off is ehr-launch, standalone"):
        switch_off(world, "launch-ehr")


def test_each_fhir_server_says_for_itself(world: World) -> None:
    """REQ-36, REQ-69: what is off at one is on at the other."""
    switch_off(world, Feature.STANDALONE)
    told = world.browser().open(world.public.authorize_url(scope="patient/*.rs", aud=FHIR)).location_parameters
    assert told["error"] == "unauthorized_client"
    assert world.browser().open(world.public.authorize_url(scope="patient/*.rs", aud=OTHER_FHIR)).status == 200


def verdict(world: World, requested: str) -> tuple[str, str, str]:
    with world.services.db.read() as session:
        (grant,) = session.scalars(select(GrantRow))
        (found,) = [one for one in grant.verdicts if one["requested"] == requested]
        return found["outcome"], found["reason"], found["detail"]
