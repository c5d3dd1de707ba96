"""A backend service proves a key of its own and gets a token for itself: SMART sections 15 and 16."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest
from sqlalchemy import func, select, update

from authz.fhir_servers.model import FhirServerRow
from authz.tokens.model import AccessTokenRow
from tests.actors import FORM
from tests.backend import register
from tests.servers import postgres_server
from tests.world import FHIR, ISSUER, OTHER_FHIR, build, settings_in

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy.orm import Session

    from tests.backend import Backend
    from tests.transport import Reply
    from tests.world import World

FAILED = {"error": "invalid_client", "error_description": "client authentication failed"}


@pytest.fixture
def bulk(world: World) -> Backend:
    return register(world, "bulk", ("main",))


@pytest.mark.parametrize("alg", ["ES384", "RS384"])
def test_a_backend_service_gets_a_token_of_five_minutes(world: World, bulk: Backend, alg: str) -> None:
    """BKS-03, BKS-07..10, BKS-13, TOK-07: scope as asked, 300 s, no refresh token, nothing cached; INT-02 about it."""
    reply = bulk.ask(client_assertion=bulk.assertion(alg))
    answer = reply.json()
    token = answer.pop("access_token")
    assert (reply.status, answer) == (200, {"token_type": "Bearer", "expires_in": 300, "scope": "system/*.rs"})
    assert (reply.header("cache-control"), reply.header("pragma")) == ("no-store", "no-cache")
    said = world.fhir_server.introspect(token)
    assert said.pop("jti")
    now = int(world.clock().timestamp())
    assert said == {
        "active": True,
        "scope": "system/*.rs",
        "client_id": "bulk",
        "token_type": "Bearer",
        "iat": now,
        "exp": now + 300,
        "iss": ISSUER,
        "aud": FHIR,
    }
    world.clock.forward(seconds=300)
    assert world.fhir_server.introspect(token) == {"active": False}


@pytest.mark.parametrize(
    ("asked", "granted"),
    [
        ("system/Patient.rs", "system/Patient.rs"),
        ("system/*.read", "system/*.read"),
        ("system/Patient.cruds", "system/Patient.rs"),
        ("system/Patient.rs user/Patient.rs patient/Patient.rs", "system/Patient.rs"),
        ("launch openid offline_access system/*.rs", "system/*.rs"),
        ("system/Nonsense.rs system/*.rs", "system/*.rs"),
        ("system/Patient.rs?birthdate=1990 system/Patient.r", "system/Patient.r"),
        ("__introspect", "__introspect"),
    ],
)
def test_part_of_a_scope_is_granted_when_part_is_registered(bulk: Backend, asked: str, granted: str) -> None:
    """BKS-04, BKS-05, BKS-10, BKS-11, AMB-26, VER-08, decision 12: never more than asked."""
    reply = bulk.ask(asked)
    assert (reply.status, reply.json().get("scope")) == (200, granted)


@pytest.mark.parametrize(
    ("scope", "error"),
    [
        ("", "invalid_request"),
        ("system/Patient.u", "invalid_scope"),
        ("user/Patient.rs", "invalid_scope"),
        ("launch openid offline_access", "invalid_scope"),
        ("__swm_introspect", "invalid_scope"),
        ("bogus", "invalid_scope"),
    ],
)
def test_a_scope_of_which_nothing_is_left_is_an_error(bulk: Backend, scope: str, error: str) -> None:
    """BKS-06, BKS-11, ERR-14, TK-37: a missing scope is a malformed request."""
    reply = bulk.ask(scope)
    assert (reply.status, reply.json()["error"]) == (400, error)


def test_an_assertion_is_good_once(bulk: Backend) -> None:
    """ASY-10, CA-34: the second time it proves nothing, whatever it is used for; another jti does."""
    assertion = bulk.assertion()
    assert bulk.ask(client_assertion=assertion).status == 200
    for again in (bulk.ask(client_assertion=assertion), bulk.post("/revoke", client_assertion=assertion, token="x")):
        assert (again.status, again.refusal()) == (401, FAILED)
    assert bulk.ask().status == 200


def test_a_refused_assertion_uses_up_no_jti(bulk: Backend) -> None:
    """ASY-26: a jti is remembered only after the signature verified, so a stranger can't spend it."""
    head, body, signature = bulk.assertion(jti="mine").split(".")
    forged = f"{head}.{body}.{'A' * len(signature)}"
    assert bulk.ask(client_assertion=forged).status == 401
    assert bulk.ask(client_assertion=f"{head}.{body}.{signature}").status == 200


@pytest.mark.parametrize("seconds", [299, 300, 330, 359, 361])
def test_a_used_assertion_is_of_no_use_as_long_as_it_could_be_valid(world: World, bulk: Backend, seconds: int) -> None:
    """Q-23, ASY-26: what is remembered outlives the leeway of a minute after ``exp``."""
    assertion = bulk.assertion()
    assert bulk.ask(client_assertion=assertion).status == 200
    world.clock.forward(seconds=seconds)
    assert bulk.ask(client_assertion=assertion).refusal() == FAILED


def test_discovery_says_what_a_backend_service_needs(world: World) -> None:
    """BKS-02, AMB-22, AMB-23: for a server that had nothing but backend services, too."""
    reply = world.transport.send("GET", f"{ISSUER}/fhir-servers/main/.well-known/smart-configuration")
    said = reply.json()
    assert said["token_endpoint"] == f"{ISSUER}/token"
    assert "client_credentials" in said["grant_types_supported"]
    assert "private_key_jwt" in said["token_endpoint_auth_methods_supported"]
    assert said["token_endpoint_auth_signing_alg_values_supported"] == ["RS384", "ES384"]
    assert {"system/*.rs", "system/*.cruds"} <= set(said["scopes_supported"])
    assert said["code_challenge_methods_supported"] == ["S256"]
    assert "client-confidential-asymmetric" in said["capabilities"]


def test_the_same_jti_of_two_clients_is_accepted_twice(world: World, bulk: Backend) -> None:
    """CA-37: uniqueness is per issuer."""
    other = register(world, "other-bulk", ("main",))
    assert bulk.ask(client_assertion=bulk.assertion(jti="same")).status == 200
    assert other.ask(client_assertion=other.assertion(jti="same")).status == 200


def test_of_twelve_at_once_one_wins(bulk: Backend) -> None:
    """CA-35: the jti is a unique row, so a race has one winner."""
    check_race(bulk)


@pytest.mark.postgres
def test_of_twelve_at_once_one_wins_on_postgresql_too(tmp_path: Path) -> None:
    """CA-35: there the twelve really run side by side."""
    with postgres_server() as postgres:
        world = build(settings_in(tmp_path, database_url=postgres.new_database()))
        with world.app.app_context():
            check_race(register(world, "bulk", ("main",)))
            world.services.db.engine.dispose()
        world.services.backend.close()


def check_race(bulk: Backend) -> None:
    assertion = bulk.assertion()
    with ThreadPoolExecutor(12) as pool:
        replies = list(pool.map(lambda _: bulk.ask(client_assertion=assertion), range(12)))
    assert sorted(reply.status for reply in replies) == [200] + 11 * [401]


@pytest.mark.parametrize(
    "form",
    [
        {"client_id": "public"},
        {"client_assertion_type": "urn:example"},
        {"client_assertion_type": ""},
        {"client_assertion": ""},
        {"client_assertion": "a.b.c"},
        {"client_assertion": "x" * 16_000},
    ],
)
def test_every_failure_of_authentication_reads_the_same(bulk: Backend, form: dict[str, str]) -> None:
    """ASY-01, ASY-07, ASY-27, ASY-29, ERR-08, CA-27, CA-38: invalid_client and nothing about why.

    FIELD assertion.client_assertion_type
    """
    reply = bulk.ask(**form)
    assert (reply.status, reply.refusal()) == (401, FAILED)


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "nobody", "sub": "nobody"},
        {"iss": "confidential", "sub": "confidential"},
        {"iss": "x" * 100, "sub": "x" * 100},
        {"sub": "public"},
        {"aud": "https://other.example/token"},
    ],
)
def test_an_assertion_about_another_client_or_for_another_server_fails(bulk: Backend, claims: dict[str, Any]) -> None:
    """ASY-06..08, CA-26, CA-27, TOK-05: unknown clients, and clients that are registered for another method."""
    reply = bulk.ask(client_assertion=bulk.assertion(**claims))
    assert (reply.status, reply.refusal()) == (401, FAILED)


def test_a_client_with_a_key_has_no_other_way_in(world: World, bulk: Backend) -> None:
    """TOK-05, BKS-01: its id alone is nothing; a client with a secret is not registered for this grant."""
    assert bulk.ask(client_assertion="", client_assertion_type="", client_id="bulk").refusal() == FAILED
    reply = world.confidential.post("/token", {"grant_type": "client_credentials", "scope": "system/*.rs"})
    assert (reply.status, reply.json()["error"]) == (400, "unauthorized_client")
    reply = bulk.post("/token", grant_type="refresh_token", refresh_token="x")
    assert (reply.status, reply.json()["error"]) == (400, "unauthorized_client")


def test_two_credentials_at_once_are_refused(bulk: Backend) -> None:
    """RFC 6749 §2.3, CA-38: a secret beside an assertion."""
    reply = bulk.ask(client_secret="x")
    assert (reply.status, reply.json()["error"]) == (400, "invalid_request")


def test_a_token_is_for_one_fhir_server(world: World, bulk: Backend) -> None:
    """BKS-12, AMB-18, RFC 8707 §2: the only one registered, or the one that ``resource`` names."""
    reply = bulk.ask(resource=OTHER_FHIR)
    assert (reply.status, reply.json()["error"]) == (400, "invalid_target")
    both = register(world, "both", ())
    reply = both.ask()
    assert (reply.status, reply.json()["error"]) == (400, "invalid_request")
    token = both.ask(resource=OTHER_FHIR).json()["access_token"]
    assert world.other_fhir_server.introspect(token)["aud"] == OTHER_FHIR
    assert world.fhir_server.introspect(token) == {"active": False}


def test_a_resource_server_may_introspect_with_its_own_token(world: World, bulk: Backend) -> None:
    """INT-07: a bearer token with ``__introspect``; without that scope 403, never without a token."""
    subject = bulk.token("system/*.rs")
    body = urlencode({"token": subject}).encode()

    def introspect(bearer: str) -> Reply:
        headers = {"Content-Type": FORM, "Authorization": f"Bearer {bearer}"}
        return world.transport.send("POST", f"{ISSUER}/introspect", headers, body)

    reply = introspect(bulk.token("__introspect"))
    assert (reply.status, reply.json()) == (200, world.fhir_server.introspect(subject))
    refused = introspect(bulk.token("system/*.rs"))
    assert (refused.status, refused.json()["error"]) == (403, "insufficient_scope")


def test_an_ehr_may_launch_with_a_token_of_its_own(world: World, bulk: Backend) -> None:
    """Decision 17: ``__launch`` stands for the EHR's credential."""
    record = {"client_id": "public", "fhir_server": FHIR, "user": "Practitioner/dr", "patient": "A"}

    def launch(scope: str) -> Reply:
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {bulk.token(scope)}"}
        return world.transport.send("POST", f"{ISSUER}/launch", headers, json.dumps(record).encode())

    reply = launch("__launch")
    assert reply.status == 201, reply.text
    assert world.public.tokens(reply.json()["launch"], "launch patient/*.rs")["patient"] == "A"
    refused = launch("system/*.rs")
    assert (refused.status, refused.json()["error"]) == (403, "insufficient_scope")


def test_its_token_can_be_revoked_and_dies_with_the_client(world: World, bulk: Backend) -> None:
    """RFC 7009 §2 with an assertion whose audience is the revocation endpoint; the client switched off."""
    first, second = bulk.token("system/*.rs"), bulk.token("system/*.rs")
    assertion = bulk.assertion(aud=f"{ISSUER}/revoke")
    assert bulk.post("/revoke", client_assertion=assertion, token=first).status == 200
    assert world.fhir_server.introspect(first) == {"active": False}
    assert world.fhir_server.introspect(second)["active"]
    services = world.services

    def disable(session: Session) -> None:
        services.clients.set_enabled(session, "bulk", enabled=False)

    services.revocation.revoke_client("bulk", "client_disabled", within=disable)
    assert world.fhir_server.introspect(second) == {"active": False}
    reply = bulk.ask()
    assert (reply.status, reply.refusal()) == (401, FAILED)


def test_a_fhir_server_that_has_moved_is_not_taken_for_the_one_that_it_was(world: World, bulk: Backend) -> None:
    """I4: what this process remembers of it for a second grants nothing at the address that another has changed."""
    assert bulk.ask().status == 200
    with world.services.db.write() as session:
        session.execute(
            update(FhirServerRow).where(FhirServerRow.name == "main").values(base_url="https://elsewhere.example")
        )
    refused = bulk.ask()
    assert (refused.status, refused.json()["error"]) == (400, "invalid_target")
    with world.services.db.read() as session:
        assert session.scalar(select(func.count()).select_from(AccessTokenRow)) == 1


def test_a_backend_token_is_nobodys_user_information(world: World, bulk: Backend) -> None:
    """Decision 22: without a user there is nothing to say."""
    headers = {"Authorization": f"Bearer {bulk.token('system/*.rs')}"}
    reply = world.transport.send("GET", f"{ISSUER}/userinfo", headers)
    assert (reply.status, reply.json()["error"]) == (403, "insufficient_scope")
