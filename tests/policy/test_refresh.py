"""The access policy is asked again at every refresh (decision 20)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from authz.users.user import Representation

if TYPE_CHECKING:
    from tests.world import World

SCOPE = "launch/patient openid fhirUser patient/Observation.rs patient/Condition.rs offline_access"


@pytest.fixture
def tokens(world: World) -> dict[str, Any]:
    parent = world.services.users.by_name("parent")
    assert parent is not None
    with world.services.db.write() as session:
        world.services.users.stop_representing(session, parent.sub, "main", "child-2")
    code = world.standalone(world.public, SCOPE, "parent")
    reply = world.public.redeem(code)
    assert reply.status == 200, reply.text
    answer: dict[str, Any] = reply.json()
    assert (answer["patient"], answer["scope"]) == ("child-1", SCOPE)
    return answer


def test_what_the_app_is_no_longer_registered_for_is_gone_at_the_next_refresh(
    world: World, tokens: dict[str, Any]
) -> None:
    narrower = "launch/patient openid fhirUser patient/Observation.rs offline_access"
    with world.services.db.write() as session:
        world.services.clients.update(session, "public", {"scope": narrower}, {})
    reply = world.public.refresh(tokens["refresh_token"])
    assert (reply.status, reply.json()["scope"]) == (200, narrower)


def test_who_represents_a_patient_no_longer_gets_no_more_tokens(world: World, tokens: dict[str, Any]) -> None:
    parent = world.services.users.by_name("parent")
    assert parent is not None
    with world.services.db.write() as session:
        world.services.users.stop_representing(session, parent.sub, "main", "child-1")
    reply = world.public.refresh(tokens["refresh_token"])
    assert (reply.status, reply.json()["error"]) == (400, "invalid_grant")
    with world.services.db.write() as session:  # a refusal did not use the token up
        world.services.users.represent(session, parent.sub, "main", Representation("child-1", "parent"))
    assert world.public.refresh(tokens["refresh_token"]).status == 200


def test_what_the_hospital_lowers_for_everybody_is_lowered_here(world: World, tokens: dict[str, Any]) -> None:
    """Decision 16: the ceiling of the FHIR server for this type of user."""
    with world.services.db.write() as session:
        ceilings = {"RelatedPerson": "patient/Condition.rs"}
        world.services.fhir_servers.update(session, "main", {"scope_ceilings": ceilings})
    reply = world.public.refresh(tokens["refresh_token"])
    assert reply.json()["scope"] == "launch/patient openid fhirUser patient/Condition.rs offline_access"
