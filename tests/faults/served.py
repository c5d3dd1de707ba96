"""What gunicorn loads for the fault campaigns: ``wsgi.py``, and it dies where ``FAILPOINT`` says (R-13).

``FAILPOINT=name:probability``: the worker ends as by SIGKILL there, in that share of the token requests. Nothing of it
is in the product: the places are found by what SQLAlchemy reports. ``FAULT_CLOCK`` names the file of a clock that the
test moves (R-15, R-16). ``FAULT_ISOLATION``: the isolation level of every transaction, not the one asked for (R-12).
"""

from __future__ import annotations

import os
import random
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Engine, event
from sqlalchemy.orm import Session

from authz.app import create_app
from authz.clock import SteadyClock
from authz.storage import witness
from tests.attacks.live.clock import SharedClock
from wsgi import app

if TYPE_CHECKING:
    from flask import Flask
    from sqlalchemy import Connection

__all__ = ["app"]

KILLED = 137
ISSUED = "an access token is in this transaction"
CLAIMS = ("UPDATE authorization_code SET used_at", "UPDATE refresh_token SET used_at")
INSERT, RECORD = "INSERT INTO access_token", "INSERT INTO audit_event"


@dataclass(frozen=True)
class Failpoint:
    name: str
    probability: float

    def die(self, where: str) -> None:
        if where == self.name and random.SystemRandom().random() < self.probability:
            os._exit(KILLED)

    def after_statement(self, connection: Connection, _cursor: object, statement: str, *_more: object) -> None:
        if statement.startswith(CLAIMS):
            self.die("after-claim")
        if statement.startswith(INSERT):
            connection.info[ISSUED] = True
            self.die("after-insert")
        if statement.startswith(RECORD) and connection.info.get(ISSUED):
            self.die("after-audit")

    def before_commit(self, connection: Connection) -> None:
        if connection.info.pop(ISSUED, False):
            self.die("before-commit")

    def forget(self, connection: Connection) -> None:
        connection.info.pop(ISSUED, None)

    def before_session_commit(self, session: Session) -> None:
        session.info[ISSUED] = session.connection().info.get(ISSUED, False)

    def after_commit(self, session: Session) -> None:
        if session.info.pop(ISSUED, False):
            self.die("after-commit")

    def install(self) -> None:
        event.listen(Engine, "after_cursor_execute", self.after_statement)
        event.listen(Engine, "commit", self.before_commit)
        event.listen(Engine, "rollback", self.forget)
        event.listen(Session, "before_commit", self.before_session_commit)
        event.listen(Session, "after_commit", self.after_commit)


def follow(clock: SharedClock) -> Flask:
    """The app with the machine's clock in the test's hands."""
    witness.seconds_ahead = lambda *_: 0.0  # it may be an hour ahead of the database's
    made = create_app(app.extensions["authz"].settings, now=SteadyClock(lambda: clock().timestamp()))
    for keys in (made.extensions["authz"].keyring, made.extensions["authz"].launch_keys):
        keys.monotonic = clock.monotonic  # they are read again once a minute
    return made


def isolate(connection: Any, _record: object) -> None:
    """Of a new connection to PostgreSQL."""
    level = os.environ["FAULT_ISOLATION"]
    with connection.cursor() as cursor:
        cursor.execute(f"SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL {level}")
    connection.commit()


if "FAULT_ISOLATION" in os.environ:
    event.listen(Engine, "connect", isolate)
if "FAULT_CLOCK" in os.environ:
    app = follow(SharedClock(Path(os.environ["FAULT_CLOCK"])))
if "FAILPOINT" in os.environ:
    where, _, share = os.environ["FAILPOINT"].partition(":")
    Failpoint(where, float(share)).install()
