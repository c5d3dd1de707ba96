"""``grant_type=authorization_code`` (RFC 6749 §4.1.3, SMART TOK-01..11)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from authz.audit.event import Event, EventName
from authz.grants.base import Grant
from authz.scopes import ScopeSet
from authz.tokens.authorization import Authorization, RefreshKind
from authz.tokens.code import CodeReplayed, WrongVerifier

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from authz.clients.registry import Client


class AuthorizationCode(Grant):
    GRANT_TYPE = "authorization_code"

    def authorize(self, session: Session, client: Client) -> Authorization:
        services = self.services
        grant = services.codes.spend(session, client.client_id, self.sent.form)
        scope, settings = ScopeSet.parse(grant.scope), services.settings
        seconds = settings.access_token_seconds
        if grant.purpose_of_use is not None:
            seconds = min(seconds, settings.break_glass_seconds)
        may_refresh = "refresh_token" in client.grant_types
        return Authorization(
            grant=grant,
            scope=scope,
            access_token_seconds=seconds,
            refresh=RefreshKind.of(scope) if may_refresh else None,
            event=EventName.TOKEN_ISSUED,
            nonce=grant.nonce,
        )

    def create_token_response(self) -> tuple[int, dict[str, Any], list[tuple[str, str]]]:
        try:
            return super().create_token_response()
        except WrongVerifier:
            with self.services.db.write() as session:
                self.services.codes.count_failure(session, self.sent.form["code"])
            raise
        except CodeReplayed as replay:
            client_id = self.request.client.client_id
            event = Event(
                event=EventName.CODE_REPLAYED,
                outcome="refused",
                client_id=client_id,
                grant_id=replay.grant_id,
                peer=self.sent.peer,
                one_by_one=replay.is_first,
            )
            self.services.trail.refused(event)
            self.services.revocation.revoke_grant(replay.grant_id, "code_replayed", peer=self.sent.peer)
            raise
