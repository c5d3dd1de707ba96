"""The mark that a browser keeps of an account it has signed in to."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import event

from authz.keyring.secrets import Secrets
from authz.login.known_devices import LASTS, KnownDevices
from authz.login.method import SignIn

if TYPE_CHECKING:
    from authz.users.user import User
    from tests.registries import Registries


@pytest.fixture
def devices(made: Registries) -> KnownDevices:
    with made.db.write() as session:
        for name in ("alice", "bob"):
            user = made.users.add(session, name)
            made.passwords.set_password(session, user.sub, "correct horse")
    return KnownDevices(made.users, made.secrets, made.clock)


def person(devices: KnownDevices, name: str) -> User:
    found = devices.users.by_name(name)
    assert found is not None
    return found


def sign_in(devices: KnownDevices, name: str) -> SignIn:
    return SignIn(person(devices, name).sub, devices.now(), ("pwd",))


def mark_of(devices: KnownDevices, name: str) -> str:
    mark = devices.remember(None, sign_in(devices, name))
    assert mark is not None
    return mark


def end_sign_ins(made: Registries, name: str) -> None:
    user = made.users.by_name(name)
    assert user is not None
    with made.db.write() as session:
        made.passwords.set_password(session, user.sub, "another")


def test_a_mark_is_known_for_its_account_however_that_is_written(devices: KnownDevices) -> None:
    mark = mark_of(devices, "alice")
    assert [devices.knows(mark, name) for name in ("alice", " ALICE", "bob", "nobody", "")] == [
        True,
        True,
        *[False] * 3,
    ]


def test_whoever_brings_a_good_mark_gets_no_other(devices: KnownDevices) -> None:
    """security.md LC-02: of one never come two; whoever brings another person's gets one of their own."""
    mark = mark_of(devices, "alice")
    assert devices.remember(mark, sign_in(devices, "alice")) is None
    own = devices.remember(mark, sign_in(devices, "bob"))
    assert own is not None
    assert devices.knows(own, "bob")


def test_it_ends_half_a_year_after_it_was_made(made: Registries, devices: KnownDevices) -> None:
    mark = mark_of(devices, "alice")
    made.clock.time += LASTS - timedelta(seconds=1)
    assert devices.knows(mark, "alice")
    made.clock.move(seconds=1)
    assert not devices.knows(mark, "alice")
    assert devices.remember(mark, sign_in(devices, "alice")) is not None


@pytest.mark.parametrize("seconds", [1, -300], ids=["later", "by a clock that is behind"])
def test_it_ends_with_the_sign_ins_of_its_account(made: Registries, devices: KnownDevices, seconds: int) -> None:
    """security.md LC-02: whatever the clock said of the machine where it was made."""
    mark, other = mark_of(devices, "alice"), mark_of(devices, "bob")
    made.clock.move(seconds=seconds)
    end_sign_ins(made, "alice")
    assert (devices.knows(mark, "alice"), devices.knows(other, "bob")) == (False, True)


def test_a_sign_in_that_was_ended_before_it_was_finished_leaves_no_mark(
    made: Registries, devices: KnownDevices
) -> None:
    begun = sign_in(devices, "alice")
    made.clock.move(seconds=1)
    end_sign_ins(made, "alice")
    assert devices.remember(None, begun) is None


def test_whoever_gets_the_name_of_somebody_who_left_is_not_known_by_their_mark(
    made: Registries, devices: KnownDevices
) -> None:
    mark, alice = mark_of(devices, "alice"), person(devices, "alice")
    with made.db.write() as session:
        made.users.remove(session, alice.sub)
    assert not devices.knows(mark, "alice")
    with made.db.write() as session:
        made.passwords.set_password(session, made.users.add(session, "alice").sub, "correct horse")
    assert not devices.knows(mark, "alice")


@pytest.mark.parametrize("part", range(4), ids=["nonce", "when it was made", "era", "MAC"])
def test_no_part_of_it_can_be_changed(made: Registries, devices: KnownDevices, part: int) -> None:
    parts = mark_of(devices, "alice").split(".")
    parts[part] = ("1" if parts[part][0] != "1" else "2") + parts[part][1:]
    assert not devices.knows(".".join(parts), "alice")
    strangers = KnownDevices(made.users, Secrets((b"x" * 32,)), made.clock)
    assert not devices.knows(mark_of(strangers, "alice"), "alice")


@pytest.mark.parametrize("name", ["alice", "nobody"])
def test_the_database_is_asked_for_nobody_who_has_no_mark_of_the_account(
    made: Registries, devices: KnownDevices, name: str
) -> None:
    """security.md LC-01: an account and a name that nobody has look alike, also by the time that a refusal takes."""
    stranger = mark_of(KnownDevices(made.users, Secrets((b"x" * 32,)), made.clock), "alice")
    marks = [None, "", mark_of(devices, "bob"), stranger, stranger.rpartition(".")[0]]
    asked: list[str] = []
    event.listen(made.db.engine, "before_cursor_execute", lambda _c, _cursor, text, *_: asked.append(text))
    assert not any(devices.knows(mark, name) for mark in marks)
    assert asked == []
