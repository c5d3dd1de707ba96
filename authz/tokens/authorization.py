"""The result of any grant: what the one issuer turns into tokens."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from authz.audit.event import EventName
    from authz.scopes import ScopeSet
    from authz.tokens.model import GrantRow

TOKEN_BYTES = 32


class RefreshKind(StrEnum):
    """Which refresh scope was granted (SMART SCP-33)."""

    ONLINE = "online"
    OFFLINE = "offline"

    @classmethod
    def of(cls, scope: ScopeSet) -> RefreshKind | None:
        if "offline_access" in scope:
            return cls.OFFLINE
        return cls.ONLINE if "online_access" in scope else None


@dataclass(frozen=True, slots=True)
class NewPair:
    """The tokens of one answer; of the refresh token nothing is heard where none was granted."""

    access_token: str = field(default_factory=lambda: secrets.token_urlsafe(TOKEN_BYTES), repr=False)
    refresh_token: str = field(default_factory=lambda: secrets.token_urlsafe(TOKEN_BYTES), repr=False)


@dataclass(frozen=True, slots=True)
class Authorization:
    """What was paid for: this grant, with this scope, for this long.

    ``grant`` is a row of the running transaction, locked, so that a revocation waits or wins.
    """

    grant: GrantRow
    scope: ScopeSet
    access_token_seconds: int
    refresh: RefreshKind | None
    event: EventName
    nonce: str | None = None  # goes into the first id_token only (OIDC Core §12.2)
    pair: NewPair = field(default_factory=NewPair)
    still: ScopeSet | None = None  # of the grant, what the policy allows today, asked for or not; None: all of it

    def expires_at(self, now: datetime) -> datetime:
        """Of an access token that is issued now; in whole seconds, as it is told."""
        return now.replace(microsecond=0) + timedelta(seconds=self.access_token_seconds)
