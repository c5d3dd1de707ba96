"""Turns: many may do something about somebody at once, but not while one changes them, and nobody waits for ever.

PostgreSQL's locks of rows let new sharers pass whoever waits to change the row; its advisory locks have a queue.
On SQLite every writer has the database alone.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

from sqlalchemy import func, select, text

from authz.storage.postgres import STATEMENT_TIMEOUT_MS, unhurried

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

ALONE_MS = 8_000  # those who are at it end meanwhile, one after the other if need be
PATIENCE = text("SELECT set_config('statement_timeout', :ms, true), set_config('lock_timeout', :ms, true)")


def together(session: Session, *names: str) -> None:
    """Until the transaction's end nobody has one of these alone."""
    if is_needed(session):
        shared = (func.pg_advisory_xact_lock_shared(number(name)) for name in names)
        session.execute(select(*shared))


def alone(session: Session, *names: str) -> None:
    """Wait till nobody else is at it; until the transaction's end others wait. Before any row is locked.

    Several are taken in one order, whoever asks for them, so that nobody waits in a circle.
    Raises what the database says of a wait that is too long.
    """
    if not names or not is_needed(session):
        return
    with unhurried(session.connection()):
        session.execute(PATIENCE, {"ms": str(ALONE_MS)})
        for one in sorted({number(name) for name in names}):
            session.execute(select(func.pg_advisory_xact_lock(one)))
        session.execute(PATIENCE, {"ms": str(STATEMENT_TIMEOUT_MS)})


def is_needed(session: Session) -> bool:
    return session.get_bind().dialect.name == "postgresql"


def number(name: str) -> int:
    return int.from_bytes(sha256(name.encode()).digest()[:8], signed=True)


def of_user(sub: str) -> str:
    return f"user {sub}"


def of_client(client_id: str) -> str:
    return f"client {client_id}"


def of_fhir_server(name: str) -> str:
    return f"fhir server {name}"


def of_ehr(client_id: str) -> str:
    return f"ehr {client_id}"
