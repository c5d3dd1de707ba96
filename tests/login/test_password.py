from __future__ import annotations

import runpy
import threading
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from authz.errors import InvalidValue, NotFound, TooManyRequests
from authz.login import password as module
from authz.login.password import MAX_BYTES, NOBODY, PARALLEL, WAITING
from authz.settings import ROOT
from authz.users.model import UserRow
from tests.registries import Registries, registries

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from authz.users.registry import User


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Registries]:
    with registries(tmp_path) as found:
        yield found


@pytest.fixture
def hashed(made: Registries, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, bytes]]:
    """Every (stored hash, password) that was verified."""
    calls: list[tuple[str, bytes]] = []
    matches = made.passwords.matches

    def noted(stored: str, password: bytes) -> bool:
        calls.append((stored, password))
        return matches(stored, password)

    monkeypatch.setattr(made.passwords, "matches", noted)
    return calls


def add(made: Registries, name: str = "alice", password: str | None = "correct horse") -> User:
    with made.db.write() as session:
        user = made.users.add(session, name)
        if password is not None:
            made.passwords.set_password(session, user.sub, password)
    found = made.users.by_sub(user.sub)
    assert found is not None
    return found


def test_the_right_password_signs_a_person_in(made: Registries) -> None:
    user = add(made)
    assert made.passwords.verify(" ALICE", "correct horse") == user
    assert made.passwords.verify("alice", "correct horse ") is None
    assert made.passwords.verify("alice", "") is None


def test_a_password_is_kept_by_argon2id_only(made: Registries) -> None:
    """Decision "Secrets"; RFC 9106 §4, the second recommended set."""
    user = add(made)
    with made.db.read() as session:
        stored = session.get_one(UserRow, user.sub).password_hash
    assert stored is not None
    assert stored.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert not made.passwords.hasher.check_needs_rehash(NOBODY)


def test_the_same_work_is_done_whatever_is_wrong(made: Registries, hashed: list[tuple[str, bytes]]) -> None:
    """security.md LC-01, decision 30: the mechanism is asserted, not the time."""
    user = add(made)
    add(made, "launched", None)
    off = add(made, "off")
    with made.db.write() as session:
        made.users.set_enabled(session, off.sub, enabled=False)
    with made.db.read() as session:
        stored = {row.name: row.password_hash for row in session.scalars(select(UserRow))}
    asked = ["unknown", "launched", "off", "alice", "\0"]
    assert [made.passwords.verify(name, "correct horse") for name in asked] == [None, None, None, user, None]
    assert [used for used, _ in hashed] == [NOBODY, NOBODY, stored["off"], stored["alice"], NOBODY]


@pytest.mark.parametrize(
    "password",
    ["a" * 1_000_000, "é" * 513, "a" * (MAX_BYTES + 1), "\ud800"],
    ids=["1 MB", "1026 bytes", "1025", "lone"],
)
def test_an_absurd_password_is_wrong_and_never_hashed(
    made: Registries, hashed: list[tuple[str, bytes]], password: str
) -> None:
    """security.md LC-07: cap before hashing, no failure."""
    user = add(made)
    assert made.passwords.verify("alice", password) is None
    assert [len(tried) for _, tried in hashed] == [0]
    with pytest.raises(InvalidValue), made.db.write() as session:
        made.passwords.set_password(session, user.sub, password)


@pytest.mark.parametrize("password", ["a" * MAX_BYTES, "a\0b", "pässwörd", "p" * 72 + "x", " leading"])
def test_every_byte_of_a_password_counts(made: Registries, password: str) -> None:
    """security.md LC-07: NUL is a byte, the 73rd matters."""
    user = add(made, password=password)
    assert made.passwords.verify("alice", password) == user
    assert made.passwords.verify("alice", password[:-1]) is None
    assert made.passwords.verify("alice", password[:-1] + "y") is None


def test_two_forms_of_one_character_are_one(made: Registries) -> None:
    """security.md LC-07: NFC and NFD."""
    user = add(made, password="caf\u00e9 au lait")
    assert made.passwords.verify("alice", "cafe\u0301 au lait") == user


def test_a_new_password_ends_sign_ins_of_before(made: Registries) -> None:
    """oauth.md Part 22 row 14."""
    user = add(made)
    made.clock.move(hours=1)
    with made.db.write() as session:
        made.passwords.set_password(session, user.sub, "another one")
    assert made.passwords.verify("alice", "correct horse") is None
    after = made.passwords.verify("alice", "another one")
    assert after is not None
    assert after.sessions_valid_from == made.clock()


def test_nobody_gets_an_empty_password(made: Registries) -> None:
    user = add(made)
    with pytest.raises(InvalidValue), made.db.write() as session:
        made.passwords.set_password(session, user.sub, "")
    with pytest.raises(NotFound), made.db.write() as session:
        made.passwords.set_password(session, "unknown", "a password")


def test_at_most_four_hashes_run_at_once(made: Registries, monkeypatch: pytest.MonkeyPatch) -> None:
    """security.md RL-07: each takes 64 MiB; who comes then is asked to try again."""
    monkeypatch.setattr(module, "PATIENCE_SECONDS", 0.01)
    inside, go_on = threading.Barrier(PARALLEL + 1), threading.Event()

    class Slow:
        def verify(self, *_: object) -> bool:
            inside.wait()
            go_on.wait()
            return True

    made.passwords.hasher = Slow()  # type: ignore[assignment]  # what is waited for is the point, not the hash
    threads = [threading.Thread(target=made.passwords.matches, args=(NOBODY, b"")) for _ in range(PARALLEL)]
    for thread in threads:
        thread.start()
    inside.wait()
    with pytest.raises(TooManyRequests) as refused:
        made.passwords.matches(NOBODY, b"")
    go_on.set()
    for thread in threads:
        thread.join()
    assert refused.value.headers() == {"Retry-After": "2"}


def test_who_comes_while_enough_wait_is_told_at_once(made: Registries, monkeypatch: pytest.MonkeyPatch) -> None:
    """security.md RL-07: hashing and waiting together leave threads for everybody who signs in nowhere."""
    monkeypatch.setattr(module, "PATIENCE_SECONDS", 3600)
    for _ in range(PARALLEL + WAITING):
        made.passwords.queue.acquire()
    with pytest.raises(TooManyRequests) as refused:
        made.passwords.matches(NOBODY, b"")
    assert refused.value.headers() == {"Retry-After": "2"}
    config = runpy.run_path(str(ROOT / "config" / "gunicorn.conf.py"))
    assert config["threads"] - PARALLEL - WAITING == 2
