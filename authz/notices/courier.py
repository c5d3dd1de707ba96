"""Sends what is due, at most five times within three quarters of an hour; of several processes one sends each."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

from sqlalchemy import select, update

from authz.errors import Unavailable
from authz.outbound import FetchFailed
from authz.settings import ConfigurationError
from authz.storage.database import changed, insert_once

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable
    from datetime import datetime

    from sqlalchemy.orm import Session

    from authz.audit.event import Event
    from authz.audit.trail import Trail
    from authz.notices.model import NoticeRow
    from authz.outbound import Outbound
    from authz.storage.database import Database

log = logging.getLogger(__name__)
PAUSE_SECONDS = 1.0
BATCH = 20
AT_ONCE = 10
LEASE = timedelta(minutes=1)  # longer than a batch can take; after it whoever claimed the rows is taken for dead
DELAYS = (timedelta(seconds=10), timedelta(minutes=1), timedelta(minutes=10), timedelta(minutes=30))
SERVER_ERROR = 500


class State(StrEnum):
    WAITING = "waiting"
    TOLD = "told"
    REFUSED = "refused"  # by who was to be told, or its address may not be called
    GIVEN_UP = "given_up"


class Result(StrEnum):
    """What came of one attempt."""

    TOLD = "told"
    REFUSED = "refused"
    TRY_AGAIN = "try_again"


@dataclass(frozen=True, slots=True)
class Letter:
    """One notice, ready to be sent."""

    about: Event  # on the trail, once it is known what came of it
    url: str | None  # None: nobody wants to hear it any more
    body: bytes = field(default=b"", repr=False)
    content_type: str = "application/x-www-form-urlencoded"
    accepted: frozenset[int] = frozenset({200, 204})  # statuses that mean it was heard
    is_trusted: bool = False  # the administrator registered the address
    id: str = ""
    attempts: int = 0  # this one included


class Writer(Protocol):
    """A kind of notice."""

    @property
    def table(self) -> type[NoticeRow]: ...

    def letter(self, session: Session, row: Any) -> Letter:
        """What is sent of a row, and where to, as things stand now."""


@dataclass(frozen=True, slots=True)
class Courier:
    db: Database
    now: Callable[[], datetime]
    outbound: Outbound
    trail: Trail

    def post(self, session: Session, writer: Writer, notice_id: str, **values: object) -> bool:
        """Have it told, in the transaction that makes it so; False if there is a notice of this id."""
        now = self.now()
        waiting = {"state": State.WAITING.value, "attempts": 0, "created_at": now, "next_at": now}
        return insert_once(session, writer.table, id=notice_id, **waiting, **values)

    def run(self, writer: Writer, stop: threading.Event) -> None:
        """Send what is due until told to stop; a database or a key that is away is tried again."""
        while not stop.wait(PAUSE_SECONDS):
            try:
                while self.send_due(writer) == BATCH:
                    pass
            except (Unavailable, ConfigurationError):
                log.warning("what is due in %s could not be sent; trying again", writer.table.__tablename__)

    def send_due(self, writer: Writer) -> int:
        """Send what is due, several at once, at most twenty; returns how many."""
        claimed = self.claim(writer)
        if claimed:
            with ThreadPoolExecutor(AT_ONCE) as pool:  # its threads have no database
                results = list(pool.map(self.send, claimed))
            with self.db.write() as session:
                for letter, result in zip(claimed, results, strict=True):
                    self.settle(session, writer.table, letter, result)
        return len(claimed)

    def claim(self, writer: Writer) -> list[Letter]:
        """Take what is due for as long as the lease; of racing processes one gets each."""
        now, table = self.now(), writer.table
        due = (table.state == State.WAITING.value, table.next_at <= now)
        with self.db.read() as session:
            if session.scalar(select(table.id).where(*due).limit(1)) is None:
                return []
        claimed = []
        with self.db.write() as session:
            rows = session.scalars(select(table).where(*due).order_by(table.next_at).limit(BATCH))
            for row in rows.all():
                attempts = row.attempts + 1
                mine = update(table).where(table.id == row.id, *due)
                if changed(session, mine.values(attempts=attempts, next_at=now + LEASE)):
                    claimed.append(replace(writer.letter(session, row), id=row.id, attempts=attempts))
        return claimed

    def send(self, letter: Letter) -> Result:
        if letter.url is None:
            return Result.REFUSED
        who, what = letter.about.client_id, letter.about.event
        headers = {"Content-Type": letter.content_type}
        try:
            answer = self.outbound.post(letter.url, letter.body, headers=headers, trusted=letter.is_trusted)
        except FetchFailed as failure:
            log.info("%s of %s could not be sent: %s", what, who, failure)
            return Result.REFUSED if failure.refused else Result.TRY_AGAIN
        if answer.status in letter.accepted:
            return Result.TOLD
        log.info("%s of %s was answered with status %d", what, who, answer.status)
        return Result.TRY_AGAIN if answer.status >= SERVER_ERROR else Result.REFUSED

    def settle(self, session: Session, table: type[NoticeRow], letter: Letter, result: Result) -> None:
        values: dict[str, object]
        if result is Result.TRY_AGAIN and letter.attempts <= len(DELAYS):
            values = {"next_at": self.now() + DELAYS[letter.attempts - 1]}
        else:
            state = State.GIVEN_UP if result is Result.TRY_AGAIN else State(result.value)
            values = {"state": state.value}
            outcome = "success" if state is State.TOLD else "refused"
            detail = {**letter.about.detail, "attempts": letter.attempts}
            self.trail.record(session, replace(letter.about, outcome=outcome, reason=state.value, detail=detail))
        session.execute(update(table).where(table.id == letter.id).values(**values))
