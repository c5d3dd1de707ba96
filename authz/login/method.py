"""Ways to sign in: each finds out who a person is, when they proved it, and how."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

from authz.errors import AuthzError

if TYPE_CHECKING:
    from collections.abc import Mapping

PASSWORD = "pwd"  # noqa: S105  a name of RFC 8176, not a password
ONE_TIME_CODE = "otp"
EHR = "ehr"  # ours: the EHR vouches for its user (decision 19)


class SignInEnded(AuthzError):
    """All sign-ins of the person were ended while this one was being made: by a new password, or being switched off."""


@dataclass(frozen=True, slots=True)
class SignIn:
    """Who somebody is and since when: what every way to sign in comes to."""

    sub: str
    auth_time: datetime  # of the proof itself, not of this request (OpenID Connect Core §2)
    amr: tuple[str, ...]  # RFC 8176
    acr: str | None = None
    provider: str | None = None  # name of the hospital's provider at which it was made
    began_at: datetime | None = None  # here, where the proof is older: an earlier sign-in at the provider
    era: datetime | None = None  # the person's ``sessions_valid_from``, before the proof was looked at; None: an EHR's

    @property
    def since(self) -> datetime:
        """From when on it counts here: what was ended before does not end it."""
        return self.began_at or self.auth_time

    def counts_in(self, era: datetime) -> bool:
        """Whether no sign-ins of the person were ended since, by whatever clock, nor while the proof was looked at."""
        return self.era == era if self.era is not None else self.since >= era

    @property
    def account(self) -> tuple[str, str | None]:
        """The person, and by whose word: each has one account at a provider (decision 19), and one or none here."""
        return self.sub, self.provider

    def as_dict(self) -> dict[str, Any]:
        times = {"auth_time": self.auth_time, "began_at": self.began_at, "era": self.era}
        return asdict(self) | {name: None if time is None else time.timestamp() for name, time in times.items()}

    @classmethod
    def from_dict(cls, members: Mapping[str, Any]) -> Self:
        found = {name: members.get(name) for name in ("auth_time", "began_at", "era")}
        times = {name: None if at is None else datetime.fromtimestamp(at, UTC) for name, at in found.items()}
        return cls(**{**members, **times, "amr": tuple(members["amr"])})


@dataclass(frozen=True, slots=True)
class BrokenGlass:
    """The reason somebody gave for seeing protected records, and whose."""

    code: str  # HL7 v3 PurposeOfUse
    text: str = field(repr=False)
    patient: str | None  # logical id
    grant_id: str | None = None  # that the trail names already, as visits were shown before anything is granted


@dataclass(frozen=True, slots=True)
class HalfSignIn:
    """Somebody whose password was right, and who has still to give a code; it opens nothing."""

    sub: str
    name: str  # as they typed it
    at: datetime
    era: datetime  # see SignIn

    def as_dict(self) -> dict[str, Any]:
        return asdict(self) | {"at": self.at.timestamp(), "era": self.era.timestamp()}

    @classmethod
    def from_dict(cls, members: Mapping[str, Any]) -> Self:
        times = {name: datetime.fromtimestamp(members[name], UTC) for name in ("at", "era")}
        return cls(**{**members, **times})
