"""Why something did not answer, in the words of its driver: a certificate, a password, a host that is not there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy.exc import DBAPIError

if TYPE_CHECKING:
    from authz.errors import Unavailable

LONGEST = 400


def in_full(problem: Unavailable) -> str:
    """For the operator alone: the drivers name hosts, ports and users, and quote no password."""
    cause = problem.__cause__
    words = str(cause.orig if isinstance(cause, DBAPIError) else cause or "")
    return f"{problem}: {' '.join(words.split())[:LONGEST]}" if words else str(problem)
