"""What somebody who helps needs to see of an installation, in one file, without a secret and without a patient."""

from __future__ import annotations

import json
import os
import platform
import re
from dataclasses import fields
from datetime import timedelta
from importlib.metadata import distributions, version
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl
from zipfile import ZIP_DEFLATED, ZipFile

from sqlalchemy import func, select

from authz.audit.model import AuditEventRow
from authz.doctor.examine import examine
from authz.errors import Unavailable
from authz.keyring.model import SigningKeyRow
from authz.storage import revisions
from authz.storage.database import Base

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from authz.doctor.finding import Finding
    from authz.services import Services
    from authz.settings import Settings

LATELY = timedelta(days=1)
SECRET = re.compile(r"token|secret|password")
HIDDEN = "***"
KNOWN_TO_ALL = frozenset({"issuer"})
ON_THE_WEB = frozenset({"https", "http"})
IN_WORDS = re.compile(r"(?<![a-z0-9+.-])[a-z][a-z0-9+.-]{0,31}://\S+")  # an address within a sentence
FACTS = re.compile(r"redis_version|maxmemory\w*|used_memory|connected_clients|role|aof_enabled|uptime_in_seconds")


def write(made: Services, file: Path) -> list[str]:
    """Make the file, for the eyes of its owner only; the names of its parts. A part that can't be asked says why."""
    parts: dict[str, Callable[[Services], Any]] = {
        "about": about,
        "settings": lambda own: {field.name: shown(own.settings, field.name) for field in fields(own.settings)},
        "findings": lambda own: [finding(one) for one in examine(own)],
        "database": database,
        "store": store,
        "keys": keys,
        "events": events,
    }
    opened = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(opened, "wb") as stream, ZipFile(stream, "w", ZIP_DEFLATED) as bundle:
        for name, part in parts.items():
            bundle.writestr(f"{name}.json", json.dumps(asked(part, made), indent=1, default=str))
    return list(parts)


def asked(part: Callable[[Services], Any], made: Services) -> Any:
    try:
        return part(made)
    except Unavailable as problem:
        return {"unavailable": str(problem)}


def about(made: Services) -> dict[str, Any]:
    packages = {found.metadata["Name"]: found.version for found in distributions()}
    return {
        "version": version("authz"),
        "python": platform.python_version(),
        "system": platform.platform(),
        "time": made.now().isoformat(),
        "packages": dict(sorted(packages.items())),
    }


def shown(settings: Settings, name: str) -> str:
    """A setting: whether it is there if it is a secret, an address without what may open it."""
    text = str(getattr(settings, name))
    if SECRET.search(name) and isinstance(getattr(settings, name), str):
        return "set" if text else ""
    return text if name in KNOWN_TO_ALL or "://" not in text else address(text)


def finding(one: Finding) -> dict[str, str]:
    """What the doctor says, each address in it as those of the settings are told."""
    return {name: IN_WORDS.sub(lambda found: address(found[0]), text) for name, text in one.as_dict().items()}


def address(text: str) -> str:
    """Without who opens it and what it is asked for; on the web without its path, which may be a key.

    A password may hold any sign but ``@``, as SQLAlchemy reads it, so no parser of URLs is asked where it ends.
    """
    scheme, _, rest = text.partition("://")
    who, at, place = rest.rpartition("@")
    if "@" in who:
        return f"{scheme}://{HIDDEN}"
    place, mark, query = place.partition("#")[0].partition("?")
    host, slash, path = place.partition("/")
    if scheme in ON_THE_WEB and path:
        place = f"{host}{slash}{HIDDEN}"
    names = "&".join(f"{asked}={HIDDEN}" for asked, _ in parse_qsl(query, keep_blank_values=True))
    return f"{scheme}://{HIDDEN + at if at else ''}{place}{mark}{names}"


def database(made: Services) -> dict[str, Any]:
    with made.db.read() as session:
        tables = sorted(Base.metadata.tables.values(), key=lambda table: table.name)
        rows = {table.name: session.scalar(select(func.count()).select_from(table)) for table in tables}
        dialect = session.get_bind().dialect
    revision = {"revision": revisions.current(made.db.engine), "newest": revisions.newest()}
    return {"kind": dialect.name, "version": dialect.server_version_info, **revision, "rows": rows}


def store(made: Services) -> dict[str, Any]:
    made.backend.ping()
    facts = {name: value for name, value in made.backend.facts().items() if FACTS.fullmatch(name)}
    return {"problems": made.backend.problems(), "facts": facts}


def keys(made: Services) -> list[dict[str, Any]]:
    with made.db.read() as session:
        rows = session.scalars(select(SigningKeyRow).order_by(SigningKeyRow.created_at)).all()
    return [
        {name: getattr(row, name) for name in ("kid", "alg", "state", "created_at", "activated_at")} for row in rows
    ]


def events(made: Services) -> list[dict[str, Any]]:
    """How often what happened in the last day; of whom is not told."""
    what = (AuditEventRow.event, AuditEventRow.outcome, AuditEventRow.reason)
    lately = select(*what, func.count().label("number")).where(AuditEventRow.at > made.now() - LATELY).group_by(*what)
    with made.db.read() as session:
        return [dict(row._mapping) for row in session.execute(lately.order_by(*what))]  # noqa: SLF001  SQLAlchemy's name
