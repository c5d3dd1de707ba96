"""Ready introspection answers in the short-lived store; a copy is believed only while nothing speaks against it.

A copy names the epoch it was made in. The epoch is a row in SQL, re-read at least once a second; a process raises it
when its store was restarted, emptied or replaced, and a revocation raises it when it can't leave tombstones. The same
row tells the last revocation, and so does the store: one that knows an older one was put back to an earlier time, which
raises the epoch too. Each copy is sealed, so that who can write into the store makes none and moves none. Whatever is
missing, doubtful or unreachable makes the answer None: SQL decides (decision 2).
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from sqlalchemy import select, update

from authz.errors import Unavailable
from authz.storage.short_lived import StoreUnavailable
from authz.tokens.hot_copy import copy_name
from authz.tokens.model import HotEpochRow

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from sqlalchemy.orm import Session

    from authz.storage.database import Database
    from authz.storage.short_lived import Backend
    from authz.tokens.hot_copy import CopySeal
    from authz.tokens.response import HotCopy

EPOCH_SECONDS = 1.0
MARKER = "hot-epoch"
LAST_REVOCATION = "hot-last-revocation"
MOST_DIGITS = 18
LEAP = 1_000_000  # more revocations than one dump is old
MARKER_SECONDS = 10 * 365 * 86400
TOMBSTONE = b"revoked"
TOMBSTONE_SECONDS = 7200  # at least: twice the life of an access token, for the clock may be wrong by as much


class HotAnswers:
    def __init__(
        self,
        db: Database,
        backend: Backend,
        seal: CopySeal,
        now: Callable[[], datetime],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.db = db
        self.backend = backend
        self.seal = seal
        self.now = now
        self.monotonic = monotonic
        self.epoch = 0  # of no copy: the first look reads SQL
        self.last_revocation = 0
        self.read_at = float("-inf")
        self.incarnation = ""
        self.renewing = threading.Lock()

    def find(self, digest: str) -> tuple[str, bytes] | None:
        """The FHIR server's name and the answer of a live token, in one store round trip; None: ask SQL.

        ``digest``, here and below, is a token's, or the key of a handle (see ``handles``).

        Raises Unavailable if the epoch can't be read.
        """
        epoch = self.current_epoch()
        last_revocation = self.last_revocation  # before the store is asked: it may know a later one, never an older
        try:
            sealed, tombstone, marker, mark = self.backend.get(
                copy_name(digest), f"dead:{digest}", MARKER, LAST_REVOCATION
            )
            incarnation = self.backend.incarnation()
        except StoreUnavailable:
            return None
        revoked, known = number(mark), number(marker)
        if revoked is None or revoked < last_revocation:
            known = None
        if not self.is_current(incarnation, known, epoch) or sealed is None or tombstone is not None:
            return None
        copy = self.seal.open(digest, sealed)
        if copy is None:
            return None  # of somebody who can write into the store
        made_in, expires, fhir_server, answer = copy.split(b"\n", 3)
        if int(made_in) != epoch or int(expires) <= self.now().timestamp():
            return None
        return fhir_server.decode(), answer

    def keep(self, copy: HotCopy, epoch: int) -> None:
        """Leave a copy after the commit; ``epoch`` is the one read before the transaction began."""
        seconds = (copy.expires_at - self.now()).total_seconds()
        if seconds <= 0:
            return
        header = f"{epoch}\n{int(copy.expires_at.timestamp())}\n{copy.fhir_server}\n"
        try:
            content = self.seal.close(copy.digest, header.encode() + copy.answer)
            self.backend.put({copy_name(copy.digest): content}, seconds)
        except StoreUnavailable:
            return  # without a copy SQL answers

    def bury(self, tokens: Mapping[str, datetime]) -> bool:
        """Leave a tombstone for each access token (digest -> expiry); False if the store did not take them."""
        if not tokens:
            return True
        seconds = max((max(tokens.values()) - self.now()).total_seconds(), TOMBSTONE_SECONDS)
        try:
            self.backend.put({f"dead:{digest}": TOMBSTONE for digest in tokens}, seconds)
        except StoreUnavailable:
            return False
        return True

    def bury_in(self, session: Session, tokens: Mapping[str, datetime]) -> bool:
        """Leave tombstones before the commit, and the time of this revocation, which SQL knows from the commit on.

        If the store does not take them, or was put back since the last revocation, the epoch is raised in this
        transaction: False.
        """
        before = session.scalars(select(HotEpochRow.last_revocation).with_for_update()).one()
        this = max(before + 1, int(self.now().timestamp() * 1_000_000))  # also after one that was rolled back
        session.execute(update(HotEpochRow).values(last_revocation=this))
        try:
            (known,) = self.backend.get(LAST_REVOCATION)
            revoked = number(known)
            if revoked is not None and revoked >= before and self.bury(tokens):
                self.backend.put({LAST_REVOCATION: str(this).encode()}, MARKER_SECONDS)
                return True
        except StoreUnavailable:
            pass  # as if it had refused the tombstones
        self.raise_epoch(session)
        return False

    def raise_epoch(self, session: Session) -> None:
        """Make every copy stale, in the transaction that needs it."""
        session.execute(update(HotEpochRow).values(epoch=HotEpochRow.epoch + 1))

    def leap(self, session: Session) -> None:
        """Beyond every epoch that there was after a dump of the database was made: those copies are no one's."""
        session.execute(update(HotEpochRow).values(epoch=HotEpochRow.epoch + LEAP))

    def forget(self) -> None:
        """The next look reads the epoch anew: after this process raised it itself."""
        self.read_at = float("-inf")

    def current_epoch(self) -> int:
        if self.monotonic() - self.read_at >= EPOCH_SECONDS:
            asked_at = self.monotonic()
            with self.db.read() as session:
                row = session.scalars(select(HotEpochRow)).one()
                self.epoch, self.last_revocation = row.epoch, row.last_revocation
            self.read_at = asked_at
        return self.epoch

    def is_current(self, incarnation: str, marker: int | None, epoch: int) -> bool:
        """Whether the store is the one this process knows; if not, the epoch is raised for everybody.

        ``marker`` is the epoch that the store knows; None if it knows none, or was put back to an earlier time.
        """
        if incarnation == self.incarnation and marker == epoch:
            return True
        if incarnation == self.incarnation and marker is not None and marker > epoch:
            self.forget()  # another process has raised it within the last second
        elif self.renewing.acquire(blocking=False):
            try:
                self.renew(incarnation, raising=incarnation != self.incarnation or marker is None)
            finally:
                self.renewing.release()
        return False

    def renew(self, incarnation: str, *, raising: bool) -> None:
        if raising:
            try:
                with self.db.write() as session:
                    self.raise_epoch(session)
            except Unavailable:
                return  # a database that can only be read still decides
        self.forget()
        marks = {MARKER: str(self.current_epoch()).encode()}
        if raising:  # else the store's own must stay: it may tell that the store was put back meanwhile
            marks[LAST_REVOCATION] = str(self.last_revocation).encode()
        try:
            self.backend.put(marks, MARKER_SECONDS)
        except StoreUnavailable:
            return
        self.incarnation = incarnation


def number(text: bytes | None) -> int | None:
    """An epoch or a revocation that the store knows; None if it knows none, or what it has was not written by us."""
    return int(text) if text is not None and text.isdigit() and len(text) <= MOST_DIGITS else None
