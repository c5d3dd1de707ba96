"""A key that was stolen, and a service that may do less, in the second in which another process remembers them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from joserfc.jwk import ECKey
from sqlalchemy import update

from authz.clients.model import ClientRow
from tests.backend import KEYS, Backend, public_key, register

if TYPE_CHECKING:
    from tests.world import World

NEW = public_key(ECKey.generate_key("P-384"), kid="new")
OLD = [public_key(key, kid=alg, alg=alg) for alg, key in KEYS.items()]


@pytest.fixture
def bulk(world: World, monkeypatch: pytest.MonkeyPatch) -> Backend:
    """What it remembers of the service it remembers for ever."""
    monkeypatch.setattr(world.services.clients.rows, "monotonic", lambda: 0.0)
    made = register(world, "bulk", ())
    assert made.ask(resource="https://fhir.example/r4").status == 200
    return made


def changed_elsewhere(bulk: Backend, **values: Any) -> None:
    with bulk.world.services.db.write() as session:
        session.execute(update(ClientRow).where(ClientRow.client_id == "bulk").values(values))


@pytest.mark.parametrize(
    "keys",
    [
        {"jwks": {"keys": [NEW]}},
        {"jwks": {"keys": [NEW, public_key(KEYS["RS384"], kid="ES384")]}},
        {"jwks": None, "jwks_uri": "https://bulk.example/jwks"},
        {"token_endpoint_auth_method": "client_secret_basic"},
        {"grant_types": ["authorization_code"]},
    ],
    ids=["another key", "another of its name", "published", "a secret", "another grant"],
)
def test_a_key_that_was_taken_away_buys_nothing_more(bulk: Backend, keys: dict[str, Any]) -> None:
    """RG-23, REG-05: what was granted has ended with the change; a grant that is made now would outlive it."""
    changed_elsewhere(bulk, **keys)
    refused = bulk.ask(resource="https://fhir.example/r4")
    assert (refused.status, refused.json()["error"]) == (401, "invalid_client")


def test_a_key_beside_the_others_stops_nothing(bulk: Backend) -> None:
    """SMART REG-06: so that a service can change its keys without a pause."""
    changed_elsewhere(bulk, jwks={"keys": [*OLD, NEW]})
    assert bulk.ask(resource="https://fhir.example/r4").status == 200


def test_a_service_gets_what_it_may_have_now(bulk: Backend) -> None:
    """RG-06: an administrator approves it for less."""
    changed_elsewhere(bulk, scope="system/Patient.rs", fhir_servers=["main"])
    assert bulk.ask("system/*.rs system/Patient.rs").json()["scope"] == "system/Patient.rs"
    refused = bulk.ask("system/Patient.rs", resource="https://other.example/r4")
    assert (refused.status, refused.json()["error"]) == (400, "invalid_target")
