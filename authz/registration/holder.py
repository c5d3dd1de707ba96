"""Who looks after a registration: whoever has its token, and nobody learns more than that from trying (RFC 7592 §3)."""

from __future__ import annotations

from dataclasses import dataclass
from hmac import compare_digest
from typing import TYPE_CHECKING, Self

from authz.clients.model import ClientRow
from authz.errors import InvalidToken
from authz.fhir_servers.server import CLIENT_ID
from authz.registration.model import RegistrationRow
from authz.storage.records import digest

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

NOBODY = digest("")  # stands for the token of a client that there is not: no token has it
REFUSED = "the registration access token is not one of this client"


@dataclass(frozen=True, slots=True)
class Holder:
    """Who says that a registration is theirs; ``token`` is empty where only its digest is known any more."""

    client_id: str
    token_digest: str
    token: str = ""

    @classmethod
    def of(cls, client_id: str, token: str) -> Self:
        return cls(client_id, digest(token), token)


def held(session: Session, holder: Holder) -> RegistrationRow | None:
    """The registration whose token this is; the same work for a client that there is not (RG-21, RG-22)."""
    row = session.get(RegistrationRow, holder.client_id) if CLIENT_ID.fullmatch(holder.client_id) else None
    is_theirs = compare_digest(holder.token_digest, NOBODY if row is None else row.token_digest)
    return row if is_theirs else None


def authenticated(session: Session, holder: Holder) -> RegistrationRow:
    """Raises InvalidToken."""
    row = held(session, holder)
    if row is None:
        raise InvalidToken(REFUSED)
    return row


def locked(session: Session, holder: Holder) -> RegistrationRow:
    """The same, with its client locked: nobody deletes it before this transaction ends. Raises InvalidToken."""
    there(session.get(ClientRow, holder.client_id, with_for_update=True))
    return authenticated(session, holder)


def there(client: ClientRow | None) -> ClientRow:
    """Raises InvalidToken for one that was deleted meanwhile: 401, never 404 (RFC 7592 §2.1)."""
    if client is None:
        raise InvalidToken(REFUSED)
    return client
