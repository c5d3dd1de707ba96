"""The application as a whole: start, health, an issuer with a path (decisions 5, 7, 29; house.md law 2)."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, NoReturn

import pytest
from sqlalchemy import select, text

from authz import background
from authz.app import check, create_app, note_stop
from authz.audit.model import AuditEventRow, AuditSealRow
from authz.audit.order import ORDER
from authz.background import Background
from authz.concurrency import BACKGROUND_JOBS
from authz.errors import Unavailable
from authz.settings import ConfigurationError
from authz.storage import revisions
from authz.storage.short_lived import StoreUnavailable
from tests.servers import wait_until
from tests.world import build, settings_in

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from authz.services import Services
    from tests.world import World


@pytest.fixture
def below_a_path(tmp_path: Path) -> Iterator[World]:
    made = build(settings_in(tmp_path, issuer="http://127.0.0.1:9000/auth"))
    with made.app.app_context():
        yield made
        made.services.db.engine.dispose()
    made.services.backend.close()


def events(services: Services) -> list[str]:
    with services.db.read() as session:
        return list(session.scalars(select(AuditEventRow.event).order_by(*ORDER)))


def ended(jobs: Background) -> None:
    """Tell the background threads to end, and see that all of them have."""
    jobs.end()
    assert [thread.name for thread in jobs.threads if thread.is_alive()] == []


def test_an_issuer_may_have_a_path(below_a_path: World) -> None:
    """Decision 29; RFC 8414 §3.1: the well-known segment stands before the path, OpenID's behind it."""
    client = below_a_path.app.test_client()
    for path in (
        "/auth/.well-known/openid-configuration",
        "/.well-known/openid-configuration/auth",
        "/.well-known/oauth-authorization-server/auth",
        "/auth/fhir-servers/main/.well-known/smart-configuration",
    ):
        document = client.get(path).get_json()
        assert document["token_endpoint"] == "http://127.0.0.1:9000/auth/token", path
    assert client.get("/auth/jwks").status_code == 200
    assert client.get("/jwks").status_code == 404
    assert client.post("/auth/token").get_json()["error"] == "invalid_request"
    assert client.post("/auth/token", headers={"Origin": "https://app.example"}).access_control_allow_origin == (
        "https://app.example"
    )
    assert client.get("/healthz").get_json() == {"status": "ok"}


def test_a_ready_server_says_so(world: World) -> None:
    client = world.app.test_client()
    for path in ("/healthz", "/readyz"):
        answer = client.get(path)
        assert (answer.status_code, answer.get_json()) == (200, {"status": "ok"})


def test_a_server_without_its_store_is_alive_but_not_ready(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """House.md law 2: 503 and Retry-After."""

    def gone() -> None:
        raise StoreUnavailable("redis://user:ZZ9SECRET@host")

    monkeypatch.setattr(world.services.backend, "ping", gone)
    answer = world.app.test_client().get("/readyz")
    assert (answer.status_code, answer.headers["Retry-After"], answer.get_json()) == (
        503,
        "2",
        {"status": "unavailable", "problems": ["the short-lived store does not answer"]},
    )
    assert world.app.test_client().get("/healthz").status_code == 200


def test_a_server_without_its_database_is_not_ready(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*_: object) -> NoReturn:
        raise Unavailable("ZZ9SECRET")

    monkeypatch.setattr(revisions, "misfit", gone)
    monkeypatch.setattr(world.services.keyring, "check", gone)
    answer = world.app.test_client().get("/readyz")
    assert (answer.status_code, answer.get_json()["problems"]) == (
        503,
        ["the database does not answer", "the signing keys can't be looked up"],
    )


def test_the_store_is_swept_again_and_again_though_it_fails(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    sweeps: list[int] = []

    def sweep() -> int:
        sweeps.append(1)
        if len(sweeps) == 1:
            raise StoreUnavailable("away")
        return 0

    monkeypatch.setattr(background, "SWEEP_SECONDS", 0.01)
    monkeypatch.setattr(world.services.backend, "sweep", sweep)
    jobs = Background.begin(world.app)
    wait_until(lambda: len(sweeps) > 2, "the sweeper")
    ended(jobs)


def test_the_jobs_in_the_background_are_as_many_as_are_counted_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """docs/how-to/stores.md: each may have a connection to the database besides those of the threads that serve."""
    made = build(settings_in(tmp_path, audit_export=str(tmp_path / "audit.jsonl")))
    begun: set[str] = set()
    monkeypatch.setattr(threading.Thread, "start", lambda thread: begun.add(thread.name))
    Background.begin(made.app)
    assert len(begun) == BACKGROUND_JOBS
    made.services.backend.close()


def test_a_store_that_may_forget_is_reported(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(world.services.backend, "problems", lambda: ["maxmemory-policy evicts"])
    answer = world.app.test_client().get("/readyz")
    assert (answer.status_code, answer.get_json()["problems"]) == (503, ["maxmemory-policy evicts"])


def test_a_database_of_another_version_is_reported_and_refused(world: World) -> None:
    with world.services.db.write() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    answer = world.app.test_client().get("/readyz")
    problem = "the database is at revision 0001, this version needs "
    assert answer.status_code == 503
    assert answer.get_json()["problems"][0].startswith(problem)
    with pytest.raises(ConfigurationError, match=problem):
        check(world.app)


def test_a_server_without_an_active_key_is_not_ready_and_does_not_start(world: World) -> None:
    """Decision 7."""
    with world.services.db.write() as session:
        session.execute(text("UPDATE signing_key SET state = 'retired'"))
    problem = "there is no active signing key; make one with `authz keys generate`"
    assert world.app.test_client().get("/readyz").get_json()["problems"] == [problem]
    with pytest.raises(ConfigurationError, match="no active signing key"):
        check(world.app)


def test_a_key_file_that_others_may_read_is_refused(world: World) -> None:
    """Decision 7."""
    for file in world.services.settings.keys_dir.glob("*.pem"):
        file.chmod(0o644)
    with pytest.raises(ConfigurationError):
        check(world.app)


def test_an_app_without_its_secrets_can_not_be_built(tmp_path: Path) -> None:
    """Decision 6."""
    with pytest.raises(ConfigurationError, match=r"secrets\.json"):
        create_app(settings_in(tmp_path))


def test_a_start_is_on_the_trail_and_leaves_no_connection_open(world: World) -> None:
    """security.md 4.1; decision 29: connections open after the fork."""
    before = events(world.services)
    check(world.app)
    assert world.services.db.engine.pool.checkedin() == 0  # type: ignore[attr-defined]  # of the pool in use
    assert events(world.services) == [*before, "server.started"]


def test_a_stop_in_good_order_is_on_the_trail(world: World) -> None:
    """security.md 4.1: a start that no stop came before followed a crash."""
    before = events(world.services)
    note_stop(world.app)
    assert world.services.db.engine.pool.checkedin() == 0  # type: ignore[attr-defined]  # of the pool in use
    assert events(world.services) == [*before, "server.stopped"]


def test_the_trail_is_sealed_in_the_background(world: World) -> None:
    """Decision 5: at most one second behind; and the threads end when told to."""
    check(world.app)
    jobs = Background.begin(world.app)

    def sealed() -> bool:
        with world.services.db.read() as session:
            return set(session.scalars(select(AuditSealRow.event_id))) == set(session.scalars(select(AuditEventRow.id)))

    wait_until(sealed, "the sealer")
    ended(jobs)
