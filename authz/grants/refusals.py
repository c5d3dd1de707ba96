"""What the token endpoint refuses, on the trail with a support code, and with the grant it was about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from authz.audit.event import Event, EventName
from authz.audit.support_code import new_support_code
from authz.errors import Unavailable
from authz.storage.records import digest
from authz.tokens.model import CodeRow, GrantRow, RefreshTokenRow

if TYPE_CHECKING:
    from authz.audit.trail import Trail
    from authz.clients.registry import Client
    from authz.errors import OAuthError
    from authz.grants.caller import BackChannelRequest
    from authz.limits import Limits
    from authz.storage.database import Database

MAX_TEXT = 64  # of what the request says of itself


@dataclass(frozen=True, slots=True)
class Refusals:
    db: Database
    trail: Trail
    limits: Limits

    def record(self, request: BackChannelRequest, client: Client | None, error: OAuthError) -> None:
        """Give a refusal its support code; ``client`` is None if it did not prove who it is. Raises TooManyRequests."""
        self.limits.refused(error, request.peer, None if client else request.claimed_client_id)
        error.support_code = new_support_code()
        grant = self.grant_of(request.form)
        self.trail.refused(
            Event(
                EventName.TOKEN_REFUSED,
                outcome="refused",
                reason=error.code,
                sub=grant.sub if grant else None,
                client_id=client.client_id if client else request.claimed_client_id,
                fhir_server=grant.fhir_server if grant else None,
                patient=grant.context.get("patient") if grant else None,
                grant_id=grant.id if grant else None,
                launch_id=grant.launch_id if grant else None,
                support_code=error.support_code,
                peer=request.peer,
                one_by_one=client is not None and client.is_approved and not client.is_public,
                detail=detail(request.form, error, is_authenticated=client is not None),
            )
        )

    def grant_of(self, form: dict[str, str]) -> GrantRow | None:
        """What the code or the refresh token in the request belongs to, whoever sent it."""
        try:
            with self.db.read() as session:
                row = session.get(CodeRow, digest(form.get("code", ""))) or session.get(
                    RefreshTokenRow, digest(form.get("refresh_token", ""))
                )
                return session.get(GrantRow, row.grant_id) if row else None
        except Unavailable:
            return None


def detail(form: dict[str, str], error: OAuthError, *, is_authenticated: bool) -> dict[str, Any]:
    """What was asked and what it was told; nothing the request was paid with."""
    found: dict[str, Any] = {
        "grant_type": form.get("grant_type", "")[:MAX_TEXT],
        "description": error.description,
        "authenticated": is_authenticated,
    }
    if form.get("scope"):
        found["asked"] = form["scope"]
    if error.verdicts:
        found["verdicts"] = list(error.verdicts)
    return found
