"""Tells apps that a session has ended (OpenID Connect Back-Channel Logout 1.0).

What is to be told is a row, written in the transaction that ends the session; so a crash forgets nothing.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

from sqlalchemy import func, select

from authz.audit.event import Event, EventName
from authz.clients.client import is_approved
from authz.clients.model import ClientRow
from authz.notices.courier import Letter, State
from authz.notices.turns import Receiver
from authz.scopes import ScopeSet
from authz.storage.records import digest
from authz.tokens.model import GrantRow, LogoutNoticeRow

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterable
    from datetime import datetime

    from sqlalchemy import ColumnElement
    from sqlalchemy.orm import Session

    from authz.keyring.signing import Keyring
    from authz.notices.courier import Courier

EVENT = "http://schemas.openid.net/event/backchannel-logout"
TYP = "logout+jwt"
TOKEN_SECONDS = 120
OF_STRANGER = 20  # that may wait for one app that nobody has approved


@dataclass(frozen=True, slots=True)
class LogoutNotices:
    courier: Courier
    issuer: str
    keyring: Keyring

    @property
    def table(self) -> type[LogoutNoticeRow]:
        return LogoutNoticeRow

    def write(self, session: Session, of_session: ColumnElement[bool]) -> None:
        """Note whom to tell: each app that got an id_token in the session and has registered where to tell it.

        Once for each person it knows there. What an app that nobody has approved may have waiting is bounded: it is for
        its maker to see that it works.
        """
        grants = session.scalars(
            select(GrantRow)
            .join(ClientRow, ClientRow.client_id == GrantRow.client_id)
            .where(of_session, GrantRow.sub.is_not(None), GrantRow.sid.is_not(None), ClientRow.enabled)
        )
        for grant in grants:
            client = session.get(ClientRow, grant.client_id)
            if client is None or not client.logout.get("backchannel_logout_uri") or not self.has_room(session, client):
                continue
            if "openid" in ScopeSet.parse(grant.scope):
                notice_id = digest(f"{grant.client_id}\0{grant.sid}\0{grant.sub}")
                whom = {"client_id": grant.client_id, "sub": grant.sub, "sid": grant.sid}
                self.courier.post(session, self, notice_id, **whom)

    def has_room(self, session: Session, client: ClientRow) -> bool:
        if is_approved(client, self.courier.now()):
            return True
        waiting = select(func.count()).where(
            LogoutNoticeRow.client_id == client.client_id, LogoutNoticeRow.state == State.WAITING.value
        )
        return (session.scalar(waiting) or 0) < OF_STRANGER

    def run(self, stop: threading.Event) -> None:
        self.courier.run(self, stop)

    def send_due(self) -> int:
        return self.courier.send_due(self)

    def receivers(self, session: Session, client_ids: Iterable[str]) -> dict[str, Receiver]:
        now, found = self.courier.now(), select(ClientRow).where(ClientRow.client_id.in_(client_ids))
        return {client.client_id: receiver(client, now) for client in session.scalars(found)}

    def letter(self, session: Session, row: LogoutNoticeRow) -> Letter:
        client = session.get(ClientRow, row.client_id)
        url = client.logout.get("backchannel_logout_uri") if client is not None and client.enabled else None
        about = Event(EventName.LOGOUT_NOTICE, sub=row.sub, client_id=row.client_id)
        return Letter(about, url, urlencode({"logout_token": self.token(row)}).encode())

    def token(self, notice: LogoutNoticeRow) -> str:
        """The logout token (§2.4): never with a nonce, so that it is no id_token."""
        issued_at = int(self.courier.now().timestamp())
        claims = {
            "iss": self.issuer,
            "aud": notice.client_id,
            "iat": issued_at,
            "exp": issued_at + TOKEN_SECONDS,
            "jti": secrets.token_hex(16),
            "sub": notice.sub,
            "sid": notice.sid,
            "events": {EVENT: {}},
        }
        return self.keyring.sign(claims, TYP)


def receiver(client: ClientRow, now: datetime) -> Receiver:
    return Receiver(
        urlsplit(client.logout.get("backchannel_logout_uri") or "").hostname or "", is_approved(client, now)
    )
