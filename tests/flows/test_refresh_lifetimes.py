"""How long an app may go on, and which app may at all (SMART section 9; decisions 9 and 10)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from authz.clients.metadata import ClientMetadata
from tests.actors import SmartApp
from tests.world import APP, FHIR, PUBLIC, VETTED

if TYPE_CHECKING:
    from tests.world import World

HOUR = 3600
DAY = 86400


def tokens(world: World, scope: str, **context: str) -> dict[str, str]:
    handle = str(world.ehr.launch("public", "Practitioner/dr", patient="A", **context)["launch"])
    answer: dict[str, str] = world.public.tokens(handle, f"launch patient/*.rs {scope}".strip())
    return answer


@pytest.mark.parametrize("scope", ["online_access", "offline_access"])
def test_the_scope_that_allows_it_is_echoed_with_a_refresh_token(shared: World, scope: str) -> None:
    """REF-01, SCP-33, Q-03, AMB-20, AMB-21, CAPABILITY permission-online, CAPABILITY permission-offline, REQ-79."""
    answer = tokens(shared, scope)
    assert (answer["scope"], "refresh_token" in answer) == (f"launch patient/*.rs {scope}", True)
    again = shared.public.refresh(answer["refresh_token"]).json()
    assert (again["token_type"], again["expires_in"]) == ("Bearer", HOUR)
    assert again["scope"] == answer["scope"]


def test_without_such_a_scope_there_is_none(shared: World) -> None:
    """REF-01, REQ-79."""
    assert "refresh_token" not in tokens(shared, "")


def test_an_app_that_is_not_registered_for_it_gets_none(shared: World) -> None:
    """REF-01, N19, REQ-79: requested and consented is not enough; ``grant_types`` must have it too."""
    metadata = ClientMetadata.load({**PUBLIC, "grant_types": ["authorization_code"]})
    with shared.services.db.write() as session:
        shared.services.clients.add(session, metadata, VETTED, client_id="brief")
    app = SmartApp(shared.transport, "brief", f"{APP}/cb", FHIR)
    handle = str(shared.ehr.launch("brief", "Practitioner/dr", patient="A")["launch"])
    answer = app.tokens(handle, "launch patient/*.rs offline_access")
    assert (answer["scope"], "refresh_token" in answer) == ("launch patient/*.rs", False)
    foreign = tokens(shared, "offline_access")["refresh_token"]
    reply = app.refresh(foreign)
    assert (reply.status, reply.json()["error"]) == (400, "unauthorized_client")


def test_the_very_same_scope_may_be_asked_for_again(shared: World) -> None:
    """REF-04, AMB-07: not only a part of it."""
    first = tokens(shared, "online_access")
    reply = shared.public.refresh(first["refresh_token"], scope=first["scope"])
    assert (reply.status, reply.json()["scope"]) == (200, first["scope"])


@pytest.mark.parametrize(
    ("scope", "last", "late"),
    [("online_access", 4 * HOUR - 60, 4 * HOUR + 60), ("offline_access", 90 * DAY - 60, 90 * DAY + 60)],
)
def test_a_refresh_token_is_good_for_its_time(world: World, scope: str, last: int, late: int) -> None:
    """REQ-101, REQ-D6, REF-13: four hours with online access, ninety days unused with offline access."""
    used, forgotten = tokens(world, scope), tokens(world, scope)
    world.clock.forward(seconds=last)
    assert world.public.refresh(used["refresh_token"]).status == 200
    world.clock.forward(seconds=late - last)
    reply = world.public.refresh(forgotten["refresh_token"])
    assert (reply.status, reply.json()["error"]) == (400, "invalid_grant")


def test_online_access_of_an_ehr_session_ends_after_twelve_hours(world: World) -> None:
    """REQ-D7, decision 10: refreshed every three hours, and then no more."""
    answer = tokens(world, "online_access", session="shift")
    for _ in range(3):
        world.clock.forward(seconds=3 * HOUR)
        answer = world.public.refresh(answer["refresh_token"]).json()
    world.clock.forward(seconds=3 * HOUR + 1)
    assert world.public.refresh(answer["refresh_token"]).json()["error"] == "invalid_grant"


def test_an_access_token_is_dead_when_its_time_is_over(world: World) -> None:
    """TOK-10, FIELD token.expires_in, REQ-95: an hour, to the second."""
    answer = tokens(world, "")
    world.clock.forward(seconds=HOUR - 1)
    assert world.fhir_server.introspect(answer["access_token"])["active"] is True
    world.clock.forward(seconds=1)
    assert world.fhir_server.introspect(answer["access_token"]) == {"active": False}


def test_offline_access_outlives_the_session(world: World) -> None:
    """SCP-33, REF-12, REQ-80: online access ends with the EHR's session, offline access does not."""
    online, offline = (tokens(world, scope, session="shift") for scope in ("online_access", "offline_access"))
    assert world.ehr.end_session("shift").status == 204
    assert world.public.refresh(online["refresh_token"]).json()["error"] == "invalid_grant"
    assert world.public.refresh(offline["refresh_token"]).status == 200


@pytest.mark.parametrize("changes", [{}, {"scope": "patient/Observation.rs"}, {"refresh_token": "unknown"}])
def test_nothing_of_a_refresh_is_kept_on_the_way(shared: World, changes: dict[str, str]) -> None:
    """REF-09, TK-38: success, narrowed or error."""
    form = {"grant_type": "refresh_token", "refresh_token": tokens(shared, "online_access")["refresh_token"]}
    reply = shared.public.post("/token", form | changes)
    assert (reply.header("cache-control"), reply.header("pragma")) == ("no-store", "no-cache")


def test_what_a_refresh_says_besides_changes_nothing(shared: World) -> None:
    """TK-29: another patient, FHIR server or user can't be had by asking."""
    first = tokens(shared, "online_access")
    more = {"patient": "B", "launch": "x", "aud": "https://other.example/r4", "fhirUser": "Practitioner/other"}
    answer = shared.public.refresh(first["refresh_token"], **more).json()
    assert answer["patient"] == "A"
    said = shared.fhir_server.introspect(answer["access_token"])
    before = shared.fhir_server.introspect(first["access_token"])
    moving = {"jti": None, "iat": None, "exp": None}
    assert said | moving == before | moving


@pytest.mark.parametrize(
    "asked",
    [
        "launch patient/*.rs online_access",
        "online_access patient/*.rs launch",
        "patient/*.read",
        "patient/Observation.rs?category=laboratory",
        "patient/Patient.r patient/Patient.s",
    ],
)
def test_a_narrower_scope_is_answered_as_it_was_asked(shared: World, asked: str) -> None:
    """REF-04, REF-07, REF-10, Q-19: by meaning within what was granted, in the words of the app."""
    answer = shared.public.refresh(tokens(shared, "online_access")["refresh_token"], scope=asked).json()
    assert answer["scope"] == asked
    assert answer.keys() == {"access_token", "token_type", "expires_in", "scope", "refresh_token", "patient"}


def test_a_scope_in_the_first_syntax_stays_in_it(shared: World) -> None:
    """REF-10, VER-05: granted ``.read``, refreshed ``.read``."""
    handle = str(shared.ehr.launch("public", "Practitioner/dr", patient="A")["launch"])
    first = shared.public.tokens(handle, "launch patient/*.read online_access")
    assert first["scope"] == "launch patient/*.read online_access"
    assert shared.public.refresh(first["refresh_token"]).json()["scope"] == first["scope"]
