"""A registration as its makers see it on a page: where it stands, what happened, what is registered."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from authz.clients.client import members
from authz.clients.model import ClientRow
from authz.developers.status import Status, status
from authz.registration.history import SERVER, VENDOR
from authz.registration.model import RegistrationRow

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from authz.clients.registry import Client
    from authz.registration.history import History
    from authz.registration.model import RegistrationEventRow
    from authz.storage.database import Database

BY = {VENDOR: "you", SERVER: ""}
WHAT = {  # what a history has, in words; any other is shown as it is
    "registered": "Registered",
    "changed": "Changed",
    "requested": "Production was asked for",
    "approved": "Approved for production",
    "declined": "Declined",
    "held": "Put on hold",
    "proposed": "A change was asked for",
    "withdrawn": "The change was taken back",
    "secret_rotated": "A new secret was made",
}
Change = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Line:
    at: datetime
    what: str
    by: str
    note: str
    changed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Record:
    status: Status
    history: tuple[Line, ...]
    members: Mapping[str, Any]
    proposed: tuple[Change, ...]  # a change that waits: member, before, after

    @property
    def registered(self) -> list[tuple[str, list[str]]]:
        return [(name, texts(value)) for name, value in self.members.items()]


@dataclass(frozen=True, slots=True)
class Records:
    db: Database
    log: History
    now: Callable[[], datetime]

    def of(self, client: Client) -> Record:
        with self.db.read() as session:
            row = session.get_one(RegistrationRow, client.client_id)
            kept = session.get_one(ClientRow, client.client_id)
            said = members(kept)
            return Record(
                status=status(client, row, kept.approves_at, self.now()),
                history=tuple(line(event) for event in self.log.of(session, client.client_id)),
                members=said,
                proposed=changes(said, row.proposed) if row.proposed else (),
            )


def line(event: RegistrationEventRow) -> Line:
    """An administrator is the hospital: its makers need no names of people there."""
    by = BY.get(event.actor, "the hospital")
    return Line(event.at, WHAT.get(event.what, event.what), by, event.note, tuple(sorted(event.changes)))


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[Change, ...]:
    """Each member that differs, as text."""
    names = sorted({*before, *after} - {"client_id"})
    pairs = ((name, before.get(name), after.get(name)) for name in names)
    return tuple((name, told(old), told(new)) for name, old, new in pairs if old != new)


def told(value: Any) -> str:
    return " ".join(texts(value))


def texts(value: Any) -> list[str]:
    if value is None or value == []:
        return []
    if isinstance(value, list):
        return [one if isinstance(one, str) else json.dumps(one) for one in value]
    return [value if isinstance(value, str) else json.dumps(value)]
