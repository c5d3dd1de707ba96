"""Runs a step: what it refuses becomes an error for the app, or a page, and is on the audit trail either way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from authz.audit.event import Event, EventName
from authz.authorize.outcome import Done, Frame
from authz.authorize.refusal import ErrorRedirect, PageRefusal
from authz.authorize.request import parse
from authz.errors import OAuthError

if TYPE_CHECKING:
    from collections.abc import Callable

    from authz.audit.event import Peer
    from authz.audit.trail import Trail
    from authz.authorize.draft import Registries
    from authz.authorize.outcome import Outcome
    from authz.authorize.request import AuthorizationRequest


@dataclass(frozen=True, slots=True)
class Guard:
    registries: Registries
    trail: Trail

    def run(
        self,
        pairs: list[tuple[str, str]],
        peer: Peer,
        then: Callable[[AuthorizationRequest], Outcome],
        *,
        is_ehr_launch: bool,
        event: EventName = EventName.AUTHORIZE_REFUSED,
    ) -> Outcome:
        """Check the request, anew at every step, and do what follows. Raises PageRefusal."""
        client_id = dict(pairs).get("client_id")
        try:
            request = parse(pairs, self.registries)
            try:
                return then(request)
            except PageRefusal:
                raise
            except OAuthError as error:
                raise ErrorRedirect(error, request.redirect_uri, request.state) from error
        except PageRefusal as refusal:
            self.audit(event, "page", client_id, refusal.support_code, peer)
            raise
        except ErrorRedirect as redirect:
            self.audit(event, redirect.error.code, client_id, redirect.support_code, peer, redirect.error.description)
            shown = Frame(is_ehr_launch=is_ehr_launch, redirect_uri=redirect.redirect_uri)
            return Done(redirect.location(self.registries.issuer), shown)

    def audit(
        self, event: EventName, reason: str, client_id: str | None, support_code: str, peer: Peer, why: str = ""
    ) -> None:
        self.trail.refused(
            Event(
                event=event,
                outcome="refused",
                reason=reason,
                client_id=client_id,
                support_code=support_code,
                peer=peer,
                detail={"description": why} if why else {},
            )
        )
