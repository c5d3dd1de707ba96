"""The code that a refusal is found by: short enough to be read out over the telephone."""

from __future__ import annotations

import re
import secrets
from datetime import timedelta

CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
LENGTH = 8
GOOD_FOR = timedelta(days=7)  # afterwards it finds the refusal for an administrator only
SHAPE = re.compile(f"[{CROCKFORD}]{{{LENGTH}}}")
AS_HEARD = str.maketrans("OIL", "011", " -")


def new_support_code() -> str:
    return "".join(secrets.choice(CROCKFORD) for _ in range(LENGTH))


def read_support_code(text: str) -> str | None:
    """The code that somebody typed, in small letters, in groups, with O for 0 or I for 1; None if it can't be one."""
    found = text.strip().upper().translate(AS_HEARD)
    return found if SHAPE.fullmatch(found) else None
