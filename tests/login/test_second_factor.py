"""Codes of an authenticator app, and recovery codes."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from flask import current_app
from pyotp import TOTP
from sqlalchemy import select

from authz.keyring.box import Box
from authz.keyring.secrets import Secrets
from authz.login.model import RecoveryCodeRow, SecondFactorRow
from authz.login.second_factor import Means, SecondFactor
from tests.registries import made, postgres_url

if TYPE_CHECKING:
    from collections.abc import Callable

    from authz.login.second_factor import Enrolment
    from authz.users.user import User
    from tests.registries import Registries

__all__ = ["made", "postgres_url"]  # on each kind of database, for the sake of the races


@pytest.fixture
def factor(made: Registries) -> SecondFactor:
    return SecondFactor(made.db, Box(made.secrets, "second factor"), "Test Hospital", made.clock)


@pytest.fixture
def alice(made: Registries) -> User:
    with made.db.write() as session:
        user = made.users.add(session, "alice")
        made.passwords.set_password(session, user.sub, "correct horse")
    return user


def enrolled(factor: SecondFactor, user: User) -> Enrolment:
    with factor.db.write() as session:
        return factor.enrol(session, user)


def code_at(factor: SecondFactor, enrolment: Enrolment, steps: int = 0) -> str:
    """What the app shows now, or so many steps of 30 s away."""
    secret = parse_qs(urlsplit(enrolment.uri).query)["secret"][0]
    return TOTP(secret).at(factor.now(), counter_offset=steps)


def accepted(factor: SecondFactor, user: User, code: str) -> Means | None:
    with factor.db.write() as session:
        return factor.accept(session, user.sub, code)


def race(attempt: Callable[[], bool]) -> list[bool]:
    app = current_app._get_current_object()  # type: ignore[attr-defined]  # the proxy works in its own thread only
    start, won = threading.Barrier(8), list[bool]()

    def run() -> None:
        with app.app_context():
            start.wait()
            won.append(attempt())

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(won)


def test_the_uri_is_what_authenticator_apps_read(factor: SecondFactor, alice: User) -> None:
    """RFC 4226 §4 R6: a secret of 160 bits."""
    uri = urlsplit(enrolled(factor, alice).uri)
    assert (uri.scheme, uri.netloc, unquote(uri.path)) == ("otpauth", "totp", "/Test Hospital:alice")
    members = parse_qs(uri.query)
    assert len(members.pop("secret")[0]) == 32
    assert members == {"issuer": ["Test Hospital"]}


@pytest.mark.parametrize(("steps", "means"), [(-2, None), (-1, "totp"), (0, "totp"), (1, "totp"), (2, None)])
def test_a_code_may_be_one_step_early_or_late(factor: SecondFactor, alice: User, steps: int, means: str | None) -> None:
    """RFC 6238 §5.2."""
    assert accepted(factor, alice, code_at(factor, enrolled(factor, alice), steps)) == means


def test_a_code_is_good_once_and_so_are_those_before_it(made: Registries, factor: SecondFactor, alice: User) -> None:
    """RFC 6238 §5.2: the verifier must not accept the second attempt of the code."""
    enrolment = enrolled(factor, alice)
    now, before = code_at(factor, enrolment), code_at(factor, enrolment, -1)
    assert accepted(factor, alice, f" {now[:3]} {now[3:]}") == Means.APP
    assert accepted(factor, alice, now) is None
    assert accepted(factor, alice, before) is None
    made.clock.move(seconds=30)
    assert accepted(factor, alice, code_at(factor, enrolment)) == Means.APP


def test_of_eight_racing_uses_of_one_code_one_succeeds(factor: SecondFactor, alice: User) -> None:
    """RFC 6238 §5.2, decision 1: the last step used is a row, moved by one conditional update."""
    code = code_at(factor, enrolled(factor, alice))
    assert race(lambda: accepted(factor, alice, code) is not None) == [False] * 7 + [True]


def test_of_eight_racing_uses_of_one_recovery_code_one_succeeds(factor: SecondFactor, alice: User) -> None:
    code = enrolled(factor, alice).recovery_codes[0]
    assert race(lambda: accepted(factor, alice, code) is not None) == [False] * 7 + [True]


def test_each_recovery_code_is_good_once_however_it_is_typed(factor: SecondFactor, alice: User) -> None:
    codes = enrolled(factor, alice).recovery_codes
    assert (len(set(codes)), {len(code) for code in codes}) == (10, {19})
    assert accepted(factor, alice, codes[0].lower().replace("-", " ")) == Means.RECOVERY
    assert accepted(factor, alice, codes[0]) is None
    assert accepted(factor, alice, codes[9].replace("-", "")) == Means.RECOVERY
    assert factor.recovery_codes_left(alice.sub) == 8


@pytest.mark.parametrize("typed", ["", "12345", "1234567", "abcdef", "\ud800", "\0", "x" * 10_000, "1" * 10_000])
def test_what_is_no_code_is_refused(factor: SecondFactor, alice: User, typed: str) -> None:
    enrolled(factor, alice)
    assert accepted(factor, alice, typed) is None


def test_the_codes_of_one_person_are_nothing_for_another(made: Registries, factor: SecondFactor, alice: User) -> None:
    with made.db.write() as session:
        bob = made.users.add(session, "bob")
    of_alice, _ = enrolled(factor, alice), enrolled(factor, bob)
    assert accepted(factor, bob, code_at(factor, of_alice)) is None
    assert accepted(factor, bob, of_alice.recovery_codes[0]) is None
    assert accepted(factor, alice, of_alice.recovery_codes[0]) == Means.RECOVERY


def test_enrolled_anew_what_was_before_is_good_no_more(made: Registries, factor: SecondFactor, alice: User) -> None:
    """Somebody found the old recovery codes: they and the sign-ins of before are of no use."""
    before = enrolled(factor, alice)
    made.clock.move(hours=1)
    after = enrolled(factor, alice)
    assert accepted(factor, alice, code_at(factor, before)) is None
    assert accepted(factor, alice, before.recovery_codes[0]) is None
    assert accepted(factor, alice, code_at(factor, after)) == Means.APP
    user = made.users.by_sub(alice.sub)
    assert user is not None
    assert user.sessions_valid_from == made.clock()


def test_removed_it_is_asked_for_no_more(factor: SecondFactor, alice: User) -> None:
    code = code_at(factor, enrolled(factor, alice))
    assert factor.is_on(alice.sub)
    with factor.db.write() as session:
        assert factor.remove(session, alice.sub)
        assert not factor.remove(session, alice.sub)
    assert not factor.is_on(alice.sub)
    assert accepted(factor, alice, code) is None


def test_nobody_who_reads_the_database_has_a_code(factor: SecondFactor, alice: User) -> None:
    """Decision 6: the secret is encrypted with a key that is not in the database, recovery codes are digests."""
    enrolment = enrolled(factor, alice)
    secret = parse_qs(urlsplit(enrolment.uri).query)["secret"][0]
    with factor.db.read() as session:
        row = session.get(SecondFactorRow, alice.sub)
        digests = list(session.scalars(select(RecoveryCodeRow.code_digest)))
    assert row is not None
    assert secret.encode() not in row.secret
    assert {len(digest) for digest in digests} == {64}
    assert secret not in repr(enrolment)
    assert enrolment.recovery_codes[0] not in repr(enrolment)


def test_it_outlives_the_change_of_the_key_when_used_meanwhile(made: Registries, alice: User) -> None:
    """Decision 6: two keys are held; each use closes the secret with the newest, and without any key nobody gets in."""
    old, new, newest = b"o" * 32, b"n" * 32, b"x" * 32

    def with_keys(*keys: bytes) -> SecondFactor:
        return SecondFactor(made.db, Box(Secrets(keys), "second factor"), "Test Hospital", made.clock)

    enrolment = enrolled(with_keys(old), alice)
    between = with_keys(new, old)
    assert accepted(between, alice, code_at(between, enrolment)) == Means.APP
    made.clock.move(seconds=30)
    after = with_keys(newest, new)
    assert accepted(after, alice, code_at(after, enrolment)) == Means.APP
    made.clock.move(seconds=30)
    assert accepted(with_keys(old), alice, code_at(after, enrolment)) is None
