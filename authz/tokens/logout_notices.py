"""Tells apps that a session has ended (OpenID Connect Back-Channel Logout 1.0).

What is to be told is a row, written in the transaction that ends the session; so a crash forgets nothing. A background
thread sends it, at most five times within three quarters of an hour; of several processes one sends each.
"""

from __future__ import annotations

import logging
import secrets
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from sqlalchemy import select, update

from authz.audit.event import Event, EventName
from authz.clients.model import ClientRow
from authz.errors import Unavailable
from authz.outbound import FetchFailed
from authz.scopes import ScopeSet
from authz.storage.database import changed, insert_once
from authz.storage.records import digest
from authz.tokens.model import GrantRow, LogoutNoticeRow

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable
    from datetime import datetime

    from sqlalchemy import ColumnElement
    from sqlalchemy.orm import Session

    from authz.audit.trail import Trail
    from authz.keyring.signing import Keyring
    from authz.outbound import Outbound
    from authz.storage.database import Database

log = logging.getLogger(__name__)
EVENT = "http://schemas.openid.net/event/backchannel-logout"
TYP = "logout+jwt"
TOKEN_SECONDS = 120
PAUSE_SECONDS = 1.0
BATCH = 20
AT_ONCE = 10
LEASE = timedelta(minutes=1)  # longer than a batch can take; after it whoever claimed the rows is taken for dead
DELAYS = (timedelta(seconds=10), timedelta(minutes=1), timedelta(minutes=10), timedelta(minutes=30))
ACCEPTED = frozenset({200, 204})
SERVER_ERROR = 500


class State(StrEnum):
    WAITING = "waiting"
    TOLD = "told"
    REFUSED = "refused"  # by the app, or its address may not be called
    GIVEN_UP = "given_up"


class Result(StrEnum):
    """What came of one attempt."""

    TOLD = "told"
    REFUSED = "refused"
    TRY_AGAIN = "try_again"


@dataclass(frozen=True, slots=True)
class Notice:
    id: str
    client_id: str
    sub: str
    sid: str
    attempts: int  # this one included
    url: str | None  # None: the app wants to hear nothing any more


@dataclass(frozen=True, slots=True)
class LogoutNotices:
    db: Database
    now: Callable[[], datetime]
    issuer: str
    keyring: Keyring
    outbound: Outbound
    trail: Trail

    def write(self, session: Session, of_session: ColumnElement[bool]) -> None:
        """Note whom to tell: each app that got an id_token in the session and has registered where to tell it."""
        grants = session.scalars(
            select(GrantRow)
            .join(ClientRow, ClientRow.client_id == GrantRow.client_id)
            .where(of_session, GrantRow.sub.is_not(None), GrantRow.sid.is_not(None), ClientRow.enabled)
        )
        for grant in grants:
            client = session.get(ClientRow, grant.client_id)
            if client is None or not client.logout.get("backchannel_logout_uri"):
                continue
            if "openid" in ScopeSet.parse(grant.scope):
                self.write_one(session, grant)

    def write_one(self, session: Session, grant: GrantRow) -> None:
        now = self.now()
        insert_once(
            session,
            LogoutNoticeRow,
            id=digest(f"{grant.client_id}\0{grant.sid}"),
            client_id=grant.client_id,
            sub=grant.sub,
            sid=grant.sid,
            state=State.WAITING.value,
            attempts=0,
            created_at=now,
            next_at=now,
        )

    def run(self, stop: threading.Event) -> None:
        """Send what is due until told to stop; a database that is away is tried again."""
        while not stop.wait(PAUSE_SECONDS):
            try:
                while self.send_due() == BATCH:
                    pass
            except Unavailable:
                log.warning("logout notices could not be sent; trying again")

    def send_due(self) -> int:
        """Send what is due, several at once, at most twenty; returns how many."""
        claimed = self.claim()
        if claimed:
            with ThreadPoolExecutor(AT_ONCE) as pool:  # its threads have no database
                results = list(pool.map(self.send, claimed))
            with self.db.write() as session:
                for notice, result in zip(claimed, results, strict=True):
                    self.settle(session, notice, result)
        return len(claimed)

    def claim(self) -> list[Notice]:
        """Take what is due for as long as the lease; of racing processes one gets each."""
        now = self.now()
        due = (LogoutNoticeRow.state == State.WAITING.value, LogoutNoticeRow.next_at <= now)
        with self.db.read() as session:
            if session.scalar(select(LogoutNoticeRow.id).where(*due).limit(1)) is None:
                return []
        claimed = []
        with self.db.write() as session:
            rows = session.scalars(select(LogoutNoticeRow).where(*due).order_by(LogoutNoticeRow.next_at).limit(BATCH))
            for row in rows.all():
                attempts = row.attempts + 1
                mine = update(LogoutNoticeRow).where(LogoutNoticeRow.id == row.id, *due)
                if changed(session, mine.values(attempts=attempts, next_at=now + LEASE)):
                    client = session.get(ClientRow, row.client_id)
                    url = client.logout.get("backchannel_logout_uri") if client is not None and client.enabled else None
                    claimed.append(Notice(row.id, row.client_id, row.sub, row.sid, attempts, url))
        return claimed

    def send(self, notice: Notice) -> Result:
        if notice.url is None:
            return Result.REFUSED
        body = urlencode({"logout_token": self.token(notice)}).encode()
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        try:
            answer = self.outbound.post(notice.url, body, headers=headers)
        except FetchFailed as failure:
            log.info("%s could not be told of a sign-out: %s", notice.client_id, failure)
            return Result.REFUSED if failure.refused else Result.TRY_AGAIN
        if answer.status in ACCEPTED:
            return Result.TOLD
        log.info("%s answered a logout token with status %d", notice.client_id, answer.status)
        return Result.TRY_AGAIN if answer.status >= SERVER_ERROR else Result.REFUSED

    def token(self, notice: Notice) -> str:
        """The logout token (§2.4): never with a nonce, so that it is no id_token."""
        issued_at = int(self.now().timestamp())
        claims = {
            "iss": self.issuer,
            "aud": notice.client_id,
            "iat": issued_at,
            "exp": issued_at + TOKEN_SECONDS,
            "jti": secrets.token_hex(16),
            "sub": notice.sub,
            "sid": notice.sid,
            "events": {EVENT: {}},
        }
        return self.keyring.sign(claims, TYP)

    def settle(self, session: Session, notice: Notice, result: Result) -> None:
        values: dict[str, object]
        if result is Result.TRY_AGAIN and notice.attempts <= len(DELAYS):
            values = {"next_at": self.now() + DELAYS[notice.attempts - 1]}
        else:
            state = State.GIVEN_UP if result is Result.TRY_AGAIN else State(result.value)
            values = {"state": state.value}
            told = state is State.TOLD
            self.trail.record(
                session,
                Event(
                    EventName.LOGOUT_NOTICE,
                    outcome="success" if told else "refused",
                    reason=state.value,
                    sub=notice.sub,
                    client_id=notice.client_id,
                    detail={"attempts": notice.attempts},
                ),
            )
        session.execute(update(LogoutNoticeRow).where(LogoutNoticeRow.id == notice.id).values(**values))
