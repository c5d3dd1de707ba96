"""Registrations as a reviewer reads them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from authz.clients.client import from_row, members
from authz.clients.model import ClientRow
from authz.errors import NotFound
from authz.registration.changes import differences, snapshot
from authz.registration.model import RegistrationEventRow, RegistrationRow, State
from authz.scopes import ScopeSet

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from sqlalchemy import Row
    from sqlalchemy.orm import Session

    from authz.clients.client import Client
    from authz.registration.report import Report

AT_ONCE = 20
OPEN = (State.REQUESTED, State.HELD)  # a person has to decide


@dataclass(frozen=True, slots=True)
class Application:
    """One registration: the client, where its approval stands, and what was seen of it so far."""

    registration: RegistrationRow
    client: Client
    metadata: dict[str, Any]
    approves_at: datetime | None
    seen: int  # the last line of the history: a decision is about what it was made on
    history: tuple[RegistrationEventRow, ...] = ()
    report: Report | None = None
    before: dict[str, Any] = field(default_factory=dict)  # the metadata as changes are told of it
    earlier: tuple[dict[str, Any], ...] = ()  # what was decided about apps like it: for the reviewer only
    changes: dict[str, tuple[Any, Any]] = field(default_factory=dict)  # proposed: member -> before, after

    @property
    def state(self) -> State:
        """Approved also when its time has come and nobody has noted it yet."""
        return State.APPROVED if self.client.is_approved else State(self.registration.state)

    @property
    def needs_decision(self) -> bool:
        return self.state in OPEN or self.registration.proposed is not None

    def in_a_list(self) -> Application:
        """Without what strangers may write at length: of a thousand apps it would be hundreds of megabytes."""
        client = replace(self.client, about={}, jwks=None, redirect_uris=(), launch_uris=(), preferences={})
        return replace(self, client=client, metadata={}, before={}, changes={})

    def summary(self) -> dict[str, Any]:
        row = self.registration
        return {
            "client_id": self.client.client_id,
            "client_name": self.client.client_name,
            "lane": row.lane,
            "state": self.state.value,
            "needs_decision": self.needs_decision,
            "has_proposal": row.proposed is not None,
            "source": row.source,
            "source_id": row.source_id,
            "created_at": row.created_at.isoformat(),
            "approves_at": stamp(self.approves_at),
            "decided_at": stamp(row.decided_at),
            "reason": row.reason,
            "enabled": self.client.enabled,
        }

    def as_dict(self) -> dict[str, Any]:
        return {
            **self.summary(),
            "seen": self.seen,
            "fhir_servers": list(self.client.fhir_servers),
            "required_scope": str(self.client.required_scope),
            "metadata": self.metadata,
            "software_id": self.registration.software_id,
            "proposed": {name: {"before": pair[0], "after": pair[1]} for name, pair in self.changes.items()},
            "report": None if self.report is None else self.report.as_dict(),
            "earlier": list(self.earlier),
            "history": [line(row) for row in self.history],
        }


def stamp(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def line(row: RegistrationEventRow) -> dict[str, Any]:
    """A line of the history, as both sides read it."""
    return {
        "at": row.at.isoformat(),
        "actor": row.actor,
        "what": row.what,
        "note": row.note,
        "changes": {name: {"before": pair[0], "after": pair[1]} for name, pair in row.changes.items()},
    }


def find(session: Session, client_id: str) -> tuple[RegistrationRow, ClientRow]:
    """Both rows, locked: decisions about one app come one after the other. Raises NotFound.

    The client's first, as whoever changes or removes an app does, so that none waits in a circle.
    """
    client = session.get(ClientRow, client_id, with_for_update=True, populate_existing=True)
    registration = session.get(RegistrationRow, client_id, with_for_update=True, populate_existing=True)
    if registration is None or client is None:
        raise NotFound(f"{client_id}: there is no registration of this client id")
    return registration, client


def application(
    registration: RegistrationRow,
    client: ClientRow,
    history: Iterable[RegistrationEventRow],
    report: Report | None,
    now: datetime,
) -> Application:
    lines = tuple(history)
    before = snapshot(client)
    return Application(
        registration=registration,
        client=from_row(client, now),
        metadata=members(client),
        approves_at=client.approves_at,
        seen=lines[-1].id if lines else 0,
        history=lines,
        report=report,
        before=before,
        changes={} if registration.proposed is None else differences(before, registration.proposed),
    )


def rows(session: Session) -> Iterator[Row[RegistrationRow, ClientRow]]:
    """The oldest first; few of them at once are in memory."""
    found = select(RegistrationRow, ClientRow).join(ClientRow, ClientRow.client_id == RegistrationRow.client_id)
    order = (RegistrationRow.created_at, RegistrationRow.client_id)
    client_ids = session.scalars(select(RegistrationRow.client_id).order_by(*order)).all()
    for start in range(0, len(client_ids), AT_ONCE):
        some = RegistrationRow.client_id.in_(client_ids[start : start + AT_ONCE])
        yield from session.execute(found.where(some).order_by(*order))


def is_narrower(client: Client, scope: str) -> bool:
    return client.scope.covers(ScopeSet.parse(scope))
