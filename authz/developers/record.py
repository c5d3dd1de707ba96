"""A registration as its makers see it on a page: where it stands, what was found, what happened, what is registered."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from authz.developers.status import Status, status
from authz.registration.history import SERVER, VENDOR
from authz.registration.proposals import APPLIED, PROPOSED, REFUSED, TAKEN_BACK
from authz.registration.report import Level

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from authz.registration.applications import Application
    from authz.registration.model import RegistrationEventRow
    from authz.registration.report import Report

BY = {VENDOR: "you", SERVER: ""}
WHAT = {  # what a history has, in words; any other is shown as it is
    "registered": "Registered",
    "changed": "Changed",
    "requested": "Production was asked for",
    "approved": "Approved for production",
    "declined": "Declined",
    "held": "Put on hold",
    PROPOSED: "A change was asked for",
    APPLIED: "The change was agreed to, and made",
    REFUSED: "The change was declined",
    TAKEN_BACK: "The change was taken back",
    "secret_rotated": "A new secret was made",
    "token_renewed": "A new registration access token was made",
}
MOODS = {Level.ERROR: "bad", Level.WARNING: "warn", Level.OK: "good"}


@dataclass(frozen=True, slots=True)
class Change:
    """A member that is not what it was, as text."""

    name: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Line:
    at: datetime
    what: str
    by: str
    note: str
    changed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """What an automatic check says."""

    level: str
    mood: str
    subject: str
    words: str


@dataclass(frozen=True, slots=True)
class Record:
    status: Status
    history: tuple[Line, ...]
    registered: tuple[tuple[str, list[str]], ...]
    proposed: tuple[Change, ...]  # a change that waits
    checked_at: datetime | None  # None: not checked yet
    found: tuple[Found, ...]


def record(application: Application, now: datetime) -> Record:
    return Record(
        status=status(application, now),
        history=tuple(map(line, application.history)),
        registered=tuple((name, texts(value)) for name, value in application.metadata.items()),
        proposed=changes(application.changes),
        checked_at=application.report.made_at if application.report else None,
        found=found(application.report),
    )


def line(event: RegistrationEventRow) -> Line:
    """An administrator is the hospital: its makers need no names of people there."""
    by = BY.get(event.actor, "the hospital")
    return Line(event.at, WHAT.get(event.what, event.what), by, event.note, tuple(sorted(event.changes)))


def found(report: Report | None) -> tuple[Found, ...]:
    """The gravest first; without a report there is nothing."""
    findings = report.findings if report else ()
    return tuple(Found(one.level.value, MOODS[one.level], one.subject, one.words) for one in findings)


def changes(pairs: Mapping[str, tuple[Any, Any]]) -> tuple[Change, ...]:
    return tuple(Change(name, " ".join(texts(old)), " ".join(texts(new))) for name, (old, new) in pairs.items())


def texts(value: Any) -> list[str]:
    if value is None:
        return []
    items = value if isinstance(value, list) else [value]
    return [one if isinstance(one, str) else json.dumps(one) for one in items]
