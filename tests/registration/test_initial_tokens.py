"""Initial access tokens: so many apps, so long, in these lanes, at this FHIR server, and not one more (RFC 7591 §3)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import TYPE_CHECKING, Any

import pytest

from authz.errors import InvalidToken, InvalidValue, NotFound
from authz.registration.initial_tokens import NO_GOOD, NewInitialToken
from authz.registration.lanes import Lane
from authz.registration.model import InitialAccessTokenRow
from authz.storage.records import digest
from tests.vendor import METADATA, Vendor, bearer

if TYPE_CHECKING:
    from tests.transport import Reply
    from tests.world import World

REFUSED = {"error": "invalid_token", "error_description": NO_GOOD}
PROVIDER = {"scope": "launch user/*.rs"}


@pytest.fixture
def vendor(world: World) -> Vendor:
    """Who is let in by an invitation only."""
    for name in ("main", "other"):
        with world.services.db.write() as session:
            world.services.fhir_servers.update(session, name, {"registration": "invited"})
    return Vendor(world.transport)


def issued(world: World, **changes: Any) -> tuple[str, str]:
    """The id and the token."""
    new = NewInitialToken("Acme", world.clock() + timedelta(days=1), **changes)
    with world.services.db.write() as session:
        row, token = world.services.registration.initial_tokens.issue(session, new)
        return row.id, token


def used(world: World, token_id: str) -> int:
    with world.services.db.read() as session:
        return session.get_one(InitialAccessTokenRow, token_id).used


def refusal(reply: Reply) -> tuple[int, dict[str, str], str | None]:
    answer = {name: value for name, value in reply.json().items() if name != "error_uri"}
    return reply.status, answer, reply.header("www-authenticate")


def test_a_token_lets_so_many_apps_in_and_is_kept_as_a_digest_only(world: World, vendor: Vendor) -> None:
    """RG-01, decision 6; REQ-116."""
    token_id, token = issued(world, quota=2)
    first, second = vendor.register(token), vendor.register(token)
    assert first["client_id"] != second["client_id"]
    challenge = f'Bearer realm="authz", error="invalid_token", error_description="{NO_GOOD}"'
    assert refusal(vendor.send(METADATA, bearer(token))) == (401, REFUSED, challenge)
    with world.services.db.read() as session:
        row = session.get_one(InitialAccessTokenRow, token_id)
        assert (row.digest, row.used, row.quota) == (digest(token), 2, 2)
        assert token not in str(vars(row))


@pytest.mark.parametrize("why", ["unknown", "over", "revoked", "foreign"])
def test_every_token_that_is_no_good_reads_the_same(world: World, vendor: Vendor, why: str) -> None:
    """RG-01: expired, revoked, another FHIR server's, never issued."""
    token_id, token = issued(world, fhir_server="main")
    if why == "over":
        world.clock.forward(days=1)
    if why == "revoked":
        with world.services.db.write() as session:
            world.services.registration.initial_tokens.revoke(session, token_id)
    endpoint = "/fhir-servers/other/register" if why == "foreign" else "/fhir-servers/main/register"
    told = refusal(Vendor(world.transport, endpoint).send(METADATA, bearer("x" * 43 if why == "unknown" else token)))
    assert (told[0], told[1]) == (401, REFUSED)
    assert used(world, token_id) == 0


def test_without_a_token_nobody_is_let_in(vendor: Vendor) -> None:
    """RG-01: no error code for who sends none (RFC 6750 §3.1)."""
    reply = vendor.send(METADATA)
    assert (reply.status, reply.header("www-authenticate")) == (401, 'Bearer realm="authz"')


def test_a_token_opens_its_own_lanes_only_and_a_refused_app_costs_nothing(world: World, vendor: Vendor) -> None:
    token_id, token = issued(world, lanes=(Lane.PATIENT,))
    reply = vendor.send({**METADATA, **PROVIDER}, bearer(token))
    told = "this is a provider app, and the initial access token is for patient apps"
    answer = {"error": "invalid_client_metadata", "error_description": told}
    assert refusal(reply) == (400, answer, None)
    assert vendor.send({**METADATA, "redirect_uris": ["javascript:x"]}, bearer(token)).status == 400
    assert used(world, token_id) == 0
    assert vendor.register(token)["registration_state"] == "sandbox"
    assert used(world, token_id) == 1


def test_a_token_ties_its_apps_to_its_fhir_server_and_may_approve_them(world: World, vendor: Vendor) -> None:
    """``--approves``: what comes by it needs no review, and says in the history by what."""
    token_id, token = issued(world, fhir_server="main", approves=True)
    answer = vendor.register(token, **PROVIDER)
    shown = world.services.registration.review.show(answer["client_id"])
    assert (answer["registration_state"], shown.state.value) == ("approved", "approved")
    assert (shown.registration.source, shown.registration.source_id) == ("initial_access_token", token_id)
    assert shown.client.fhir_servers == ("main",)


def test_of_many_registrations_at_once_the_quota_gets_in(world: World, vendor: Vendor) -> None:
    """Race: consumed by one conditional UPDATE in the transaction that registers."""
    token_id, token = issued(world, quota=3)
    together = Barrier(8)

    def register(_: int) -> int:
        together.wait()
        return vendor.send(METADATA, bearer(token)).status

    with ThreadPoolExecutor(8) as pool:
        statuses = sorted(pool.map(register, range(8)))
    assert statuses == [201] * 3 + [401] * 5
    assert used(world, token_id) == 3


@pytest.mark.parametrize(
    "changes",
    [{"quota": 0}, {"lanes": ()}, {"expires_at": None}, {"label": " "}, {"label": "a\nb"}, {"label": "x" * 256}],
)
def test_a_token_that_could_never_be_used_is_not_made(world: World, changes: dict[str, Any]) -> None:
    given = {"label": "Acme", "expires_at": world.clock() + timedelta(1), **changes}
    given["expires_at"] = given["expires_at"] or world.clock()
    with pytest.raises(InvalidValue), world.services.db.write() as session:
        world.services.registration.initial_tokens.issue(session, NewInitialToken(**given))


def test_what_is_not_there_is_not_found(world: World) -> None:
    tokens = world.services.registration.initial_tokens
    with pytest.raises(NotFound), world.services.db.write() as session:
        tokens.issue(session, NewInitialToken("Acme", world.clock() + timedelta(1), fhir_server="nowhere"))
    with pytest.raises(NotFound), world.services.db.write() as session:
        tokens.revoke(session, "nothing")
    with pytest.raises(InvalidToken), world.services.db.write() as session:
        tokens.spend(session, "ünknown", Lane.PATIENT, None)
