"""What every administrative command needs: the server's services, who acts, a secret from stdin."""

from __future__ import annotations

import os
import pwd
import sys
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from flask import Flask

from authz.audit.event import Event, EventName
from authz.errors import InvalidValue, NotFound
from authz.services import wire
from authz.settings import Settings
from authz.storage import revisions
from authz.storage.database import Database

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.orm import Session

    from authz.fhir_servers.registry import FhirServer
    from authz.services import Services

MIN_SECRET = 20
MIN_FOREIGN_SECRET = 12  # of another server's making, which is sent there and proves nothing here
MAX_SECRET = 256


@contextmanager
def services(*, of_any_schema: bool = False) -> Iterator[Services]:
    """A server's parts with these settings; nothing that serves anybody is imported, so a command starts quickly.

    ``of_any_schema``: for whoever only looks. Raises InvalidValue where this version may not touch the database.
    """
    settings = Settings.load()
    app, db = Flask("authz"), Database()
    db.init_app(app, settings.database_url)
    made = wire(settings, db, lambda: datetime.now(UTC))
    with app.app_context():
        try:
            problem = None if of_any_schema else revisions.misfit(db.engine)
            if problem:
                raise InvalidValue(problem)
            yield made
        finally:
            db.engine.dispose()
            made.backend.close()


def record(made: Services, session: Session, event: EventName, reason: str, **about: Any) -> None:
    """Write an administrator's change to the audit trail, in the transaction that makes it.

    ``about`` are members of Event; a ``detail`` gets the operator's name besides.
    """
    detail = {"operator": operator(), **about.pop("detail", {})}
    made.trail.record(session, Event(event, reason=reason, role="operator", detail=detail, **about))


def operator() -> str:
    """Whose process this is, by the system's word."""
    uid = os.getuid()
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:  # usual in a container
        return f"uid {uid}"


def secret_from_stdin(least: int = MIN_SECRET) -> str:
    """A secret made elsewhere: the first line of stdin. Raises InvalidValue for one that is easily guessed."""
    secret = first_line()
    if not least <= len(secret) <= MAX_SECRET or not (secret.isascii() and secret.isprintable()):
        raise InvalidValue(f"a secret is {least} to {MAX_SECRET} printable ASCII characters")
    return secret


def first_line() -> str:
    try:
        return sys.stdin.readline().rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise InvalidValue("what comes by stdin must be UTF-8") from error


def the_fhir_server(made: Services, name: str | None) -> FhirServer:
    """The FHIR server named, or the only one there is. Raises NotFound and InvalidValue."""
    if name is not None:
        server = made.fhir_servers.get(name)
        if server is None:
            raise NotFound(f"{name}: there is no FHIR server of this name")
        return server
    everyone = made.fhir_servers.all()
    if len(everyone) != 1:
        raise InvalidValue("say which FHIR server by --fhir-server")
    return everyone[0]


def replaced(values: tuple[str, ...]) -> tuple[str, ...]:
    """The values of an option given several times; one empty value clears the list."""
    return () if values == ("",) else values
