"""What an administrator switches off has no token a moment later."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from authz.consent.model import ConsentRow
from authz.launch.model import SpentLaunchRow
from authz.scopes import ScopeSet
from authz.tokens.code import challenge_of
from authz.tokens.store import NewGrant
from tests.cli.conftest import Cli
from tests.flows.test_representation_links import away_for

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from tests.actors import SmartApp
    from tests.world import World


@pytest.fixture
def authz(world: World) -> Cli:
    """The operator of the world's server."""
    return Cli.of(world)


def sub_of(world: World, name: str) -> str:
    user = world.services.users.by_name(name)
    assert user is not None
    return user.sub


def tokens(world: World, app: SmartApp, user: str = "doctor", patient: str = "A") -> dict[str, Any]:
    """The token response for a grant to an app by a person, after a launch by the main EHR."""
    made, grant_id, launch_id = world.services, secrets.token_hex(16), secrets.token_hex(8)
    grant = NewGrant(
        client_id=app.client_id,
        fhir_server="main",
        scope=ScopeSet.parse("launch patient/*.rs offline_access"),
        sub=sub_of(world, user),
        context={"patient": patient},
        launch_id=launch_id,
    )
    with made.db.write() as session:
        code = made.codes.issue(session, grant_id, grant, app.redirect_uri, challenge_of(app.verifier))
        session.add(spent_launch(launch_id, app.client_id, grant_id, made.now()))
        session.add(decision(grant.sub or "", app.client_id, made.now()))
    answer: dict[str, Any] = app.redeem(code).json()
    assert world.fhir_server.introspect(answer["access_token"])["active"] is True
    return answer


def spent_launch(launch_id: str, client_id: str, grant_id: str, at: datetime) -> SpentLaunchRow:
    return SpentLaunchRow(
        digest=secrets.token_hex(32),
        launch_id=launch_id,
        state="used",
        ehr="ehr-main",
        fhir_server="main",
        client_id=client_id,
        grant_id=grant_id,
        at=at,
    )


def decision(sub: str, client_id: str, at: datetime) -> ConsentRow:
    return ConsentRow(
        id=secrets.token_hex(16),
        sub=sub,
        client_id=client_id,
        fhir_server="main",
        patient="A",
        requested_scope="patient/*.rs",
        granted_scope="patient/*.rs",
        granted_at=at,
        expires_at=at,
        withdrawn_at=None,
    )


@pytest.mark.parametrize(
    "command",
    [
        ("client", "disable", "public"),
        ("client", "remove", "public"),
        ("client", "update", "public", "--redirect-uri", "https://app.example/other"),
        ("client", "update", "public", "--auth-method", "client_secret_basic"),
        ("user", "disable", "doctor"),
        ("user", "remove", "doctor"),
        ("user", "update", "doctor", "--fhir-user", "Practitioner/else", "--fhir-server", "main"),
        ("user", "set-password", "doctor", "--password-stdin"),
        ("ehr", "disable", "ehr-main"),
        ("ehr", "remove", "ehr-main"),
        ("fhir-server", "update", "main", "--base-url", "https://moved.example/r4"),
    ],
    ids=" ".join,
)
def test_what_is_switched_off_takes_its_tokens_along(world: World, authz: Cli, command: tuple[str, ...]) -> None:
    """security.md RG-25, TK-30; RFC 7592 §2.3: at once, on every worker; MGT-03."""
    answer = tokens(world, world.public)
    authz(*command, stdin="a good password\n")
    assert world.fhir_server.introspect(answer["access_token"]) == {"active": False}
    assert world.public.refresh(answer["refresh_token"]).json()["error"] in {"invalid_grant", "invalid_client"}


@pytest.mark.parametrize("command", ["disable", "remove"])
def test_a_fhir_server_that_goes_takes_its_tokens_along(world: World, authz: Cli, command: str) -> None:
    answer = tokens(world, world.public)
    assert authz("fhir-server", command, "main")["revoked_grants"] == 1
    assert world.fhir_server.introspect(answer["access_token"]) == {"active": False}
    world.services.callers.recent.forget()  # a good credential is remembered for a second
    assert world.fhir_server.ask(answer["access_token"]).status == 401
    assert world.public.refresh(answer["refresh_token"]).json()["error"] == "invalid_grant"


@pytest.mark.parametrize(
    "command",
    [
        ("client", "update", "public", "--name", "New name"),
        ("client", "update", "public", "--redirect-uri", "https://app.example/cb", "--redirect-uri",
         "https://app.example/cb2?x=1", "--redirect-uri", "https://app.example/third"),
        ("client", "disable", "confidential"),
        ("user", "disable", "alice"),
        ("user", "update", "doctor", "--display-name", "Dr. Who"),
        ("ehr", "disable", "ehr-other"),
        ("fhir-server", "disable", "other"),
        ("fhir-server", "update", "main", "--reauthenticate"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_what_stays_keeps_its_tokens(world: World, authz: Cli, command: tuple[str, ...]) -> None:
    answer = tokens(world, world.public)
    authz(*command)
    assert world.fhir_server.introspect(answer["access_token"])["active"] is True
    assert world.public.refresh(answer["refresh_token"]).status == 200


def test_who_acts_for_a_child_no_more_loses_that_child_only(world: World, authz: Cli) -> None:
    """security.md 4.1: a proxy relation changed."""
    first = tokens(world, world.public, "parent", "child-1")
    second = tokens(world, world.public, "parent", "child-2")
    authz("user", "stop-representing", "parent", "--patient", "child-1", "--fhir-server", "main")
    assert world.fhir_server.introspect(first["access_token"]) == {"active": False}
    assert world.fhir_server.introspect(second["access_token"])["active"] is True


def test_whose_representation_is_said_to_be_over_loses_what_was_granted(world: World, authz: Cli) -> None:
    """CTX-13: as with ``stop-representing``; a date to come ends nothing yet."""
    answer = tokens(world, world.public, "parent", "child-1")
    said = ("user", "represent", "parent", "--patient", "child-1", "--relationship", "mother", "--fhir-server", "main")
    authz(*said, "--until", "2100-01-01")
    assert world.fhir_server.introspect(answer["access_token"])["active"] is True
    authz(*said, "--until", "2020-01-01")
    assert world.fhir_server.introspect(answer["access_token"]) == {"active": False}
    assert world.public.refresh(answer["refresh_token"]).status == 400


def test_a_file_that_ends_it_for_several_people_ends_it_for_all_or_for_nobody(
    world: World, authz: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Issue 6.3, CTX-13: one transaction; said again after it failed, the file does what it was to do."""
    for name in ("alice", "parent"):
        for patient in ("gone", "kept"):
            authz("user", "represent", name, "--patient", patient, "--relationship", "x", "--fhir-server", "main")
    ended = [tokens(world, world.public, name, "gone")["access_token"] for name in ("alice", "parent")]
    kept = [tokens(world, world.public, name, "kept")["access_token"] for name in ("alice", "parent")]
    path = tmp_path / "people.csv"
    rows = [f"{name},main,{patient},x\n" for name in ("alice", "parent") for patient in ("kept", "child-1", "child-2")]
    path.write_text("user,fhir_server,patient,relationship\n" + "".join(rows))
    command = ("user", "represent", "--file", str(path), "--replace")
    with monkeypatch.context() as fault:
        away_for("represents_no_more", fault, after=1)
        assert authz.refused(*command)["error"] == "temporarily_unavailable"
    assert all(world.fhir_server.introspect(token)["active"] for token in (*ended, *kept))
    assert authz(*command)["revoked_grants"] == len(ended)
    assert [world.fhir_server.introspect(token) for token in ended] == [{"active": False}] * len(ended)
    assert all(world.fhir_server.introspect(token)["active"] for token in kept)


@pytest.mark.parametrize(
    "command",
    [
        ("client", "remove", "public"),
        ("user", "remove", "doctor"),
        ("user", "update", "doctor", "--fhir-user", "Practitioner/else", "--fhir-server", "main"),
        ("fhir-server", "remove", "main"),
    ],
    ids=" ".join,
)
def test_nobody_inherits_a_decision_by_inheriting_a_name(world: World, authz: Cli, command: tuple[str, ...]) -> None:
    """Consent is for this app, this person and this FHIR server, not for whoever is called so later."""
    tokens(world, world.public)
    authz(*command)
    with world.services.db.read() as session:
        assert [row.withdrawn_at is None for row in session.scalars(select(ConsentRow))] == [False]


def test_a_decision_stands_where_the_person_is_who_they_were(world: World, authz: Cli) -> None:
    """Decision 0052: a decision is for one FHIR server."""
    tokens(world, world.public)
    authz("user", "update", "doctor", "--fhir-user", "Practitioner/else", "--fhir-server", "other")
    with world.services.db.read() as session:
        assert [row.withdrawn_at for row in session.scalars(select(ConsentRow))] == [None]


def test_enabling_again_revives_no_token(world: World, authz: Cli) -> None:
    answer = tokens(world, world.public)
    assert authz("client", "disable", "public")["revoked_grants"] == 1
    authz("client", "enable", "public")
    assert world.fhir_server.introspect(answer["access_token"]) == {"active": False}
    assert world.public.refresh(answer["refresh_token"]).json()["error"] == "invalid_grant"
    tokens(world, world.public)


def test_nothing_happens_without_the_trail(world: World, authz: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """security.md AU-4: the change and its event are one transaction."""
    answer = tokens(world, world.public)

    def fails(*_: object) -> None:
        raise OSError("no trail")

    monkeypatch.setattr("authz.audit.trail.Trail.row", fails)
    with pytest.raises(OSError, match="no trail"):
        authz("client", "disable", "public")
    monkeypatch.undo()
    client = world.services.clients.find("public")
    assert client is not None
    assert client.enabled
    assert world.fhir_server.introspect(answer["access_token"])["active"] is True


def test_an_app_that_loses_a_fhir_server_loses_what_it_was_granted_there(world: World, authz: Cli) -> None:
    """Decision 20: at once, as for a lost redirect URI; an app that may go on there goes on."""
    granted = tokens(world, world.public)
    authz("client", "update", "public", "--fhir-server", "main", "--fhir-server", "other")
    assert world.fhir_server.introspect(granted["access_token"])["active"] is True
    authz("client", "update", "public", "--fhir-server", "other")
    assert world.fhir_server.introspect(granted["access_token"]) == {"active": False}
    assert world.public.refresh(granted["refresh_token"]).status == 400
