from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
from flask import current_app
from sqlalchemy import select

from authz.errors import InvalidRequest
from authz.keyring.model import SigningKeyRow
from authz.keyring.rotation import Rotation
from authz.keyring.signing import BadSignature, Keyring
from tests.keyring.conftest import PUBLISHED_SECONDS, TOKEN_SECONDS
from tests.registries import made, postgres_url

if TYPE_CHECKING:
    from pathlib import Path

    from tests.keyring.conftest import Keys
    from tests.registries import Registries

__all__ = ["made", "postgres_url"]

READ_SECONDS = 60  # in which every process reads the keys
CLAIMS = {"sub": "someone"}


def test_the_first_keys_are_one_to_sign_with_and_one_to_publish(bare: Keys) -> None:
    """Decision 7."""
    made = bare.generate()
    assert [row.state for row in made] == ["active", "next"]
    assert bare.states() == {row.kid: row.state for row in made}
    assert [row.activated_at for row in made] == [bare.own.clock(), None]


def test_generating_again_changes_nothing(keys: Keys) -> None:
    before = keys.states()
    assert keys.generate() == []
    assert keys.states() == before


def test_generating_makes_only_what_is_missing(keys: Keys) -> None:
    active, following = keys.kid("active"), keys.kid("next")
    keys.remove(following)
    (made,) = keys.generate()
    assert keys.states() == {active: "active", made.kid: "next"}


def test_a_next_key_signs_only_once_every_copy_of_the_keys_knows_it(keys: Keys) -> None:
    """DJ-10: published before its first use, for as long as a copy may be kept and every process takes to read it."""
    before = keys.states()
    keys.pass_time(PUBLISHED_SECONDS + READ_SECONDS - 1)
    with pytest.raises(InvalidRequest, match=r"the next key may sign from 2026-03-01T09:06:00\+00:00 on"):
        keys.rotate()
    assert keys.states() == before
    keys.pass_time(1)
    keys.rotate()
    assert keys.kid("active") == next(kid for kid, state in before.items() if state == "next")


def test_a_rotation_activates_the_next_key_and_publishes_a_new_one(keys: Keys) -> None:
    """DJ-10: the retired key stays published, and what it signed verifies."""
    active, following = keys.kid("active"), keys.kid("next")
    token = keys.keyring.sign(CLAIMS)
    keys.pass_time(PUBLISHED_SECONDS + READ_SECONDS)
    retired, activated, made = keys.rotate()
    assert (retired.kid, retired.retired_at) == (active, keys.own.clock())
    assert keys.states() == {active: "retired", following: "active", made.kid: "next"}
    assert (activated.kid, activated.activated_at) == (following, keys.own.clock())
    keys.keyring.forget()
    assert {jwk["kid"] for jwk in keys.keyring.public_jwks()["keys"]} == {active, following, made.kid}
    assert keys.keyring.verify(token) == CLAIMS


def test_a_stolen_key_is_replaced_at_once(keys: Keys) -> None:
    stolen = keys.kid("active")
    keys.rotate(at_once=True)
    assert keys.states()[stolen] == "retired"


def test_without_a_next_key_nothing_is_rotated(bare: Keys) -> None:
    for at_once in (False, True):
        with pytest.raises(InvalidRequest, match="there is no next key"):
            bare.rotate(at_once=at_once)


def test_a_retired_key_stays_as_long_as_what_it_signed(keys: Keys) -> None:
    """DJ-10: the old kid is kept at least the longest life of a token; OID-11, REQ-61."""
    old = keys.kid("active")
    keys.rotate(at_once=True)
    keys.pass_time(TOKEN_SECONDS + READ_SECONDS - 1)
    with pytest.raises(InvalidRequest, match=r"what this key signed may live until 2026-03-01T10:01:00\+00:00"):
        keys.remove(old)
    keys.pass_time(1)
    keys.remove(old)
    assert old not in keys.states()
    assert not (keys.folder / f"{old}.pem").exists()


def test_a_stolen_key_is_removed_at_once_and_its_tokens_fail(keys: Keys) -> None:
    """DJ-10, KT-11: after the emergency removal."""
    stolen = keys.kid("active")
    token = keys.keyring.sign(CLAIMS)
    keys.rotate(at_once=True)
    keys.remove(stolen, at_once=True)
    keys.keyring.forget()
    with pytest.raises(BadSignature):
        keys.keyring.verify(token)
    assert stolen not in {jwk["kid"] for jwk in keys.keyring.public_jwks()["keys"]}


def test_the_key_that_signs_is_not_removed(keys: Keys) -> None:
    for at_once in (False, True):
        with pytest.raises(InvalidRequest, match="this key signs; rotate first"):
            keys.remove(keys.kid("active"), at_once=at_once)
    keys.another().check()


def test_an_unknown_key_is_not_removed(keys: Keys) -> None:
    with pytest.raises(InvalidRequest, match="there is no key of this kid"):
        keys.remove("../secrets")


def test_of_two_who_make_the_first_keys_at_once_the_second_finds_them(made: Registries, tmp_path: Path) -> None:
    """security.md R-26, decision 7: one key signs; a row that is not there yet can't be locked, so its making is."""
    app, begun = current_app._get_current_object(), threading.Event()  # type: ignore[attr-defined]  # werkzeug's proxy has it
    rotation = Rotation(Keyring(made.db, tmp_path, made.clock), PUBLISHED_SECONDS, TOKEN_SECONDS)
    found: list[list[str]] = []

    def second() -> None:
        begun.wait(10)
        with app.app_context(), made.db.write() as session:
            found.append([row.state for row in rotation.generate(session)])

    other = threading.Thread(target=second)
    other.start()
    with made.db.write() as session:
        assert [row.state for row in rotation.generate(session)] == ["active", "next"]
        begun.set()
        other.join(0.3)  # it waits, on either database
        assert found == []
    other.join(10)
    assert found == [[]]
    with made.db.read() as session:
        assert sorted(session.scalars(select(SigningKeyRow.state))) == ["active", "next"]
