"""What a reviewer says, and who says it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from authz.errors import InvalidValue, OAuthError
from authz.registration.history import SERVER, administrator

if TYPE_CHECKING:
    from authz.audit.event import Peer

MAX_WORDS = 2000


class AlreadyDecided(OAuthError):
    """Somebody was faster, or the app is not what the reviewer looked at any more."""

    code, status = "already_decided", 409


@dataclass(frozen=True, slots=True)
class Reviewer:
    """Who decides: an administrator at the command line or signed in, or this server by itself."""

    name: str
    sub: str | None = None
    peer: Peer | None = None
    is_server: bool = False

    @property
    def actor(self) -> str:
        """As the history has it."""
        return SERVER if self.is_server else administrator(self.name)


@dataclass(frozen=True, slots=True)
class Terms:
    """On what terms an app is approved; None leaves it as the vendor asked."""

    scope: str | None = None  # never wider
    user_types: tuple[str, ...] | None = None
    fhir_servers: tuple[str, ...] | None = None
    required_scope: str | None = None

    def members(self) -> dict[str, object]:
        said = {"scope": self.scope, "fhir_user_types": None if self.user_types is None else list(self.user_types)}
        return {name: value for name, value in said.items() if value is not None}

    def decisions(self) -> dict[str, object]:
        said = {"fhir_servers": self.fhir_servers, "required_scope": self.required_scope}
        return {name: value for name, value in said.items() if value is not None}


def words(text: str, *, needed: bool) -> str:
    """What the vendor will read. Raises InvalidValue."""
    said = text.strip()
    if (needed and not said) or len(said) > MAX_WORDS or not all(c.isprintable() or c == "\n" for c in said):
        raise InvalidValue(f"say why, in 1 to {MAX_WORDS} visible characters: the vendor reads it")
    return said
