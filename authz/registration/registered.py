"""What the holder of a registration is told (RFC 7591 §3.2.1, RFC 7592 §3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from authz.clients.client import from_row, members
from authz.clients.preferences import ID_TOKEN_DEFAULTS
from authz.registration.model import State

if TYPE_CHECKING:
    from datetime import datetime

    from authz.clients.model import ClientRow
    from authz.registration.model import RegistrationRow

OURS = (  # what an answer has besides the metadata, and an update must not repeat (RFC 7592 §2.2)
    "registration_access_token",
    "registration_client_uri",
    "client_secret_expires_at",
    "client_id_issued_at",
)
NEVER = 0  # when our secrets expire


@dataclass(frozen=True, slots=True)
class Registered:
    """A registration as its holder sees it."""

    client_id: str
    registration_access_token: str
    client_secret: str | None  # told once, when it is made
    state: State
    members: dict[str, Any]

    def as_dict(self, registration_client_uri: str) -> dict[str, Any]:
        secret = {} if self.client_secret is None else {"client_secret": self.client_secret}
        return {
            "client_id": self.client_id,
            **secret,
            **self.members,
            "registration_state": self.state.value,
            "registration_client_uri": registration_client_uri,
            "registration_access_token": self.registration_access_token,
        }


def registered(
    client: ClientRow, registration: RegistrationRow, token: str, secret: str | None, now: datetime
) -> Registered:
    """Everything that is registered, defaults too; of a secret that was told before only that it does not expire."""
    known = from_row(client, now)
    said = members(client)
    openid = ID_TOKEN_DEFAULTS if "authorization_code" in client.grant_types else {}
    statement = registration.software_statement
    return Registered(
        client_id=client.client_id,
        registration_access_token=token,
        client_secret=secret,
        state=State.APPROVED if known.is_approved else State(registration.state),
        members={
            "client_id_issued_at": int(client.created_at.timestamp()),
            **({"client_secret_expires_at": NEVER} if known.has_secret else {}),
            **openid,
            "response_types": [],
            **said,
            **({} if statement is None else {"software_statement": statement}),
        },
    )


def without_ours(registered: Registered) -> dict[str, Any]:
    """What its holder would send to register it once more as it is (RFC 7592 §2.2)."""
    said = {name: value for name, value in registered.members.items() if name not in OURS}
    return {"client_id": registered.client_id, **said}
