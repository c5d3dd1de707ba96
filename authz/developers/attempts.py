"""The last times an app was tried, step by step, each refusal explained: what its makers may see of it.

They see what test accounts did, and what was refused; of anybody else that there was somebody, never who.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import select

from authz.audit.event import EventName
from authz.audit.model import AuditEventRow
from authz.authorize.flow import STANDALONE
from authz.errors import printable
from authz.support.case import ScopeLine, scope_line
from authz.support.explanations import Explanation, of_refusal
from authz.support.timeline import ORDER, WORDS
from authz.tokens.model import GrantRow
from authz.users.model import UserRow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    from sqlalchemy.orm import Session

    from authz.clients.registry import Client
    from authz.fhir_servers.registry import FhirServers
    from authz.storage.database import Database

MOST_ROWS, MOST_ATTEMPTS = 500, 20
KEPT = timedelta(days=7)  # as long as support codes are good
SIGN_INS = frozenset({EventName.LOGIN, EventName.LOGIN_FAILED})  # of the makers; people's name no app
# What was wrong with a launch nobody is told (AZ-73); that the request was refused stands beside it.
NOT_TOLD = SIGN_INS | {EventName.LAUNCH_REFUSED}


@dataclass(frozen=True, slots=True)
class Step:
    at: datetime
    what: str
    is_refused: bool
    reason: str  # of a refusal: the error's name; of a page: which
    description: str  # as the app was told
    why: Explanation | None
    support_code: str | None
    scopes: tuple[ScopeLine, ...] = ()


@dataclass(frozen=True, slots=True)
class Attempt:
    """One opening of the app, oldest step first."""

    began_at: datetime
    is_launch: bool  # by an EHR, or from these pages
    person: str  # a test account; empty: nobody, or nobody who is shown
    patient: str
    steps: tuple[Step, ...]
    trimmed: tuple[ScopeLine, ...]  # scopes that were asked for and not granted as they were


@dataclass
class Group:
    """Records of one opening."""

    rows: list[AuditEventRow] = field(default_factory=list)

    @property
    def refusals(self) -> list[AuditEventRow]:
        return [row for row in self.rows if row.outcome == "refused"]


@dataclass(frozen=True, slots=True)
class Attempts:
    db: Database
    fhir_servers: FhirServers
    now: Callable[[], datetime]

    def of(self, client: Client) -> list[Attempt]:
        """The newest first."""
        with self.db.read() as session:
            groups = grouped(self.rows(session, client.client_id))
            subs = {row.sub for group in groups for row in group.rows if row.sub}
            people = {row.sub: row for row in session.scalars(select(UserRow).where(UserRow.sub.in_(subs)))}
            shown = (self.shown(session, group, people, client) for group in reversed(groups))
            return [attempt for attempt in shown if attempt is not None][:MOST_ATTEMPTS]

    def rows(self, session: Session, client_id: str) -> Sequence[AuditEventRow]:
        """The newest records, oldest first."""
        wanted = select(AuditEventRow).where(
            AuditEventRow.client_id == client_id,
            AuditEventRow.at > self.now() - KEPT,
            AuditEventRow.event.in_([name.value for name in WORDS if name not in NOT_TOLD]),
        )
        found = session.scalars(wanted.order_by(AuditEventRow.at.desc(), AuditEventRow.id).limit(MOST_ROWS))
        return sorted(found, key=lambda row: (row.at, ORDER[row.event], row.id))

    def shown(self, session: Session, group: Group, people: dict[str, UserRow], client: Client) -> Attempt | None:
        """As far as it is anything of theirs; None if it is not."""
        if all(self.is_test(row, people) for row in group.rows):
            is_somebody = any(row.sub for row in group.rows)
            return attempt(session, group.rows, people) if is_somebody or group.refusals else None
        if client.is_approved or not group.refusals:
            return None
        return attempt(session, group.refusals, {})

    def is_test(self, row: AuditEventRow, people: dict[str, UserRow]) -> bool:
        """Whether nobody real has to do with it."""
        server = self.fhir_servers.get(row.fhir_server) if row.fhir_server else None
        if server is not None and server.is_sandbox:
            return True
        if row.sub is not None and (row.sub not in people or not people[row.sub].is_sandbox):
            return False
        return row.patient is None or (server is not None and row.patient in server.sandbox_patients)


def grouped(rows: Iterable[AuditEventRow]) -> list[Group]:
    """By the name of the opening, which a grant's later records don't repeat; what has none stands alone."""
    groups: dict[str, Group] = {}
    opening_of: dict[str, str] = {}
    for row in rows:
        if row.launch_id and row.grant_id:
            opening_of[row.grant_id] = row.launch_id
        name = row.launch_id or opening_of.get(row.grant_id or "") or row.grant_id or row.id
        groups.setdefault(name, Group()).rows.append(row)
    return list(groups.values())


def attempt(session: Session, rows: Sequence[AuditEventRow], people: dict[str, UserRow]) -> Attempt:
    grants = {row.grant_id for row in rows if row.grant_id}
    verdicts = session.scalars(select(GrantRow.verdicts).where(GrantRow.id.in_(grants)))
    lines = (scope_line(verdict) for found in verdicts for verdict in found if verdict["outcome"] != "granted")
    person = next((people[row.sub] for row in rows if row.sub in people), None)
    return Attempt(
        began_at=rows[0].at,
        is_launch=any(row.launch_id and not row.launch_id.startswith(STANDALONE) for row in rows),
        person=person.display_name if person is not None else "",
        patient=next((row.patient for row in rows if row.patient and person is not None), ""),
        steps=tuple(map(step, rows)),
        trimmed=tuple(lines) if person is not None else (),
    )


def step(row: AuditEventRow) -> Step:
    is_refused = row.outcome == "refused"
    return Step(
        at=row.at,
        what=WORDS[EventName(row.event)],
        is_refused=is_refused,
        reason=row.reason or "",
        description=printable(row.detail.get("description") or row.detail.get("problem") or "") if is_refused else "",
        why=of_refusal(row.reason, row.detail.get("cause")) if is_refused else None,
        support_code=row.support_code,
        scopes=tuple(map(scope_line, row.detail.get("verdicts", ()))) if is_refused else (),
    )
