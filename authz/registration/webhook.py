"""Tells the hospital's own systems what happens to registrations: a new request, a decision, a change.

One address, of the settings; each notice is a JWT by our key, so that its receiver knows who says so. It names the app
and what happened; what was written to whom stands on the page of the registration only.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from authz.audit.event import Event, EventName
from authz.clients.client import is_approved
from authz.clients.model import ClientRow
from authz.notices.courier import Letter
from authz.notices.turns import Receiver
from authz.registration.model import RegistrationNoticeRow, RegistrationRow, State

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterable

    from sqlalchemy.orm import Session

    from authz.keyring.signing import Keyring
    from authz.notices.courier import Courier

TYP = "registration-notice+jwt"  # RFC 8725 §3.11: nothing else that we sign is one
TOKEN_SECONDS = 120
ACCEPTED = frozenset({200, 202, 204})


@dataclass(frozen=True, slots=True)
class Webhook:
    courier: Courier
    url: str  # empty: nobody wants to know
    issuer: str
    keyring: Keyring

    @property
    def table(self) -> type[RegistrationNoticeRow]:
        return RegistrationNoticeRow

    def write(self, session: Session, client_id: str, actor: str, what: str) -> None:
        """Note what to tell, in the transaction in which it happens."""
        client, registration = session.get(ClientRow, client_id), session.get(RegistrationRow, client_id)
        if not self.url or client is None or registration is None:
            return
        now = self.courier.now()
        said = {
            "client_id": client_id,
            "client_name": client.client_name,
            "lane": registration.lane,
            "state": State.APPROVED.value if is_approved(client, now) else registration.state,
            "what": what,
            "actor": actor,
            "at": int(now.timestamp()),
            "page": f"{self.issuer}/admin/registrations/{client_id}",
        }
        self.courier.post(session, self, secrets.token_hex(16), client_id=client_id, said=said)

    def run(self, stop: threading.Event) -> None:
        self.courier.run(self, stop)

    def send_due(self) -> int:
        return self.courier.send_due(self)

    def receivers(self, _session: Session, client_ids: Iterable[str]) -> dict[str, Receiver]:
        return dict.fromkeys(client_ids, Receiver(self.url))

    def letter(self, _session: Session, row: RegistrationNoticeRow) -> Letter:
        """``jti`` is the same at every attempt, by which a receiver knows what it has heard already."""
        issued_at = int(self.courier.now().timestamp())
        times = {"iat": issued_at, "exp": issued_at + TOKEN_SECONDS}
        claims = {"iss": self.issuer, "aud": self.url, **times, "jti": row.id, "registration": row.said}
        return Letter(
            Event(EventName.REGISTRATION_NOTICE, client_id=row.client_id, detail={"what": row.said["what"]}),
            self.url or None,
            self.keyring.sign(claims, TYP).encode(),
            "application/jwt",
            ACCEPTED,
            is_trusted=True,
        )
