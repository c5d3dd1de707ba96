"""What an EHR's back end learns of a handle that came to its window: whose it is, and what it may ask for.

The answer lies ready in the hot store like that of a token, under a key of its own, with the same tombstones and epoch;
SQL is the truth. Wherever anything does not fit the answer is "inactive" and nothing else.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from hmac import compare_digest
from typing import TYPE_CHECKING, Any

from sqlalchemy import select, update

from authz.scopes import ScopeSet, message_scope
from authz.storage.database import changed
from authz.storage.records import digest
from authz.tokens.handles import hot_key
from authz.tokens.introspection import INACTIVE
from authz.tokens.live_handles import live_handles
from authz.tokens.model import MessagingHandleRow
from authz.tokens.response import HotCopy

if TYPE_CHECKING:
    from collections.abc import Callable

    from authz.storage.database import Database
    from authz.tokens.hot import HotAnswers
    from authz.tokens.introspection import Caller
    from authz.tokens.live_handles import Description
    from authz.tokens.scan_alarm import ScanAlarm

log = logging.getLogger(__name__)
COPY_SECONDS = 60  # not as long as a token's: what the user and the app may is nothing that stays


@dataclass(frozen=True, slots=True)
class HandleQuestion:
    """A message as the EHR's window got it; what is left out is not checked, but a message comes from somewhere."""

    handle: str
    origin: str | None = None  # of the window that sent it, as the browser says
    message_type: str | None = None  # "ui.launchActivity"
    ehr_session: str | None = None  # of the window that got it
    window: str | None = None  # the EHR's own name for the window that sent it


@dataclass(frozen=True, slots=True)
class Known:
    """A live handle: its answer, the FHIR server it is for, and the window it is bound to."""

    answer: dict[str, Any]
    fhir_server: str  # name
    until: datetime  # this is remembered: then what the user and the app may is looked at again
    window: str | None  # digest
    ehr: str | None  # credential that made the launch; None: an operator, or written straight into Redis

    def fits(self, asked: HandleQuestion) -> bool:
        """Whether it may come from there, to there."""
        is_no_message = asked.origin is None and asked.message_type is None
        return (
            (is_no_message or asked.origin in self.answer["app_origins"])
            and (asked.ehr_session is None or same(asked.ehr_session, self.answer.get("ehr_session")))
            and (asked.window is None or self.window is None or same(digest(asked.window), self.window))
        )

    def copy(self, key: str) -> HotCopy:
        until = self.until.timestamp()
        content = {"until": until, "window": self.window, "ehr": self.ehr, "answer": self.answer}
        return HotCopy(hot_key(key), json.dumps(content, separators=(",", ":")).encode(), self.fhir_server, self.until)


@dataclass(frozen=True, slots=True)
class HandleCheck:
    db: Database
    now: Callable[[], datetime]
    description: Description
    hot: HotAnswers
    alarm: ScanAlarm

    def answer(self, asked: HandleQuestion, caller: Caller) -> bytes:
        """The JSON answer; ``allowed`` is in it if the question named a type of message.

        The first window that the EHR names binds the handle to it. Raises Unavailable, also while the hospital's own
        rules do not say: that ends nothing.
        """
        epoch = self.hot.current_epoch()  # before the row is read: a revocation in between leaves the copy stale
        key = digest(asked.handle)
        known = self.remembered(key, caller) or self.from_sql(key, caller, epoch)
        if known is None:
            self.alarm.missed(caller.name)
            return INACTIVE
        if not known.fits(asked) or not self.is_bound(key, asked.window, known, epoch):
            log.warning("a handle of %s came from another page, session or window", known.answer["client_id"])
            self.alarm.missed(caller.name)
            return INACTIVE
        body = known.answer
        if asked.message_type is not None:
            body = body | {"allowed": allows(body["scope"], asked.message_type)}
        return json.dumps(body, separators=(",", ":")).encode()

    def remembered(self, key: str, caller: Caller) -> Known | None:
        found = self.hot.find(hot_key(key))
        if found is None:
            return None
        content = json.loads(found[1])
        until = datetime.fromtimestamp(content["until"], UTC)
        known = Known(content["answer"], found[0], until, content["window"], content["ehr"])
        return known if may_ask(caller, known.fhir_server, known.ehr) else None

    def from_sql(self, key: str, caller: Caller, epoch: int) -> Known | None:
        with self.db.read() as session:
            row = session.execute(live_handles(self.now()).where(MessagingHandleRow.digest == key)).one_or_none()
        if row is None or not may_ask(caller, row.GrantRow.fhir_server, row.SpentLaunchRow.ehr):
            return None
        until = self.now() + timedelta(seconds=COPY_SECONDS)
        answer = self.description.of(row)
        if answer is None:
            return None
        handle = row.MessagingHandleRow
        until = min(handle.expires_at, until)
        known = Known(answer, row.GrantRow.fhir_server, until, handle.window_digest, row.SpentLaunchRow.ehr)
        self.hot.keep(known.copy(key), epoch)
        return known

    def is_bound(self, key: str, window: str | None, known: Known, epoch: int) -> bool:
        """Bind it to a window if it is bound to none. Of two that come at once one gets it; False for the other."""
        if window is None or known.window is not None:
            return True
        mine = digest(window)
        unbound = update(MessagingHandleRow).where(
            MessagingHandleRow.digest == key, MessagingHandleRow.window_digest.is_(None)
        )
        with self.db.write() as session:
            if not changed(session, unbound.values(window_digest=mine)):
                bound = session.scalar(select(MessagingHandleRow.window_digest).where(MessagingHandleRow.digest == key))
                if not same(mine, bound):
                    return False
        self.hot.keep(replace(known, window=mine).copy(key), epoch)
        return True


def may_ask(caller: Caller, fhir_server: str, ehr: str | None) -> bool:
    """Of several EHRs at one FHIR server each has the handles of its own launches."""
    is_theirs = caller.ehr is None or ehr is None or caller.ehr == ehr
    return is_theirs and caller.may_see(fhir_server)


def same(one: str, other: str | None) -> bool:
    return other is not None and compare_digest(one.encode(), other.encode())


def allows(scope: str, message_type: str) -> bool:
    """Whether these scopes allow such a message; to shake hands an active handle is enough."""
    wanted = message_scope(message_type)
    return wanted is not None and (wanted.group == "status" or ScopeSet.parse(scope).covers(wanted))
