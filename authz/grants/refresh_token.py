"""``grant_type=refresh_token`` (RFC 6749 §6, SMART REF-01..14)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from authz.audit.event import Event, EventName
from authz.clients.legacy import in_todays_words
from authz.errors import InvalidGrant, InvalidScope
from authz.grants.base import Grant
from authz.scopes import ScopeSet
from authz.tokens.authorization import Authorization, NewPair, RefreshKind
from authz.tokens.held import held_of
from authz.tokens.model import GrantRow
from authz.tokens.refresh import RefreshReplayed

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from authz.clients.registry import Client
    from authz.tokens.refresh import SpentRefreshToken

ENDED = "the user no longer acts for this patient: the FHIR server says that it has ended"


class RefreshToken(Grant):
    GRANT_TYPE = "refresh_token"
    refused: str | None = None  # id of the grant, if the access policy leaves nothing of it, whatever was asked for

    def validate_token_request(self) -> None:
        """A public app may leave ``client_id`` out: its refresh token says whose it is (SMART REF-06)."""
        sent = self.sent
        if not sent.credentials() and "client_id" not in sent.form and sent.form.get("refresh_token"):
            with self.services.db.read() as session:
                owner = self.services.refresh_tokens.client_of(session, sent.form["refresh_token"])
            if owner is None:
                raise InvalidGrant("the refresh token is unknown, expired, revoked or already used")
            sent.form["client_id"] = owner  # a confidential client still fails: its method is not "none"
        super().validate_token_request()

    def authorize(self, session: Session, client: Client) -> Authorization:
        services = self.services
        pair = NewPair()
        spent = services.refresh_tokens.spend(session, client.client_id, self.sent.form.get("refresh_token"), pair)
        self.superseded = spent.superseded
        self.raised = not services.revocation.bury_in(session, spent.superseded)
        scope, still = self.scope_of(session, client, spent)
        return Authorization(
            grant=spent.grant,
            scope=scope,
            access_token_seconds=services.settings.access_token_seconds,
            refresh=RefreshKind(spent.row.kind),
            event=EventName.TOKEN_REFRESHED,
            pair=pair,
            still=still,
        )

    def scope_of(self, session: Session, client: Client, spent: SpentRefreshToken) -> tuple[ScopeSet, ScopeSet | None]:
        """What was asked within the grant, and what the access policy still allows (REF-04, decision 20).

        With it what is left of the whole grant, where a handle depends on that.
        """
        grant, person = spent.grant, spent.around.person
        granted = ScopeSet.parse(grant.scope)
        wanted, _used = in_todays_words(client, ScopeSet.parse(self.sent.form.get("scope", "")))
        wanted = wanted or granted
        if not granted.covers(wanted):
            raise InvalidScope("scope must be within what was granted")
        if grant.sub is None:
            return wanted, None
        policy = self.services.policy
        if not granted.messaging:
            return policy.still_allows(held_of(client, grant, wanted), person), None
        whole = held_of(client, grant, granted, self.services.handles.origin(session, grant.id))
        try:
            still = policy.still_allows(whole, person)
        except InvalidGrant:
            self.refused = grant.id
            raise
        return policy.still_allows(replace(whole, scope=wanted), person), still

    def confirm_representation(self) -> None:
        """Whoever acts for the patient by the FHIR server's word must still do so; asked before the transaction.

        Raises InvalidGrant if that has ended: everything granted for the patient is revoked then.
        """
        services, client_id = self.services, self.request.client.client_id
        if not any(server.representation_links for server in services.fhir_servers.all()):
            return
        with services.db.read() as session:
            grant = services.refresh_tokens.grant_of(session, self.sent.form.get("refresh_token") or "")
        if grant is None or grant.client_id != client_id or grant.revoked_at is not None:
            return
        if not grant.sub or not grant.context.get("patient"):
            return
        server = services.fhir_servers.get(grant.fhir_server)
        if server is None:
            return
        fhir_user = services.policy.users.fhir_user(grant.sub, server.name)
        services.representing.confirm(server, fhir_user, client_id, self.sent.peer)
        with services.db.read() as session:
            after = session.get(GrantRow, grant.id)
            if after is not None and after.revoked_at is not None and after.revoked_reason == "represents_no_more":
                raise InvalidGrant(ENDED)

    def create_token_response(self) -> tuple[int, dict[str, Any], list[tuple[str, str]]]:
        services = self.services
        self.confirm_representation()
        try:
            answer = super().create_token_response()
        except RefreshReplayed as replay:
            event = Event(
                event=EventName.REFRESH_REPLAYED,
                outcome="refused",
                client_id=self.request.client.client_id,
                grant_id=replay.grant_id,
                peer=self.sent.peer,
                one_by_one=True,  # once for a family, which ends now
            )
            services.trail.refused(event)
            services.revocation.revoke_grant(replay.grant_id, "refresh_replayed", peer=self.sent.peer)
            raise
        except InvalidGrant:
            if self.refused is not None:
                services.handle_revocation.end(GrantRow.id == self.refused, "no_longer_allowed", self.sent.peer)
            raise
        services.revocation.settle(self.superseded, raised=self.raised)
        return answer
