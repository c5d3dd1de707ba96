"""A client that makes launches for an EHR ends as one: what its launches opened goes with it (decision 17, MGT-03)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from authz.registration.model import RegistrationRow, Source, State
from tests.backend import Backend, register
from tests.cli.conftest import Cli

if TYPE_CHECKING:
    from tests.world import World

SCOPE = "launch patient/*.rs offline_access"


@pytest.fixture
def authz(world: World) -> Cli:
    return Cli.of(world)


def registered(world: World, client_id: str) -> Backend:
    """As if it had registered itself and was approved, so that it can be declined as well."""
    service = register(world, client_id, ("main",))
    with world.services.db.write() as session:
        session.add(
            RegistrationRow(
                client_id=client_id,
                lane="backend",
                state=State.APPROVED.value,
                token_digest="",
                source=Source.OPEN.value,
                source_id="",
                reason="",
                created_at=world.clock(),
            )
        )
    return service


def posted(world: World) -> str:
    """A launch by the EHR's own credential."""
    return str(world.ehr.launch("public", "Practitioner/dr", patient="A")["launch"])


def is_alive(world: World, tokens: dict[str, Any]) -> bool:
    active = world.fhir_server.introspect(tokens["access_token"])["active"]
    assert (world.public.refresh(tokens["refresh_token"]).status == 200) is active
    return bool(active)


@pytest.mark.parametrize(
    "command",
    [
        ("client", "disable", "bulk"),
        ("client", "remove", "bulk"),
        ("client", "update", "bulk", "--fhir-server", "other"),
        ("registration", "decline", "bulk", "--reason", "its key was stolen"),
        ("registration", "hold", "bulk", "--reason", "its key was stolen"),
    ],
    ids=" ".join,
)
def test_what_its_launches_opened_ends_with_a_client(world: World, authz: Cli, command: tuple[str, ...]) -> None:
    """MGT-03, SECURITY.md H3: at once, and no launch of an EHR's own credential with it."""
    speaker = registered(world, "bulk")
    opened = world.public.tokens(speaker.launch(), SCOPE)
    others = world.public.tokens(posted(world), SCOPE)
    authz(*command)
    assert not is_alive(world, opened)
    assert is_alive(world, others)


@pytest.mark.parametrize(
    ("command", "lives"),
    [
        (("client", "disable", "ehr-main"), ["the EHR's"]),
        (("client", "remove", "ehr-main"), ["the EHR's"]),
        (("ehr", "disable", "ehr-main"), ["the client's"]),
        (("ehr", "remove", "ehr-main"), ["the client's"]),
        (("client", "update", "ehr-main", "--name", "New name"), ["the client's", "the EHR's"]),
    ],
    ids=str,
)
def test_a_client_and_an_ehr_of_one_name_end_apart(
    world: World, authz: Cli, command: tuple[str, ...], lives: list[str]
) -> None:
    """Decision 17: what each of them opened is told apart."""
    speaker = register(world, "ehr-main", ("main",))
    opened = {"the client's": speaker.launch(), "the EHR's": posted(world)}
    tokens = {whose: world.public.tokens(launch, SCOPE) for whose, launch in opened.items()}
    authz(*command)
    assert [whose for whose, held in tokens.items() if is_alive(world, held)] == lives


def test_how_many_grants_went_is_told(world: World, authz: Cli) -> None:
    """Its own token, and what two of its launches opened."""
    speaker = register(world, "bulk", ("main",))
    for _ in range(2):
        world.public.tokens(speaker.launch(), SCOPE)
    own = 2  # a token for each launch
    assert authz("client", "disable", "bulk")["revoked_grants"] == own + 2


def test_an_ehr_ends_at_a_fhir_server_it_is_taken_off(world: World, authz: Cli) -> None:
    """Decision 20, MGT-03: as an app does; at one that it keeps everything goes on."""
    opened = world.public.tokens(posted(world), SCOPE)
    authz("ehr", "update", "ehr-main", "--fhir-server", "main", "--fhir-server", "other")
    again = world.public.tokens(posted(world), SCOPE)
    assert is_alive(world, opened)
    authz("ehr", "update", "ehr-main", "--fhir-server", "other")
    assert not is_alive(world, again)
