"""A restored database brings nothing back that was taken away since: security.md R-25, I4."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from authz.audit.model import AuditEventRow
from authz.tokens.restored import after_restore
from tests.servers import postgres_server, program
from tests.world import World, build, settings_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "backup.md"
SCOPE = "openid launch/patient patient/Observation.rs offline_access"
INACTIVE = {"active": False}


class Copy:
    """The database of a world, backed up and put back as the how-to page says."""

    def __init__(self, world: World, folder: Path) -> None:
        self.world = world
        self.folder = folder
        self.url = world.services.settings.database_url

    def run(self, beginning: str) -> None:
        """The line of the page that begins so."""
        (line,) = [line for line in PAGE.read_text().splitlines() if line.startswith(beginning)]
        tools = f"{Path(sys.executable).parent}:{Path(program('pg_dump')).parent}" if "pg_" in beginning else ""
        environment = os.environ | {
            "PATH": f"{Path(sys.executable).parent}:{tools}:{os.environ['PATH']}",
            "DATABASE": self.url.replace("+psycopg", ""),
            "AUTHZ_ISSUER": self.world.issuer,
            "AUTHZ_DATABASE_URL": self.url,
            "AUTHZ_KEYS_DIR": str(self.world.services.settings.keys_dir),
        }
        subprocess.run(["sh", "-c", line], cwd=self.folder, env=environment, check=True, capture_output=True)

    def back_up(self) -> None:
        self.run("pg_dump" if "postgresql" in self.url else "authz db backup")

    def restore(self) -> None:
        self.world.services.db.engine.dispose()
        if "postgresql" in self.url:
            self.run("pg_restore")
            return
        database = Path(self.url.removeprefix("sqlite:///"))
        for file in database.parent.glob(f"{database.name}-*"):
            file.unlink()
        shutil.copy(self.folder / "authz.backup", database)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    with ExitStack() as stack:
        changes = {}
        if request.param == "postgres":
            changes["database_url"] = stack.enter_context(postgres_server()).new_database()
        made = build(settings_in(tmp_path, **changes))
        stack.enter_context(made.app.app_context())
        yield made
        made.services.db.engine.dispose()
        made.services.backend.close()


@pytest.fixture
def copy(world: World, tmp_path: Path) -> Copy:
    folder = tmp_path / "copies"
    folder.mkdir()
    return Copy(world, folder)


def tokens(world: World) -> dict[str, str]:
    answer: dict[str, str] = world.public.redeem(world.standalone(world.public, SCOPE, "alice")).json()
    return answer


def asks(world: World) -> Callable[[dict[str, str]], bool]:
    return lambda answer: world.fhir_server.introspect(answer["access_token"])["active"]


def test_what_was_revoked_after_the_backup_stays_dead(world: World, copy: Copy) -> None:
    """The store is not even emptied, and knows copies of all of them; then whoever comes is served anew."""
    is_active = asks(world)
    kept, revoked = tokens(world), tokens(world)
    copy.back_up()
    assert world.public.revoke(revoked["refresh_token"]).status == 200
    later = tokens(world)
    assert [is_active(one) for one in (kept, revoked, later)] == [True, False, True]
    copy.restore()
    ended = after_restore(world.services.revocation, "root")
    assert (ended.grants, ended.consents >= 1, ended.sessions >= 1) == (2, True, True)
    for one in (kept, revoked, later):
        assert world.fhir_server.introspect(one["access_token"]) == INACTIVE
        assert world.public.refresh(one["refresh_token"]).json()["error"] == "invalid_grant"
    assert is_active(tokens(world))
    with world.services.db.read() as session:
        wanted = select(AuditEventRow).where(AuditEventRow.event == "database.restored")
        assert [(row.role, row.detail["operator"]) for row in session.scalars(wanted)] == [("operator", "root")]


def test_without_it_what_was_revoked_would_be_back(world: World, copy: Copy) -> None:
    """That the danger is real: a day later no copy in the store speaks against it."""
    revoked = tokens(world)
    copy.back_up()
    assert world.public.revoke(revoked["refresh_token"]).status == 200
    copy.restore()
    world.clock.forward(days=1)
    assert world.public.refresh(revoked["refresh_token"]).status == 200
    after_restore(world.services.revocation, "root")
    assert world.public.refresh(revoked["refresh_token"]).json()["error"] == "invalid_grant"


def test_what_was_withdrawn_is_asked_about_anew_and_who_signed_out_is_out(world: World, copy: Copy) -> None:
    """A remembered yes and a session of the backup are not believed."""
    browser = world.browser()
    page = browser.sign_in(browser.open(world.public.authorize_url(scope=SCOPE)), "alice", "alice-password")
    browser.submit(page, press="allow")
    copy.back_up()
    copy.restore()
    after_restore(world.services.revocation, "root")
    page = browser.open(world.public.authorize_url(scope=SCOPE))
    assert (page.status, 'name="password"' in page.text) == (200, True)
    page = browser.sign_in(page, "alice", "alice-password")
    assert (page.status, 'value="allow"' in page.text) == (200, True)


def test_it_can_be_run_again_after_an_interruption(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("authz.tokens.restored.BATCH", 2)
    given = [tokens(world) for _ in range(5)]
    assert after_restore(world.services.revocation, "root").grants == 5
    assert after_restore(world.services.revocation, "root").grants == 0
    assert [asks(world)(one) for one in given] == [False] * 5


def test_a_backup_is_for_its_owner_only_and_overwrites_nothing(world: World, copy: Copy) -> None:
    """security.md 4.2: the digests and decisions in it are nobody else's."""
    if "postgresql" in copy.url:
        with pytest.raises(subprocess.CalledProcessError) as refused:
            copy.run("authz db backup")
        assert b"this is PostgreSQL: use pg_dump" in refused.value.stderr
        return
    copy.back_up()
    assert (copy.folder / "authz.backup").stat().st_mode & 0o777 == 0o600
    with pytest.raises(subprocess.CalledProcessError) as refused:
        copy.back_up()
    assert b"authz.backup is there already" in refused.value.stderr
