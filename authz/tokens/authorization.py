"""The result of any grant: what the one issuer turns into tokens."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from authz.audit.event import EventName
    from authz.scopes import ScopeSet
    from authz.tokens.model import GrantRow, RefreshTokenRow


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
    replaces: RefreshTokenRow | None = None  # the refresh token that paid
    still: ScopeSet | None = None  # of the grant, what the policy allows today, asked for or not; None: all of it
