from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from authz.keyring.rotation import Rotation, all_keys
from authz.keyring.signing import Keyring
from tests.registries import registries

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from authz.keyring.model import SigningKeyRow
    from tests.registries import Registries

PUBLISHED_SECONDS = 300
TOKEN_SECONDS = 3600


class Monotonic:
    """A process's own clock, by which it knows when to look again."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@dataclass
class Keys:
    """One installation's keys, as a process and an operator see them."""

    own: Registries
    folder: Path
    monotonic: Monotonic
    keyring: Keyring

    def another(self) -> Keyring:
        """The keyring of another process."""
        return Keyring(self.own.db, self.folder, self.own.clock, self.monotonic)

    def rotation(self) -> Rotation:
        return Rotation(self.keyring, PUBLISHED_SECONDS, TOKEN_SECONDS)

    def generate(self) -> list[SigningKeyRow]:
        with self.own.db.write() as session:
            return self.rotation().generate(session)

    def rotate(self, *, at_once: bool = False) -> list[SigningKeyRow]:
        with self.own.db.write() as session:
            return self.rotation().rotate(session, at_once=at_once)

    def remove(self, kid: str, *, at_once: bool = False) -> None:
        with self.own.db.write() as session:
            self.rotation().remove(session, kid, at_once=at_once)
        self.rotation().delete_file(kid)

    def states(self) -> dict[str, str]:
        """Every kid and its state, oldest first."""
        with self.own.db.read() as session:
            return {row.kid: row.state for row in all_keys(session)}

    def kid(self, state: str) -> str:
        return next(kid for kid, found in self.states().items() if found == state)

    def pass_time(self, seconds: float) -> None:
        self.own.clock.move(seconds=seconds)
        self.monotonic.seconds += seconds


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[Keys]:
    """An installation without a key."""
    with registries(tmp_path) as own:
        monotonic = Monotonic()
        folder = tmp_path / "keys"
        yield Keys(own, folder, monotonic, Keyring(own.db, folder, own.clock, monotonic))


@pytest.fixture
def keys(bare: Keys) -> Keys:
    """One with an active and a next key."""
    bare.generate()
    return bare
