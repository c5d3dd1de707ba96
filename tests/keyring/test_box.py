from __future__ import annotations

import pytest

from authz.keyring.box import Box
from authz.keyring.secrets import Secrets

OLD, NEW = b"o" * 32, b"n" * 32


def test_what_was_closed_can_be_opened_and_not_read() -> None:
    """security.md 4.2: names of patients lie in the short-lived store as cipher text."""
    box = Box(Secrets((NEW,)), "interaction")
    closed = box.close(b"Ella Brandt")
    assert b"Ella" not in closed
    assert box.close(b"Ella Brandt") != closed
    assert box.open(closed) == b"Ella Brandt"


def test_after_a_rotation_the_old_key_still_opens() -> None:
    """Decision 6: one rotatable file."""
    closed = Box(Secrets((OLD,)), "interaction").close(b"x")
    assert Box(Secrets((NEW, OLD)), "interaction").open(closed) == b"x"
    assert Box(Secrets((NEW,)), "interaction").open(closed) is None


@pytest.mark.parametrize("closed", [b"", b"short", b"x" * 60])
def test_what_was_not_closed_here_opens_to_nothing(closed: bytes) -> None:
    box = Box(Secrets((NEW,)), "interaction")
    assert box.open(closed) is None
    assert Box(Secrets((NEW,)), "other").open(box.close(b"x")) is None
    changed = bytearray(box.close(b"x"))
    changed[-1] ^= 1
    assert box.open(bytes(changed)) is None
