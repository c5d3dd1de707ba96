"""A launch is for whom the EHR named; if the account is another person by now, nothing comes of it (decision 19)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from authz.authorize.situation import Judge
from tests.flows.test_ehr_gone import SCOPE, UNUSABLE, assert_it_came_to_nothing, last, refusal
from tests.world import FHIR

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from tests.world import World


def put_right(world: World) -> None:
    """As ``authz user update doctor --fhir-user Practitioner/right``: the account was linked to the wrong person."""
    made = world.services
    doctor = made.users.by_name("doctor")
    assert doctor is not None

    def change(session: Session) -> None:
        made.users.link(session, doctor.sub, "main", "Practitioner/right")
        made.users.link(session, made.users.add(session, "other", "Other").sub, "main", "Practitioner/dr")

    made.revocation.revoke_user(doctor.sub, "fhir_user_changed", within=change)


def launch(world: World, user: str = "Practitioner/dr") -> str:
    return str(world.ehr.launch("public", user, patient="A")["launch"])


@pytest.mark.parametrize("user", ["Practitioner/dr", f"{FHIR}/Practitioner/dr"])
def test_no_launch_of_whom_the_account_was_becomes_a_code(world: World, user: str) -> None:
    """SMART OID-03, OID-06: neither one that waits, nor a page that is open; the app would say it is another."""
    waiting = launch(world, user)
    opened = world.public.launched(launch(world, user), SCOPE, prompt="consent")
    assert opened.status == 200
    put_right(world)
    assert_it_came_to_nothing(world, waiting, opened, "user_gone")


def test_nor_when_it_is_put_right_while_the_request_is_on_its_way(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look at the launch and the look at the person."""
    look = Judge.look

    def after_the_change(self: Judge, *words: Any, **named: Any) -> Any:
        monkeypatch.setattr(Judge, "look", look)
        put_right(world)
        return look(self, *words, **named)

    monkeypatch.setattr(Judge, "look", after_the_change)
    answer = world.public.launched(launch(world), SCOPE).location_parameters
    assert refusal(answer) == ("invalid_request", UNUSABLE)
    assert last(world, "authorize.refused").detail["cause"] == "user_gone"


def test_who_was_named_by_login_name_is_whoever_the_account_is(world: World) -> None:
    """Decision 15: the EHR knows the account, and which resource that is is for this server to say."""
    waiting = launch(world, "doctor")
    put_right(world)
    tokens = world.public.redeem(world.public.launched(waiting, SCOPE + " openid fhirUser").location_parameters["code"])
    active = world.fhir_server.introspect(tokens.json()["access_token"])
    assert active["fhirUser"] == f"{FHIR}/Practitioner/right"
