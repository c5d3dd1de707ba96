"""The automatic checks of an app that registered itself: a report for its vendor and for the reviewer.

What has to be checked is a row, so a crash forgets nothing; a background thread does it, as it asks others. No app is
approved by time that was not checked as it is, and none in which there is an error.
"""

from __future__ import annotations

import logging
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import select, update

from authz.clients.model import ClientRow
from authz.errors import NotFound, TooManyRequests, Unavailable
from authz.registration import findings
from authz.registration.case import asked_for
from authz.registration.history import SERVER
from authz.registration.model import RegistrationRow, ReportRow, State
from authz.registration.report import Report, findings_from
from authz.storage.database import changed, insert_once

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterable, Iterator
    from datetime import datetime

    from sqlalchemy.orm import Session

    from authz.fhir_servers.registry import FhirServers
    from authz.registration.case import Case, Cases
    from authz.registration.history import History
    from authz.registration.published import Published
    from authz.registration.report import Finding
    from authz.registration.scope_words import ScopeWords
    from authz.storage.database import Database

log = logging.getLogger(__name__)
PAUSE_SECONDS = 1.0
BATCH = 10
LEASE = timedelta(minutes=5)  # longer than a batch can take; after it whoever claimed the rows is taken for dead
PAUSE_BETWEEN = timedelta(minutes=1)  # on demand


@dataclass(frozen=True, slots=True)
class Checks:
    db: Database
    now: Callable[[], datetime]
    fhir_servers: FhirServers
    cases: Cases
    published: Published
    words: ScopeWords
    history: History

    def latest(self, session: Session, client_id: str) -> Report | None:
        """None: not checked yet."""
        row = session.get(ReportRow, client_id)
        return None if row is None or row.made_at is None else Report(row.made_at, findings_from(row.findings))

    def ask(self, session: Session, client_id: str) -> None:
        """Have it checked soon, in the transaction that registers or changes it; until then no time approves it."""
        session.execute(update(ClientRow).where(ClientRow.client_id == client_id).values(checked=False))
        if not insert_once(session, ReportRow, client_id=client_id, due_at=self.now(), findings=[]):
            session.execute(update(ReportRow).where(ReportRow.client_id == client_id).values(due_at=self.now()))

    def ask_again(self, session: Session, client_id: str) -> None:
        """On demand, once a minute. Raises TooManyRequests."""
        row = session.get(ReportRow, client_id)
        if row is not None and row.made_at is not None and self.now() < row.made_at + PAUSE_BETWEEN:
            raise TooManyRequests("it was checked a moment ago; try again in a minute", PAUSE_BETWEEN.seconds)
        self.ask(session, client_id)

    def run(self, stop: threading.Event) -> None:
        """Check what is due until told to stop; a database that is away is tried again."""
        while not stop.wait(PAUSE_SECONDS):
            try:
                while self.check_due() == BATCH:
                    pass
            except Unavailable:
                log.warning("registrations could not be checked; trying again")

    def check_due(self) -> int:
        """Check what is due, at most ten, side by side: of a slow address only its own app waits. Returns how many."""
        claimed = self.claim()
        if not claimed:
            return 0
        asking: dict[Future[list[Finding]], tuple[str, Case]] = {}
        with ThreadPoolExecutor(BATCH) as pool:  # its threads ask others, and have no database
            for client_id in claimed:
                with alone(client_id):
                    case = self.read(client_id)
                    asking[pool.submit(self.published.findings, case.said)] = client_id, case
            for one in as_completed(asking):
                client_id, case = asking[one]
                with alone(client_id):
                    self.conclude(client_id, case, one.result())
        return len(claimed)

    def claim(self) -> list[str]:
        """Take what is due for as long as the lease; of racing processes one gets each."""
        now = self.now()
        due = select(ReportRow.client_id).where(ReportRow.due_at <= now).order_by(ReportRow.due_at).limit(BATCH)
        with self.db.read() as session:
            found = list(session.scalars(due))
        if not found:
            return []
        with self.db.write() as session:
            still = {one: (ReportRow.client_id == one) & (ReportRow.due_at <= now) for one in found}
            taken = {one: update(ReportRow).where(still[one]).values(due_at=now + LEASE) for one in found}
            return [one for one in found if changed(session, taken[one])]

    def check(self, client_id: str) -> Report:
        """Check one app now; asks others, so not within a request. Raises NotFound."""
        case = self.read(client_id)
        return self.conclude(client_id, case, self.published.findings(case.said))

    def wrong_names(self, client_id: str) -> tuple[Finding, ...]:
        """What stands against its names now, with nobody asked. Raises NotFound."""
        case = self.read(client_id)
        return Report.of(self.now(), findings.names(case.mine, case.others, case.organizations)).errors

    def read(self, client_id: str) -> Case:
        with self.db.read() as session:
            return self.cases.read(session, client_id)

    def conclude(self, client_id: str, case: Case, published: list[Finding]) -> Report:
        report = Report.of(self.now(), self.found(case, published))
        with self.db.write() as session:
            self.keep(session, client_id, report, case.asked)
        return report

    def found(self, case: Case, published: list[Finding]) -> Iterable[Finding]:
        servers = [one for one in self.fhir_servers.all() if one.enabled]
        here = [one for one in servers if not case.fhir_servers or one.name in case.fhir_servers]
        yield from findings.addresses(case.said)
        yield from findings.at_home_here(case.said, case.sites)
        yield from published
        yield from findings.scopes(case.said, here, self.words)
        yield from findings.names(case.mine, case.others, case.organizations)

    def keep(self, session: Session, client_id: str, report: Report, asked: datetime | None) -> None:
        """``asked``: what was due when the app was read; if it is another now, the app was changed meanwhile, and what
        was asked for then is still to be done.
        """
        client = session.get(ClientRow, client_id, with_for_update=True)  # first, as everybody locks it
        if client is None:
            raise NotFound(f"{client_id}: there is no client of this id")
        insert_once(session, ReportRow, client_id=client_id, findings=[])
        made: dict[str, Any] = {"made_at": report.made_at, "findings": [asdict(one) for one in report.findings]}
        if asked_for(session, client_id) == asked:
            made["due_at"] = None
            client.checked = not report.errors
        session.execute(update(ReportRow).where(ReportRow.client_id == client_id).values(made))
        if report.errors:
            self.stop_approval(session, client_id, report)

    def stop_approval(self, session: Session, client_id: str, report: Report) -> None:
        """Let a person decide about an app that would have been approved by itself."""
        waits = (ClientRow.client_id == client_id) & ~ClientRow.approved & (ClientRow.approves_at > self.now())
        if not changed(session, update(ClientRow).where(waits).values(approves_at=None)):
            return
        held = (RegistrationRow.client_id == client_id) & (RegistrationRow.state == State.SANDBOX.value)
        session.execute(update(RegistrationRow).where(held).values(state=State.HELD.value))
        words = "; ".join(f"{one.subject}: {one.words}" for one in report.errors)
        self.history.note(session, client_id, SERVER, "held", f"The automatic checks found: {words}")


@contextmanager
def alone(client_id: str) -> Iterator[None]:
    """What one stranger wrote must not end the checks of all the others."""
    try:
        yield
    except NotFound:
        log.info("%s went away while it was checked", client_id)
    except Unavailable:
        raise
    except Exception:
        log.exception("%s could not be checked; it is tried again when the lease is over", client_id)
