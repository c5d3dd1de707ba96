"""The handle of SMART Web Messaging: towards the EHR's window it proves that an app was launched, and nothing else.

One for each grant. It is made ready in the transaction of the code, told with the first token, repeated with the next
ones as long as it is good, and dies with the grant or the EHR's session, whichever ends first; ``offline_access`` does
not keep it.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import select, update

from authz.audit.event import Event, EventName
from authz.scopes import ScopeSet
from authz.storage.records import digest
from authz.tokens.model import MessagingHandleRow

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from datetime import datetime

    from sqlalchemy.orm import Session

    from authz.audit.event import Peer
    from authz.audit.trail import Trail
    from authz.keyring.box import Box
    from authz.settings import Settings
    from authz.tokens.authorization import Authorization
    from authz.tokens.hot import HotAnswers
    from authz.tokens.model import GrantRow
    from authz.tokens.store import NewGrant

PREFIX = "swm_"  # so that a scanner for secrets knows it, and nobody takes it for a token
RANDOM_BYTES = 32


@dataclass(frozen=True, slots=True)
class Window:
    """The EHR's window of a launch, and whose pages may send to it."""

    origin: str
    app_origins: tuple[str, ...]
    ehr_session: str | None  # as the EHR calls it


@dataclass(frozen=True, slots=True)
class Told:
    """The two members of a token answer (SMART Web Messaging "Launch context parameters")."""

    handle: str
    origin: str

    def members(self) -> dict[str, str]:
        return {"smart_web_messaging_handle": self.handle, "smart_web_messaging_origin": self.origin}


@dataclass(frozen=True, slots=True)
class Handles:
    settings: Settings
    now: Callable[[], datetime]
    box: Box
    hot: HotAnswers
    trail: Trail

    def prepare(self, session: Session, grant_id: str, grant: NewGrant, window: Window) -> None:
        """Keep what the launch said of its window, in the transaction that writes the grant; nobody is told yet."""
        named = window.ehr_session
        row = MessagingHandleRow(
            grant_id=grant_id,
            scope=str(grant.scope),
            origin=window.origin,
            app_origins=list(window.app_origins),
            sealed_session=None if named is None else self.box.close(named.encode()),
            expires_at=self.now() + self.longest(has_ehr_session=grant.has_ehr_session),
        )
        session.add(row)

    def longest(self, *, has_ehr_session: bool) -> timedelta:
        """A session that its EHR can't end is taken to be over when its refresh tokens would be (decision 10)."""
        settings = self.settings
        session = settings.online_total_seconds if has_ehr_session else settings.online_refresh_seconds
        return timedelta(seconds=min(session, settings.web_messaging_handle_max_seconds))

    def origin(self, session: Session, grant_id: str) -> str | None:
        """Of the EHR's window; None if the grant has none."""
        row = session.get(MessagingHandleRow, grant_id)
        return None if row is None else row.origin

    def told(self, session: Session, paid: Authorization, peer: Peer) -> Told | None:
        """The handle of this grant, made now if it is the first time; None if it is over, or the token is without it.

        The grant is locked, so of parallel refreshes none makes a second one.
        """
        row = session.get(MessagingHandleRow, paid.grant.id, populate_existing=True)
        if row is None or row.revoked_at is not None or row.expires_at <= self.now():
            return None
        if paid.still is not None:
            self.narrow(session, row, paid.still)
        if row.revoked_at is not None or not paid.scope.messaging:
            return None
        if row.digest is None:
            if paid.grant.purpose_of_use is not None:  # no more than the token beside it (REQ-87)
                row.expires_at = min(row.expires_at, paid.expires_at(self.now()))
            return self.first(session, row, paid.grant, peer)
        handle = self.box.open(row.sealed or b"")
        return None if handle is None else Told(handle.decode(), row.origin)

    def first(self, session: Session, row: MessagingHandleRow, grant: GrantRow, peer: Peer) -> Told:
        handle = PREFIX + secrets.token_urlsafe(RANDOM_BYTES)
        row.digest, row.sealed, row.issued_at = digest(handle), self.box.close(handle.encode()), self.now()
        self.trail.record(session, event(EventName.HANDLE_ISSUED, grant, peer))
        return Told(handle, row.origin)

    def narrow(self, session: Session, row: MessagingHandleRow, still: ScopeSet) -> None:
        """Take away what the policy no longer allows; what the app leaves out of one token stays.

        Every process sees it within a second, as the copies of another epoch are not believed.
        """
        before = ScopeSet.parse(row.scope)
        left = before.narrow_to(still)
        if str(left) == str(before):
            return
        row.scope = str(left)
        if not left.messaging:
            row.revoked_at = self.now()
        self.hot.raise_epoch(session)
        self.hot.forget()


def end_in(session: Session, grant_ids: Collection[str], now: datetime) -> dict[str, datetime]:
    """End the handles of these grants, which are locked; the keys of their hot copies, and when each would be over."""
    live = (MessagingHandleRow.grant_id.in_(grant_ids), MessagingHandleRow.revoked_at.is_(None))
    rows = session.execute(select(MessagingHandleRow.digest, MessagingHandleRow.expires_at).where(*live)).all()
    if rows:
        session.execute(update(MessagingHandleRow).where(*live).values(revoked_at=now))
    return {hot_key(row.digest): row.expires_at for row in rows if row.digest is not None}


def hot_key(digest: str) -> str:
    """Apart from those of access tokens: a handle must never be found as one."""
    return f"swm:{digest}"


def event(name: EventName, grant: GrantRow, peer: Peer | None, reason: str | None = None) -> Event:
    return Event(
        event=name,
        reason=reason,
        sub=grant.sub,
        client_id=grant.client_id,
        fhir_server=grant.fhir_server,
        patient=grant.context.get("patient"),
        grant_id=grant.id,
        launch_id=grant.launch_id,
        peer=peer,
    )
