"""The origins whose pages may call the token endpoint, as rows: looked up at a preflight, which names no client."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import delete, exists, select

from authz.clients.client import origins
from authz.clients.model import ClientOriginRow, ClientRow
from authz.fhir_servers.url import origin_problems

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


def is_known(session: Session, origin: str) -> bool:
    """Whether pages of this origin belong to any enabled client."""
    if origin_problems(origin):
        return False
    mine = ClientOriginRow.client_id == ClientRow.client_id
    known = select(exists().where(ClientOriginRow.origin == origin, mine, ClientRow.enabled))
    return bool(session.scalar(known))


def write(session: Session, row: ClientRow) -> None:
    session.flush()
    session.execute(delete(ClientOriginRow).where(ClientOriginRow.client_id == row.client_id))
    for origin in sorted(origins(row.allowed_origins, row.redirect_uris)):
        session.add(ClientOriginRow(origin=origin, client_id=row.client_id))
