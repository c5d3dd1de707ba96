"""What the doctor says of how people get in: staff with a password alone, and providers that are not what they say."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from authz.doctor.sign_in import accounts, claims, provider
from tests.federated.conftest import hospital as hospital  # noqa: PLC0414  the fixture
from tests.upstream import IDP
from tests.world import build, settings_in

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.federated.conftest import Hospital
    from tests.world import World


@contextmanager
def production(folder: Path) -> Iterator[World]:
    world = build(settings_in(folder, issuer="https://auth.example"))
    with world.app.app_context():
        yield world
        world.services.db.engine.dispose()
    world.services.backend.close()


def told(world: World) -> list[tuple[str, str, str]]:
    return [(one.id, one.about, one.problem) for one in accounts(world.services)]


def test_staff_of_a_hospital_sign_in_with_more_than_a_password(tmp_path: Path) -> None:
    """Issue 6 item 1: a warning names who; not patients, not who has an authenticator app, and not on loopback."""
    with production(tmp_path) as world:
        alone = ("sign_in.local_accounts", "main", "staff sign in with a password alone: doctor")
        assert told(world) == [alone]
        doctor = world.services.users.by_name("doctor")
        assert doctor is not None
        with world.services.db.write() as session:
            world.services.second_factor.enrol(session, doctor)
        assert told(world) == []
        with world.services.db.write() as session:
            world.services.second_factor.remove(session, doctor.sub)
            world.services.federation.rulebook.update(session, "main", {"local_accounts": False})
        assert told(world) == []


def test_a_server_on_loopback_is_nobodys_hospital(world: World) -> None:
    assert told(world) == []


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({}, ""),
        ({"issuer": "https://elsewhere.example"}, "discovery: "),
        ({"jwks_uri": None}, "discovery: "),
        ({"id_token_signing_alg_values_supported": ["none"]}, "id_token: it signs by none of "),
    ],
    ids=["as it should be", "of another issuer", "without keys", "unsigned"],
)
def test_a_provider_is_read_as_a_sign_in_reads_it(hospital: Hospital, changes: dict[str, Any], problem: str) -> None:
    """OpenID Connect Discovery §4.3: an error for what nobody could sign in with, and for nothing else."""
    hospital.provider.document = changes
    (known,) = hospital.federation.providers.all()
    found = list(provider(known, hospital.federation.relying_party))
    assert [(one.id, one.about) for one in found] == ([("sign_in.provider", known.name)] if problem else [])
    assert all(one.problem.startswith(problem) for one in found)


def test_the_doctor_names_whose_value_has_no_base(hospital: Hospital) -> None:
    """OID-14, A7: an error, for who was found by it before may be somebody else's record; a URL is none."""
    hospital.provider.person = {"sub": "idp-alice", "fhirUser": "Patient/A"}
    hospital.arrive(hospital.world.browser())
    hospital.provider.person = {"sub": "idp-dana", "fhirUser": "https://fhir.example/r4/Practitioner/dana"}
    hospital.arrive(hospital.world.browser(), "openid")
    assert list(claims(hospital.world.services)) == []
    with hospital.world.services.db.write() as session:
        hospital.federation.providers.update(session, "hospital", {"fhir_servers": []})
    alice = hospital.federation.identities.find(IDP, "idp-alice")
    (found,) = claims(hospital.world.services)
    assert (found.id, found.about, found.severity) == ("sign_in.claim", "hospital", "error")
    assert found.problem == (
        f"it serves several FHIR servers, and fhirUser does not say of which of them it speaks: of {alice.sub}"
    )
