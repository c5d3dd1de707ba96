"""Registered apps: key sets that can be fetched, and switches for older apps that stayed on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import select

from authz.clients.key_sets import key_set
from authz.clients.model import ClientRow
from authz.doctor.finding import Finding
from authz.outbound import FetchFailed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authz.outbound import Outbound
    from authz.services import Services

LEGACY_LONG = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class Registered:
    """What the checks need of the registrations, read once."""

    key_sets: tuple[tuple[str, str], ...]  # client id, jwks_uri
    origin: str | None  # of any app that runs in a browser


def registered(made: Services) -> Registered:
    clients = [client for client in made.clients.all() if client.enabled]
    origins = sorted(origin for client in clients for origin in client.allowed_origins)
    key_sets = tuple((client.client_id, client.jwks_uri) for client in clients if client.jwks_uri)
    return Registered(key_sets, origins[0] if origins else None)


def switches(made: Services) -> Iterator[Finding]:
    with made.db.read() as session:
        rows = session.scalars(select(ClientRow).where(ClientRow.enabled).order_by(ClientRow.client_id)).all()
    for row in rows:
        for name, noted in sorted(row.legacy.items()):
            if made.now() - datetime.fromisoformat(noted["since"]) > LEGACY_LONG:
                told = f"{name} is on since {noted['since'][:10]}, by {noted['by']}: {noted['reason']}"
                yield Finding("client.legacy", row.client_id, told)


def published_keys(outbound: Outbound, client_id: str, jwks_uri: str) -> Iterator[Finding]:
    """Fetched as at a token request: from public addresses only."""
    try:
        key_set(outbound.get(jwks_uri, headers={"Accept": "application/json"}))
    except (FetchFailed, ValueError) as problem:
        yield Finding("client.jwks_uri", client_id, f"{jwks_uri}: {problem}")
