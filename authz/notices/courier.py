"""Sends what is due, at most five times, with delays that grow; of several processes one sends each.

Who does not answer, or is slow, delays only what is sent to the same host: see ``turns``.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

from sqlalchemy import func, select, update

from authz.errors import Unavailable
from authz.notices.turns import AT_ONCE, NOBODY, Places, Receiver, Turns
from authz.outbound import FetchFailed
from authz.settings import ConfigurationError
from authz.storage.database import changed, insert_once

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Collection, Iterable
    from datetime import datetime

    from sqlalchemy import ColumnElement
    from sqlalchemy.orm import Session

    from authz.audit.event import Event
    from authz.audit.trail import Trail
    from authz.notices.model import NoticeRow
    from authz.outbound import Outbound
    from authz.storage.database import Database

log = logging.getLogger(__name__)
PAUSE_SECONDS = 1.0
LEASE = timedelta(minutes=1)  # longer than one attempt can take; after it whoever claimed the row is taken for dead
OLD = timedelta(days=1)  # whoever was away for so long is not told again after a failure
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
    created_at: datetime | None = None
    receiver: Receiver = NOBODY


class Writer(Protocol):
    """A kind of notice."""

    @property
    def table(self) -> type[NoticeRow]: ...

    def letter(self, session: Session, row: Any) -> Letter:
        """What is sent of a row, and where to, as things stand now."""

    def receivers(self, session: Session, client_ids: Iterable[str]) -> dict[str, Receiver]:
        """Of each of these clients, who hears of it."""


@dataclass(frozen=True, slots=True)
class Courier:
    db: Database
    now: Callable[[], datetime]
    outbound: Outbound
    trail: Trail
    turns: defaultdict[str, Turns] = field(default_factory=lambda: defaultdict(Turns))  # by table

    def post(self, session: Session, writer: Writer, notice_id: str, **values: object) -> bool:
        """Have it told, in the transaction that makes it so; False if there is a notice of this id."""
        now = self.now()
        waiting = {"state": State.WAITING.value, "attempts": 0, "created_at": now, "next_at": now}
        return insert_once(session, writer.table, id=notice_id, **waiting, **values)

    def run(self, writer: Writer, stop: threading.Event) -> None:
        """Send what is due until told to stop; a database or a key that is away is tried again."""
        while not stop.wait(PAUSE_SECONDS):
            try:
                self.send_due(writer, stop)
            except (Unavailable, ConfigurationError):
                log.warning("what is due in %s could not be sent; trying again", writer.table.__tablename__)

    def send_due(self, writer: Writer, stop: threading.Event | None = None) -> int:
        """Send what is due and what becomes due meanwhile, each as soon as it has a place; returns how many."""
        sent, under_way = 0, dict[Future[Result], Letter]()
        with ThreadPoolExecutor(AT_ONCE) as pool:  # its threads have no database
            while True:
                if stop is None or not stop.is_set():
                    claimed = self.claim(writer, under_way.values())
                    under_way.update({pool.submit(self.send, letter): letter for letter in claimed})
                if not under_way:
                    return sent
                ended, _ = wait(under_way, PAUSE_SECONDS, FIRST_COMPLETED)
                if ended:
                    self.settle(writer.table, [(under_way.pop(one), one.result()) for one in ended])
                sent += len(ended)

    def claim(self, writer: Writer, under_way: Collection[Letter] = ()) -> list[Letter]:
        """Take those whose turn it is for as long as the lease; of racing processes one gets each."""
        now, table, claimed = self.now(), writer.table, list[Letter]()
        if not (chosen := self.chosen(writer, Places(letter.receiver for letter in under_way))):
            return []
        with self.db.write() as session:
            for notice_id, receiver in chosen.items():
                mine = update(table).where(table.id == notice_id, *is_due(table, now))
                if changed(session, mine.values(attempts=table.attempts + 1, next_at=now + LEASE)):
                    row = session.get_one(table, notice_id)
                    letter = replace(writer.letter(session, row), id=row.id, attempts=row.attempts)
                    claimed.append(replace(letter, created_at=row.created_at, receiver=receiver))
        return claimed

    def chosen(self, writer: Writer, places: Places) -> dict[str, Receiver]:
        """What is due and has a place, by the id of the notice."""
        now, table, turns = self.now(), writer.table, self.turns[writer.table.__tablename__]
        due, found = is_due(table, now), dict[str, Receiver]()
        waiting = select(table.client_id, func.min(table.next_at)).where(*due).group_by(table.client_id)
        with self.db.read() as session:
            oldest = {row[0]: row[1] for row in session.execute(waiting)}
            receivers = writer.receivers(session, oldest) if oldest else {}
            for client_id in turns.order(receivers, oldest, now):
                receiver = receivers[client_id]
                if (left := places.left(receiver)) > 0:
                    mine = select(table.id).where(*due, table.client_id == client_id).order_by(table.next_at)
                    ids = session.scalars(mine.limit(left)).all()
                    found |= dict.fromkeys(ids, receiver)
                    places.take(receiver, len(ids))
                    turns.take(receiver)
        return found

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

    def settle(self, table: type[NoticeRow], results: Iterable[tuple[Letter, Result]]) -> None:
        turns, now = self.turns[table.__tablename__], self.now()
        with self.db.write() as session:
            for letter, result in results:
                if result is Result.TRY_AGAIN:
                    turns.failed(letter.receiver, now)
                else:
                    turns.answered(letter.receiver)
                self.note(session, table, letter, result)

    def note(self, session: Session, table: type[NoticeRow], letter: Letter, result: Result) -> None:
        values: dict[str, object]
        now = self.now()
        is_old = letter.created_at is not None and letter.created_at <= now - OLD
        if result is Result.TRY_AGAIN and letter.attempts <= len(DELAYS) and not is_old:
            values = {"next_at": now + DELAYS[letter.attempts - 1]}
        else:
            state = State.GIVEN_UP if result is Result.TRY_AGAIN else State(result.value)
            values = {"state": state.value}
            outcome = "success" if state is State.TOLD else "refused"
            detail = {**letter.about.detail, "attempts": letter.attempts}
            self.trail.record(session, replace(letter.about, outcome=outcome, reason=state.value, detail=detail))
        session.execute(update(table).where(table.id == letter.id).values(**values))


def is_due(table: type[NoticeRow], now: datetime) -> tuple[ColumnElement[bool], ...]:
    return table.state == State.WAITING.value, table.next_at <= now
