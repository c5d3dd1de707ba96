"""What a refresh answers, and what it refuses (SMART section 9)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.pickers.test_staff_picker import trail

if TYPE_CHECKING:
    from tests.actors import SmartApp
    from tests.world import World

LAB = "http://terminology.hl7.org/CodeSystem/observation-category|laboratory"
SCOPE = "launch openid patient/*.rs online_access"


def tokens(world: World, scope: str = SCOPE, app: SmartApp | None = None) -> dict[str, str]:
    client = app or world.public
    handle = str(world.ehr.launch(client.client_id, "Practitioner/dr", patient="A")["launch"])
    answer: dict[str, str] = client.tokens(handle, scope)
    return answer


def test_an_answer_with_tokens_is_kept_nowhere(shared: World) -> None:
    """TOK-07, REF-09: code and refresh alike, both headers."""
    handle = str(shared.ehr.launch("public", "Practitioner/dr", patient="A")["launch"])
    first = shared.public.redeem(shared.public.code(handle, SCOPE))
    for reply in (first, shared.public.refresh(first.json()["refresh_token"])):
        assert (reply.status, reply.header("content-type")) == (200, "application/json")
        assert (reply.header("cache-control"), reply.header("pragma")) == ("no-store", "no-cache")


@pytest.mark.parametrize(
    "scope",
    [
        "launch patient/Observation.r patient/Observation.s online_access",
        "launch patient/Condition.read patient/Observation.rs online_access",
        f"launch patient/Observation.rs?category={LAB} online_access",
        f"launch patient/Observation.rs?category={LAB.replace('|', '%7C')} online_access",
    ],
)
def test_scopes_keep_their_spelling_all_along(shared: World, scope: str) -> None:
    """REF-10, INT-10, AMB-15, Q-13, Q-19, N12, N18: in the answer, at introspection, and after two refreshes."""
    answer = tokens(shared, scope)
    for _ in range(3):
        assert answer["scope"] == scope
        assert shared.fhir_server.introspect(answer["access_token"])["scope"] == scope
        answer = shared.public.refresh(answer["refresh_token"]).json()


def test_a_refresh_token_that_is_no_use_is_an_invalid_grant(shared: World) -> None:
    """REF-02, REF-13: unknown, revoked, another app's; and an access token is none."""
    revoked, foreign, other = tokens(shared), tokens(shared, app=shared.confidential), tokens(shared)
    shared.public.revoke(revoked["refresh_token"])
    for token in ("unknown", revoked["refresh_token"], foreign["refresh_token"], other["access_token"]):
        reply = shared.public.refresh(token)
        assert (reply.status, reply.json()["error"]) == (400, "invalid_grant")
    assert shared.confidential.refresh(foreign["refresh_token"]).status == 200
    assert shared.public.refresh(other["refresh_token"]).status == 200


@pytest.mark.parametrize("scope", ["patient/*.cruds", f"{SCOPE} fhirUser", "user/*.rs", "nonsense"])
def test_no_refresh_brings_more_than_was_granted(shared: World, scope: str) -> None:
    """REF-02, REF-04, REF-13, ERR-13, REQ-D12: and the token is not spent by asking."""
    given = tokens(shared)
    reply = shared.public.refresh(given["refresh_token"], scope=scope)
    assert (reply.status, reply.json()["error"]) == (400, "invalid_scope")
    assert shared.public.refresh(given["refresh_token"]).json()["scope"] == SCOPE


def test_the_id_token_of_a_refresh_is_about_the_same_person(shared: World) -> None:
    """REF-14, AMB-09: same ``iss``, ``sub`` and ``aud``, a new time, no ``nonce``."""
    handle = str(shared.ehr.launch("public", "Practitioner/dr", patient="A")["launch"])
    first = shared.public.tokens(handle, SCOPE, nonce="n-1")
    second = shared.public.refresh(first["refresh_token"]).json()
    before, after = (shared.services.keyring.verify(answer["id_token"]) for answer in (first, second))
    assert {name: before[name] for name in ("iss", "sub", "aud")} == {
        name: after[name] for name in ("iss", "sub", "aud")
    }
    assert (before["nonce"], "nonce" in after) == ("n-1", False)
    assert after["exp"] > int(shared.clock().timestamp())


@pytest.mark.parametrize("seconds", [0, 2, 11])
def test_a_token_that_was_taken_for_lost_ends_its_family_when_it_comes(world: World, seconds: int) -> None:
    """Decision 0005, TK-26: an app that is refused throws its tokens away; whoever repeated must not keep theirs."""
    given = tokens(world, "launch patient/*.rs offline_access")
    app = world.public.refresh(given["refresh_token"]).json()
    world.clock.forward(seconds=1)
    thief = world.public.refresh(given["refresh_token"]).json()
    world.clock.forward(seconds=seconds)
    refused = world.public.refresh(app["refresh_token"])
    assert (refused.status, refused.json()["error"]) == (400, "invalid_grant")
    assert world.fhir_server.introspect(thief["access_token"]) == {"active": False}
    assert world.public.refresh(thief["refresh_token"]).status == 400
    assert [row.outcome for row in trail(world, "refresh.replayed")] == ["refused"]


def test_a_third_use_of_one_token_within_the_grace_ends_nothing(world: World) -> None:
    """Decision 9: it proves no more than the second did."""
    given = tokens(world, "launch patient/*.rs offline_access")
    _, kept, third = (world.public.refresh(given["refresh_token"]) for _ in range(3))
    assert (third.status, third.json()["error"]) == (400, "invalid_grant")
    assert world.public.refresh(kept.json()["refresh_token"]).status == 200
    assert trail(world, "refresh.replayed") == []


def test_who_has_become_another_person_has_nothing_refreshed(world: World) -> None:
    """REF-14, decision 20: by whatever way that came about, no token goes on to name who they were."""
    given, users = tokens(world), world.services.users
    user = users.by_fhir_user("main", "Practitioner/dr")
    assert user is not None
    with world.services.db.write() as session:
        users.link(session, user.sub, "main", "Practitioner/else")
    reply = world.public.refresh(given["refresh_token"])
    assert (reply.status, reply.json()["error"]) == (400, "invalid_grant")


def test_without_openid_in_the_narrower_scope_there_is_no_id_token(shared: World) -> None:
    """C27, REF-03, REF-14: and with it alone it no longer says who that is in FHIR."""
    handle = str(shared.ehr.launch("public", "Practitioner/dr", patient="A")["launch"])
    first = shared.public.tokens(handle, f"{SCOPE} fhirUser")
    less = shared.public.refresh(first["refresh_token"], scope="openid patient/Observation.r online_access").json()
    assert "fhirUser" not in shared.services.keyring.verify(less["id_token"])
    none = shared.public.refresh(less["refresh_token"], scope="patient/Observation.r online_access").json()
    assert "id_token" not in none
