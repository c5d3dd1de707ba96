"""What a support code stands for, as whoever holds it may read it: what was asked and decided, and nobody's data."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from authz.audit.event import EventName
from authz.audit.model import AuditEventRow
from authz.audit.support_code import GOOD_FOR, read_support_code
from authz.errors import printable
from authz.support.explanations import Explanation, of_refusal, of_scope

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from authz.clients.registry import Clients
    from authz.fhir_servers.registry import FhirServers
    from authz.storage.database import Database

PLACES = {
    EventName.AUTHORIZE_REFUSED.value: "authorization endpoint",
    EventName.CONSENT_DENIED.value: "authorization endpoint",
    EventName.LOGIN_FAILED.value: "sign-in",
    EventName.USER_UNIDENTIFIED.value: "sign-in",
    EventName.LAUNCH_REFUSED.value: "launch",
    EventName.CALLER_REFUSED.value: "EHR session or revocation endpoint",
    EventName.TOKEN_REFUSED.value: "token endpoint",
    EventName.REGISTRATION_REFUSED.value: "registration",
}
UNPROVEN = frozenset({"invalid_client", "page"})  # it says nothing about whether there is such an app
PUBLIC_PARAMETERS = frozenset({"category", "clinical-status", "intent", "status", "type", "_lastUpdated"})
MAX_SCOPE = 200
NUMBERS = re.compile(r"\d{2,}")  # an id, a date or a number that belongs to somebody


@dataclass(frozen=True, slots=True)
class ScopeLine:
    """What became of one requested scope."""

    requested: str
    outcome: str  # "granted", "narrowed" or "dropped"
    granted: tuple[str, ...]
    reason: str | None
    detail: str
    why: Explanation | None


@dataclass(frozen=True, slots=True)
class Case:
    code: str
    at: datetime
    place: str
    reason: str
    description: str  # as the app was told
    why: Explanation
    app_name: str | None
    fhir_server: str | None  # base URL
    asked: tuple[str, ...]
    scopes: tuple[ScopeLine, ...]


class Cases:
    """Looks support codes up for anybody who has one."""

    def __init__(
        self,
        db: Database,
        registries: tuple[Clients, FhirServers],
        now: Callable[[], datetime],
    ) -> None:
        self.db = db
        self.clients, self.fhir_servers = registries
        self.now = now

    def look_up(self, text: str) -> Case | None:
        """The case; None for whatever is no code, is unknown, or is older than seven days. Raises Unavailable."""
        code = read_support_code(text)
        if code is None:
            return None
        wanted = select(AuditEventRow).where(
            AuditEventRow.support_code == code,
            AuditEventRow.at > self.now() - GOOD_FOR,
            AuditEventRow.event.in_(PLACES),
        )
        with self.db.read() as session:
            row = session.scalars(wanted.order_by(AuditEventRow.at).limit(1)).one_or_none()
        return None if row is None else self.case(code, row)

    def case(self, code: str, row: AuditEventRow) -> Case:
        reason = row.reason or ""
        return Case(
            code=code,
            at=row.at,
            place=PLACES[row.event],
            reason=reason,
            description=printable(row.detail.get("description") or row.detail.get("problem") or ""),
            why=of_refusal(reason, row.detail.get("cause")),
            app_name=None if reason in UNPROVEN else self.app_name(row.client_id),
            fhir_server=self.base_url(row.fhir_server),
            asked=tuple(map(without_values, str(row.detail.get("asked", "")).split())),
            scopes=tuple(map(scope_line, row.detail.get("verdicts", ()))),
        )

    def app_name(self, client_id: str | None) -> str | None:
        client = self.clients.find(client_id) if client_id else None
        return client.client_name if client else None

    def base_url(self, name: str | None) -> str | None:
        server = self.fhir_servers.get(name) if name else None
        return server.base_url if server else None


def scope_line(verdict: dict[str, Any]) -> ScopeLine:
    """One verdict of a grant or of a refusal, explained."""
    reason = verdict["reason"]
    return ScopeLine(
        requested=without_values(verdict["requested"]),
        outcome=verdict["outcome"],
        granted=tuple(map(without_values, verdict["granted"])),
        reason=reason,
        detail=printable(verdict["detail"]),
        why=of_scope(reason) if reason else None,
    )


def without_values(scope: str) -> str:
    """A scope as anybody may read it: what an app puts into a constraint, or into no scope at all, may be a person's.

    >>> without_values("patient/Observation.rs?category=laboratory&subject=Patient/17")
    'patient/Observation.rs?category=laboratory&subject=…'
    """
    head, mark, query = scope.partition("?")
    pairs = (pair.partition("=") for pair in query.split("&"))
    shown = "&".join(
        f"{name}={value if name in PUBLIC_PARAMETERS else '…'}" if equals else NUMBERS.sub("…", name)
        for name, equals, value in pairs
    )
    return f"{NUMBERS.sub('…', head)}{mark}{shown}"[:MAX_SCOPE]
