from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from authz.audit.event import Peer
from authz.audit.model import AuditEventRow
from authz.errors import AccessDenied, TooManyRequests
from authz.keyring.box import Box
from authz.launch.context import LaunchContext
from authz.launch.launch import Launch
from authz.login.by_password import Attempt, ByPassword, CodeAttempt
from authz.login.ehr import vouched
from authz.login.known_devices import KnownDevices
from authz.login.method import HalfSignIn, SignIn
from authz.login.second_factor import Means, SecondFactor
from authz.login.throttle import ACCOUNT, Throttle
from authz.storage.limiter import Limiter

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from authz.storage.short_lived import Backend
    from tests.registries import Registries

ATTEMPT = Attempt("alice", "correct horse", Peer("192.0.2.1"))


@pytest.fixture
def by_password(made: Registries, backend: Backend) -> ByPassword:
    with made.db.write() as session:
        user = made.users.add(session, "alice")
        made.passwords.set_password(session, user.sub, "correct horse")
    throttle = Throttle(Limiter(backend, made.clock), KnownDevices(made.users, made.secrets, made.clock), 200)
    second_factor = SecondFactor(made.db, Box(made.secrets, "second factor"), "Test Hospital", made.clock)
    return ByPassword(made.passwords, second_factor, throttle, made.secrets, made.db, made.trail, made.clock)


def trail(made: Registries) -> list[AuditEventRow]:
    with made.db.read() as session:
        return list(session.scalars(select(AuditEventRow).where(AuditEventRow.event != "user.created")))


def test_the_right_password_signs_in_and_is_on_the_trail(made: Registries, by_password: ByPassword) -> None:
    user = made.users.by_name("alice")
    assert user is not None
    assert by_password.enter(ATTEMPT) == SignIn(user.sub, made.clock(), ("pwd",), era=user.sessions_valid_from)
    assert [(row.event, row.sub, row.peer, row.detail) for row in trail(made)] == [
        ("login", user.sub, "192.0.2.1", {"amr": ["pwd"]})
    ]


@pytest.mark.parametrize(
    "attempt", [replace(ATTEMPT, password="wrong"), replace(ATTEMPT, name="nobody"), replace(ATTEMPT, name="")]
)
def test_a_wrong_name_and_a_wrong_password_read_the_same(
    made: Registries, by_password: ByPassword, attempt: Attempt
) -> None:
    """security.md LC-01, 4.1: a failure is on the trail without the name, which may be a password typed too early."""
    assert by_password.enter(attempt) is None
    (row,) = trail(made)
    assert (row.event, row.outcome, row.reason, row.sub) == ("login.failed", "refused", "wrong_name_or_password", None)
    assert row.detail == {"tried_name": made.secrets.mac("tried name", attempt.name)}


def test_too_many_tries_check_no_password_any_more(
    made: Registries, by_password: ByPassword, monkeypatch: pytest.MonkeyPatch
) -> None:
    """security.md RL-07: a refused try costs no hash; also the right password is refused then."""
    hashed: list[str] = []

    def noted(stored: str, _password: bytes) -> bool:
        hashed.append(stored)
        return False

    monkeypatch.setattr(made.passwords, "matches", noted)
    for _ in range(ACCOUNT.tries):
        assert by_password.enter(ATTEMPT) is None
    with pytest.raises(TooManyRequests):
        by_password.enter(ATTEMPT)
    assert len(hashed) == ACCOUNT.tries
    assert made.events()[-1] == ("rate_limited", "sign_in")


def test_the_ehr_vouches_for_its_user(made: Registries) -> None:
    """Decision 19: the EHR's own time of sign-in, amr ehr; somebody switched off here is refused."""
    made.add_fhir_server()
    with made.db.write() as session:
        user = made.users.vouch(session, "main", "Practitioner/dr")
    signed_in = made.clock() - timedelta(hours=2)
    launch = Launch(
        launch_id="id",
        digest="digest",
        ehr="ehr",
        client_id="app",
        fhir_server="main",
        iss="https://main.example/fhir",
        user_sub=user.sub,
        context=LaunchContext(patient="A"),
        expires_at=made.clock() + timedelta(minutes=5),
        auth_time=signed_in,
        made_at=signed_in,
    )
    assert vouched(made.users, launch) == SignIn(user.sub, signed_in, ("ehr",))
    with made.db.write() as session:
        made.users.set_enabled(session, user.sub, enabled=False)
    with pytest.raises(AccessDenied):
        vouched(made.users, launch)


def test_a_password_that_is_replaced_while_it_is_checked_signs_nobody_in(
    made: Registries, by_password: ByPassword, monkeypatch: pytest.MonkeyPatch
) -> None:
    """security.md LC-02: neither a session nor a mark of a known device comes of it."""
    user, matches = made.users.by_name("alice"), made.passwords.matches
    assert user is not None

    def slowly(stored: str, password: bytes) -> bool:
        made.clock.move(seconds=1)
        with made.db.write() as session:
            made.passwords.set_password(session, user.sub, "another")
        made.clock.move(seconds=1)
        return matches(stored, password)

    monkeypatch.setattr(made.passwords, "matches", slowly)
    sign_in = by_password.enter(ATTEMPT)
    after = made.users.by_sub(user.sub)
    assert isinstance(sign_in, SignIn)
    assert after is not None
    assert not sign_in.counts_in(after.sessions_valid_from)
    assert by_password.throttle.devices.remember(None, sign_in) is None


def test_a_password_that_is_replaced_while_the_code_is_checked_signs_nobody_in(
    made: Registries, by_password: ByPassword, monkeypatch: pytest.MonkeyPatch
) -> None:
    """security.md LC-02."""
    user = made.users.by_name("alice")
    assert user is not None

    def slowly(_self: SecondFactor, session: Session, sub: str, _typed: str) -> Means:
        made.clock.move(seconds=1)
        made.passwords.set_password(session, sub, "another")
        made.clock.move(seconds=1)
        return Means.APP

    monkeypatch.setattr(SecondFactor, "accept", slowly)
    half = HalfSignIn(user.sub, "alice", made.clock(), user.sessions_valid_from)
    sign_in, after = by_password.finish(CodeAttempt(half, "123456", ATTEMPT.peer)), made.users.by_sub(user.sub)
    assert sign_in is not None
    assert after is not None
    assert not sign_in.counts_in(after.sessions_valid_from)
