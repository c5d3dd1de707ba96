"""From an authorization request to its context (SMART AUTHZ-13, decision 11)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from authz.errors import InvalidRequest
from authz.launch.resolve import Asked, EhrLaunch, Standalone, claim, resolve
from authz.scopes import ScopeSet
from tests.launch.conftest import APP, PEER

if TYPE_CHECKING:
    from tests.launch.conftest import World

UNUSABLE = {
    "error": "invalid_request",
    "error_description": "the launch is unknown, expired or already used, "
    "or it was made for another app, FHIR server or request",
}


def asked(launch: str | None, scope: str = "launch patient/*.rs", client: str = APP, server: str = "hospital") -> Asked:
    return Asked(launch, ScopeSet.parse(scope), client, server, PEER)


def refusal(world: World, question: Asked) -> dict[str, str]:
    with pytest.raises(InvalidRequest) as refused:
        resolve(world.services.launches, question)
    return refused.value.body()


def last_refusal(world: World) -> tuple[str | None, ...]:
    """Reason, client, FHIR server, launch id and peer of the trail's last event."""
    members = ("event", "outcome", "reason", "client_id", "fhir_server", "launch_id", "peer")
    event, outcome, *rest = world.events(*members)[-1]
    assert (event, outcome) == ("launch.refused", "refused")
    return tuple(rest)


def test_an_ehr_launch_brings_its_context(world: World) -> None:
    handle, launch = world.create()
    assert resolve(world.services.launches, asked(handle)) == EhrLaunch(launch)


def test_the_context_of_the_launch_wins_over_scopes_that_ask_for_one(world: World) -> None:
    """CTX-11, security.md AZ-78: ``launch/patient`` beside ``launch`` is only a hint."""
    handle, launch = world.create()
    assert resolve(world.services.launches, asked(handle, "launch launch/patient launch/encounter")) == EhrLaunch(
        launch
    )


@pytest.mark.parametrize("launch", [None, ""])
@pytest.mark.parametrize(
    ("scope", "patient", "encounter"),
    [
        ("launch/patient", True, False),
        ("patient/Observation.rs", True, False),
        ("launch/encounter", False, True),
        ("launch/patient launch/encounter", True, True),
        ("user/*.rs openid", False, False),
        ("launch user/*.rs", False, False),
        ("launch/encounter?role=https://example.org/r", False, False),
    ],
)
def test_without_launch_the_app_was_opened_by_itself(
    world: World, launch: str | None, scope: str, *, patient: bool, encounter: bool
) -> None:
    """LAU-10, CTX-12; decision 11: an empty ``launch`` is absent, and the scope ``launch`` alone gives no context."""
    found = resolve(world.services.launches, asked(launch, scope))
    assert found == Standalone(patient_needed=patient, encounter_needed=encounter)


def test_a_launch_without_its_scope_is_refused_in_these_words(world: World) -> None:
    """Decision 11; security.md AZ-77: nothing of the context leaks."""
    handle, _ = world.create()
    assert refusal(world, asked(handle, "patient/*.rs launch/patient")) == {
        "error": "invalid_request",
        "error_description": "the parameter launch needs the scope launch",
    }


def test_unknown_expired_and_used_launches_get_the_same_answer(world: World) -> None:
    """Security.md AZ-73; only the trail knows which it was."""
    used, first = world.create()
    expired, second = world.create()
    with world.services.db.write() as session:
        world.services.launches.spend(session, first, "0" * 32)
    world.clock.forward(300)
    for handle, reason, launch_id in (
        ("unknown", "launch_unknown", None),
        (expired, "launch_unknown", second.launch_id),
        (used, "launch_used", first.launch_id),
    ):
        world.clock.forward(1)
        assert refusal(world, asked(handle)) == UNUSABLE
        assert last_refusal(world) == (reason, APP, "hospital", launch_id, "192.0.2.7")


def test_a_launch_of_another_app_is_refused_and_stays_usable(world: World) -> None:
    """Security.md AZ-74."""
    handle, launch = world.create()
    world.clock.forward(1)
    assert refusal(world, asked(handle, client="two-doors")) == UNUSABLE
    assert last_refusal(world) == ("launch_of_other_client", "two-doors", "hospital", launch.launch_id, "192.0.2.7")
    assert resolve(world.services.launches, asked(handle)) == EhrLaunch(launch)


def test_a_launch_for_another_fhir_server_is_refused(world: World) -> None:
    """Security.md AZ-75: iss and aud are the same server."""
    handle, launch = world.create()
    world.clock.forward(1)
    assert refusal(world, asked(handle, server="lab")) == UNUSABLE
    assert last_refusal(world) == ("launch_of_other_fhir_server", APP, "lab", launch.launch_id, "192.0.2.7")


def test_a_launch_from_an_ended_session_is_refused(world: World) -> None:
    """Decision 3."""
    handle, launch = world.create(session="s-1")
    with world.services.db.write() as session:
        world.services.ehr_sessions.end(session, "hospital", "s-1")
    world.clock.forward(1)
    assert refusal(world, asked(handle)) == UNUSABLE
    assert last_refusal(world) == ("ehr_session_ended", APP, "hospital", launch.launch_id, "192.0.2.7")


def test_a_second_request_with_the_same_launch_is_refused(world: World) -> None:
    """Decision 14: whoever came first goes on, and may come again."""
    handle, launch = world.create()
    question = asked(handle)
    claim(world.services.launches, launch, "first", question)
    world.clock.forward(1)
    with pytest.raises(InvalidRequest) as refused:
        claim(world.services.launches, launch, "second", question)
    assert refused.value.body() == UNUSABLE
    assert last_refusal(world)[0] == "launch_claimed_by_other_request"
    claim(world.services.launches, launch, "first", question)


@pytest.mark.parametrize("handle", ["a" * 10_240, "' OR 1=1--", "../../", "\0", "\ud800"])
def test_any_text_is_an_unknown_launch(world: World, handle: str) -> None:
    """Security.md AZ-79: never an error of ours."""
    assert refusal(world, asked(handle)) == UNUSABLE
