"""Ways to sign in: each finds out who a person is, when they proved it, and how."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

PASSWORD = "pwd"  # noqa: S105  a name of RFC 8176, not a password
ONE_TIME_CODE = "otp"
EHR = "ehr"  # ours: the EHR vouches for its user (decision 19)


@dataclass(frozen=True, slots=True)
class SignIn:
    """Who somebody is and since when: what every way to sign in comes to."""

    sub: str
    auth_time: datetime  # of the proof itself, not of this request (OpenID Connect Core §2)
    amr: tuple[str, ...]  # RFC 8176
    acr: str | None = None


@dataclass(frozen=True, slots=True)
class HalfSignIn:
    """Somebody whose password was right, and who has still to give a code; it opens nothing."""

    sub: str
    name: str  # as they typed it
    at: datetime
