"""Tells apps that a session has ended (OpenID Connect Back-Channel Logout 1.0).

What is to be told is a row, written in the transaction that ends the session; so a crash forgets nothing.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from sqlalchemy import select

from authz.audit.event import Event, EventName
from authz.clients.model import ClientRow
from authz.notices.courier import Letter
from authz.scopes import ScopeSet
from authz.storage.records import digest
from authz.tokens.model import GrantRow, LogoutNoticeRow

if TYPE_CHECKING:
    import threading

    from sqlalchemy import ColumnElement
    from sqlalchemy.orm import Session

    from authz.keyring.signing import Keyring
    from authz.notices.courier import Courier

EVENT = "http://schemas.openid.net/event/backchannel-logout"
TYP = "logout+jwt"
TOKEN_SECONDS = 120


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

        Once for each person it knows there.
        """
        grants = session.scalars(
            select(GrantRow)
            .join(ClientRow, ClientRow.client_id == GrantRow.client_id)
            .where(of_session, GrantRow.sub.is_not(None), GrantRow.sid.is_not(None), ClientRow.enabled)
        )
        for grant in grants:
            client = session.get(ClientRow, grant.client_id)
            if client is None or not client.logout.get("backchannel_logout_uri"):
                continue
            if "openid" in ScopeSet.parse(grant.scope):
                notice_id = digest(f"{grant.client_id}\0{grant.sid}\0{grant.sub}")
                whom = {"client_id": grant.client_id, "sub": grant.sub, "sid": grant.sid}
                self.courier.post(session, self, notice_id, **whom)

    def run(self, stop: threading.Event) -> None:
        self.courier.run(self, stop)

    def send_due(self) -> int:
        return self.courier.send_due(self)

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
