"""The database: there, at this version's schema, in time, its trail sealed."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import func, select, text
from sqlalchemy.engine import make_url

from authz.audit.event import EventName
from authz.audit.exporter import BEHIND, BEYOND
from authz.audit.model import AuditEventRow, AuditSealRow
from authz.concurrency import most_connections, threads, workers
from authz.doctor.cause import in_full
from authz.doctor.finding import Finding
from authz.doctor.outside import CLOCK_SECONDS
from authz.errors import Unavailable
from authz.keyring.files import mode_problem
from authz.settings import LOOPBACK_HOSTS
from authz.storage import revisions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.engine import URL
    from sqlalchemy.orm import Session

    from authz.audit.exporter import Exporter
    from authz.services import Services
    from authz.settings import Settings

SEALED_WITHIN = timedelta(seconds=60)
LATELY = timedelta(days=7)  # what was found and mended by itself meanwhile, somebody should know of
ENCRYPTED = frozenset({"require", "verify-ca", "verify-full"})
WRITES = frozenset({"read-write", "primary"})
ABOUT, TRAIL = "database", "audit trail"
CONNECTIONS = text(
    "SELECT least(limits.server, nullif(role.rolconnlimit, -1), nullif(base.datconnlimit, -1))"
    " FROM (SELECT sum(CASE name WHEN 'max_connections' THEN setting::int ELSE -setting::int END) AS server"
    "  FROM pg_settings WHERE name IN ('max_connections', 'superuser_reserved_connections', 'reserved_connections')"
    " ) AS limits, pg_roles AS role, pg_database AS base"
    " WHERE role.rolname = current_user AND base.datname = current_database()"
)
MAY_CHANGE_THE_TRAIL = text(
    "SELECT has_table_privilege('audit_event', 'UPDATE') OR has_table_privilege('audit_event', 'DELETE')"
)


def schema(made: Services) -> Iterator[Finding]:
    """Nothing else can be asked of a database that this finds something about."""
    try:
        found = revisions.misfit(made.db.engine)
    except Unavailable as problem:
        yield Finding("database.unreachable", ABOUT, in_full(problem))
        return
    if found:
        yield Finding("database.revision", ABOUT, found)


def address(settings: Settings) -> Iterator[Finding]:
    url = make_url(settings.database_url)
    if url.get_backend_name() != "postgresql":
        yield from readable(url.database or "")
        return
    hosts = named_hosts(url)
    elsewhere = [host for host in hosts if host not in LOOPBACK_HOSTS and not host.startswith("/")]
    if elsewhere and url.query.get("sslmode") not in ENCRYPTED:
        yield Finding("database.plain", ABOUT, f"{elsewhere[0]} is another machine, and database_url has no sslmode")
    if len(hosts) > 1 and url.query.get("target_session_attrs") not in WRITES:
        yield Finding("database.any_host", ABOUT, f"database_url names {len(hosts)} hosts, and not which one is meant")


def readable(name: str) -> Iterator[Finding]:
    """A file of SQLite, or of its journal, that others than its owner and its group may read."""
    for path in (Path(name), Path(f"{name}-wal")):
        problem = mode_problem(path) if path.is_file() else None
        if problem is not None:
            yield Finding("database.readable", ABOUT, problem)
            return


def named_hosts(url: URL) -> list[str]:
    """Of one or several hosts, as libpq reads ``host=a:5432&host=b`` and ``host=a,b``."""
    several = url.query.get("host", ())
    listed = [several] if isinstance(several, str) else list(several)
    each = [part.rpartition(":")[0] or part for text in listed for part in text.split(",")]
    return [host for host in (url.host, *each) if host]


def database(made: Services) -> Iterator[Finding]:
    yield from address(made.settings)
    with made.db.read() as session:
        if session.get_bind().dialect.name == "postgresql":
            yield from postgresql(made, session)
    yield from trail(made)


def postgresql(made: Services, session: Session) -> Iterator[Finding]:
    apart = abs((session.execute(text("SELECT clock_timestamp()")).scalar_one() - made.now()).total_seconds())
    if apart > CLOCK_SECONDS:
        yield Finding("database.clock", ABOUT, f"its clock and this machine's are {apart:.0f} s apart")
    if session.execute(MAY_CHANGE_THE_TRAIL).scalar_one():
        user = session.execute(text("SELECT current_user")).scalar_one()
        yield Finding("database.owner", ABOUT, f"{user} could change or delete what is on the audit trail")
    needed, given = most_connections(), session.execute(CONNECTIONS).scalar_one()
    if needed > given:
        told = f"it gives {given} connections, and {workers()} workers of {threads()} threads may take {needed}"
        yield Finding("database.connections", ABOUT, told)


def trail(made: Services) -> Iterator[Finding]:
    yield from sealed(made)
    if made.exporter is not None:
        yield from exported(made, made.exporter)


def exported(made: Services, exporter: Exporter) -> Iterator[Finding]:
    behind = exporter.behind_since()
    if behind is not None and made.now() - behind >= BEHIND:
        minutes = (made.now() - behind).total_seconds() / 60
        yield Finding("audit.export_behind", TRAIL, f"the second system has taken nothing for {minutes:.0f} minutes")
    found = exporter.progress()
    if found.is_beyond:
        told = f"its export is marked as told up to record {found.mark}, of {found.newest}"
        yield Finding("audit.export_mark", TRAIL, told)
        return
    with made.db.read() as session:
        beyond = (AuditEventRow.event == EventName.AUDIT_EXPORTED.value, AuditEventRow.reason == BEYOND)
        lately = select(func.max(AuditEventRow.at)).where(*beyond, AuditEventRow.at > made.now() - LATELY)
        at = session.scalar(lately)
    if at is not None:
        told = f"its export was marked as told beyond the newest record; this was found at {at:%Y-%m-%d %H:%M} UTC"
        yield Finding("audit.export_mark", TRAIL, told)


def sealed(made: Services) -> Iterator[Finding]:
    with made.db.read() as session:
        old = select(AuditEventRow).where(AuditEventRow.at < made.now() - SEALED_WITHIN)
        newest = session.scalars(old.order_by(AuditEventRow.at.desc()).limit(1)).first()
        if newest is None:
            return
        seal = session.scalars(select(AuditSealRow).where(AuditSealRow.event_id == newest.id)).first()
        if seal is None:
            waited = (made.now() - newest.at).total_seconds()
            yield Finding("audit.unsealed", TRAIL, f"a record of {waited:.0f} s ago is not sealed")
