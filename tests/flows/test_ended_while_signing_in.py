"""All sign-ins of a person are ended while one of them is being made: by its old password nobody gets in any more."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from authz.authorize.beside import ENDED
from authz.login.password import Passwords
from tests.flows.test_administration import add_administrator, is_in
from tests.flows.test_administration import sign_in as administrate
from tests.flows.test_granted_meanwhile import LAUNCH_SCOPE, SCOPE, error
from tests.servers import postgres_server
from tests.world import on_postgres

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy.orm import Session

    from authz.users.registry import User
    from tests.world import World

WAITS = text("SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'advisory'")


def set_password(world: World, session: Session, sub: str) -> None:
    world.services.passwords.set_password(session, sub, "another of hers")


def ends_meanwhile(world: World, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A command that began before the old password is looked at ends right after."""
    honest, begun = Passwords.verify, world.clock()
    world.clock.forward(seconds=1)

    def verify(self: Passwords, *typed: str) -> User | None:
        found = honest(self, *typed)
        monkeypatch.setattr(Passwords, "verify", honest)
        monkeypatch.setattr(self, "now", lambda: begun)
        user = world.services.users.by_name(name)
        assert user is not None
        change = partial(set_password, world, sub=user.sub)
        world.services.revocation.revoke_user(user.sub, "password_changed", within=change)
        return found

    monkeypatch.setattr(Passwords, "verify", verify)


def test_whoever_knows_the_old_password_gets_no_session(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """LC-26, I4: the command takes as long as the person has grants, and a thief can give them many."""
    browser = world.browser()
    page = browser.open(world.confidential.authorize_url(scope=SCOPE))
    ends_meanwhile(world, monkeypatch, "alice")
    refused = browser.sign_in(page, "alice", "alice-password")
    assert (refused.status, ENDED in refused.text, "authz_session" in browser.cookies) == (401, True, False)
    assert "authz_device" not in browser.cookies
    assert browser.sign_in(refused, "alice", "another of hers").status == 200


def test_a_launch_that_was_confirmed_by_the_old_password_is_granted_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """LC-26, decision 14."""
    with world.services.db.write() as session:
        world.services.fhir_servers.update(session, "main", {"reauthenticate": True})
    launch = str(world.ehr.launch("public", "Patient/A", patient="A")["launch"])
    browser = world.browser()
    page = browser.open(world.public.authorize_url(scope=LAUNCH_SCOPE, launch=launch))
    ends_meanwhile(world, monkeypatch, "alice")
    reply = browser.sign_in(page, "alice", "alice-password")
    assert error(reply) == {"code": "", "error": "access_denied"}


def test_an_administrator_of_before_gets_no_session_either(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """LC-26: neither by the old password and a code."""
    app, browser = add_administrator(world), world.browser()
    ends_meanwhile(world, monkeypatch, "ada")
    administrate(browser, "ada", "ada-password", app.at(world.clock()))
    assert not is_in(browser)


@pytest.mark.postgres
def test_who_signs_in_while_it_goes_on_waits_for_its_end(tmp_path: Path) -> None:
    """LC-26, I4: nothing but the order of the transactions decides."""
    with postgres_server() as server, on_postgres(tmp_path, server) as world, ThreadPoolExecutor(1) as thief:
        user = world.services.users.by_name("alice")
        assert user is not None
        browser = world.browser()
        page = browser.open(world.confidential.authorize_url(scope=SCOPE))
        coming = []

        def sign_in() -> tuple[int, bool]:
            with world.app.app_context():
                reply = browser.sign_in(page, "alice", "alice-password")
                return reply.status, "authz_session" in browser.cookies

        def change(session: Session) -> None:
            set_password(world, session, user.sub)
            world.clock.forward(seconds=1)
            coming.append(thief.submit(sign_in))
            until_somebody_waits(world)

        world.services.revocation.revoke_user(user.sub, "password_changed", within=change)
        assert coming[0].result() == (401, False)


def until_somebody_waits(world: World) -> None:
    until = time.monotonic() + 5
    with world.services.db.engine.connect() as connection:
        while not connection.execute(WAITS).scalar_one():
            assert time.monotonic() < until, "nobody waited for the operator's turn"
            time.sleep(0.02)
