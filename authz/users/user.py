from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from authz.errors import InvalidValue

if TYPE_CHECKING:
    from datetime import datetime

    from authz.users.model import UserRow

MAX_NAME = 255
MAX_RELATIONSHIP = 64
ADMINISTRATOR = "administrator"  # may decide about apps on this server's own pages
INVISIBLE = frozenset({"Cc", "Cf", "Co", "Cs", "Cn", "Zl", "Zp"})


@dataclass(frozen=True, slots=True)
class User:
    """A person; ``sub`` is theirs for ever and nobody else's."""

    sub: str
    name: str | None  # login name; None: came by a launch only
    display_name: str
    enabled: bool
    sessions_valid_from: datetime  # sign-ins before this count no more
    has_password: bool
    is_sandbox: bool = False  # a test account: nobody real, and may use apps that are not approved
    role: str | None = None  # at this server itself

    @property
    def is_administrator(self) -> bool:
        return self.role == ADMINISTRATOR


class Source(StrEnum):
    """By whose word somebody acts for a patient."""

    HERE = "here"  # an operator's, one by one or by a file
    FHIR = "fhir"  # the FHIR server's


@dataclass(frozen=True, slots=True)
class Representation:
    """A patient somebody may act for, and as what: ``parent``."""

    patient: str  # logical id
    relationship: str
    expires_at: datetime | None = None
    source: Source = Source.HERE
    confirmed_at: datetime | None = None  # when the FHIR server last said so


def from_row(row: UserRow) -> User:
    return User(
        sub=row.sub,
        name=row.name,
        display_name=row.display_name,
        enabled=row.enabled,
        sessions_valid_from=row.sessions_valid_from,
        has_password=row.password_hash is not None,
        is_sandbox=row.is_sandbox,
        role=row.role,
    )


def login_name(text: str) -> str | None:
    """One form for Alice, " alice" and full-width letters; None if nobody can have this name."""
    if len(text) > MAX_NAME:
        return None
    name = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold()).strip()
    return name if is_visible(name) else None


def display_name(text: str) -> str:
    """A name to be shown to people. Raises InvalidValue."""
    name = unicodedata.normalize("NFC", text).strip()
    if not is_visible(name):
        raise InvalidValue(f"a display name is 1 to {MAX_NAME} visible characters")
    return name


def relationship(text: str) -> str:
    """What somebody is to a patient, as people read it. Raises InvalidValue."""
    words = unicodedata.normalize("NFC", text).strip()
    if len(words) > MAX_RELATIONSHIP or not is_visible(words):
        raise InvalidValue(f"a relationship is 1 to {MAX_RELATIONSHIP} visible characters")
    return words


def is_visible(name: str) -> bool:
    return 0 < len(name) <= MAX_NAME and not any(unicodedata.category(c) in INVISIBLE for c in name)
