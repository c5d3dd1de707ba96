"""The server under faults: gunicorn, its dependencies behind proxies, and a look at its database past them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import create_engine, func, select
from sqlalchemy.engine import make_url
from sqlalchemy.pool import NullPool

from authz.app import create_app
from authz.audit.model import AuditEventRow
from authz.clients.metadata import ClientMetadata
from authz.clients.registry import HospitalDecisions
from authz.tokens.model import AccessTokenRow, GrantRow, RefreshTokenRow
from tests.attacks.live.cast import BULK
from tests.attacks.live.jose import Keys
from tests.attacks.live.wire import children
from tests.faults.ledger import TokenFacts, Truth, Use
from tests.faults.proxy import proxy_to
from tests.live import ROOT, START_SECONDS, environment, is_ready
from tests.servers import free_port, wait_until
from tests.world import FHIR, OTHER_FHIR, install, populate, settings_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flask import Flask
    from sqlalchemy import Engine, Row

    from authz.settings import Settings
    from tests.faults.proxy import Proxy
    from tests.servers import PostgresServer, RedisServer

COMMAND = [  # as a script: by ``python -m`` it could not run itself again (USR2)
    str(Path(sys.executable).with_name("gunicorn")),
    "-c",
    "config/gunicorn.conf.py",
    "tests.faults.served:app",
]
LOOKS = 32
FORESEEN = frozenset({"gunicorn.error", "authz.audit.trail", "authz.storage.timed"})
OTHERS = (  # every connection but one's own
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
)
ISSUES = ("token.issued", "token.refreshed")


@dataclass
class Site:
    settings: Settings
    app: Flask
    engine: Engine
    log: Path
    keys: Keys
    process: subprocess.Popen[bytes]
    redis: Proxy | None = None
    database: Proxy | None = None
    kills: int = field(default=0)

    @property
    def issuer(self) -> str:
        return self.settings.issuer

    @property
    def workers(self) -> list[int]:
        return children(self.process.pid)

    def kill_worker(self, pid: int, number: signal.Signals = signal.SIGKILL) -> None:
        os.kill(pid, number)
        self.kills += 1

    def is_healthy(self) -> bool:
        """Asked often and several at once, so that each worker is among those that answer."""
        with ThreadPoolExecutor(LOOKS // 4) as pool:
            return all(pool.map(lambda _: is_ready(self.process, self.issuer, self.log), range(LOOKS)))

    def seconds_to_heal(self) -> float:
        begun = time.monotonic()
        wait_until(self.is_healthy, "the server to be healthy again", 30)
        return time.monotonic() - begun

    def use(self) -> Use:
        found = [status(pid) for pid in self.workers]
        descriptors = sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in self.workers)
        memory, threads = sum(each["VmRSS"] for each in found), sum(each["Threads"] for each in found)
        return Use(memory, descriptors, threads, self.database_connections())

    def database_connections(self) -> int:
        if self.engine.dialect.name != "postgresql":
            return 0
        with self.engine.connect() as rows:
            found: int = rows.exec_driver_sql("SELECT count(*) FROM pg_stat_activity").scalar_one()
            return found

    def truth(self) -> Truth:
        """What the database holds now."""
        live = (
            RefreshTokenRow.used_at.is_(None),
            RefreshTokenRow.revoked_at.is_(None),
            GrantRow.revoked_at.is_(None),
            GrantRow.id == RefreshTokenRow.grant_id,
        )
        with self.engine.connect() as rows:
            tokens = rows.execute(select(AccessTokenRow.digest, AccessTokenRow.jti, AccessTokenRow.grant_id)).all()
            grants = rows.execute(
                select(GrantRow.id, GrantRow.client_id, GrantRow.context, GrantRow.fhir_server, GrantRow.fhir_user)
            ).all()
            recorded = rows.scalars(select(AuditEventRow.token_id).where(AuditEventRow.event.in_(ISSUES))).all()
            refresh = rows.execute(select(GrantRow.id, func.count()).where(*live).group_by(GrantRow.id)).all()
        return Truth(
            tuple(TokenFacts(*row) for row in tokens),
            {row.id: granted(row) for row in grants},
            tuple(token_id for token_id in recorded if token_id is not None),
            {row[0]: row[1] for row in refresh},
        )

    def errors(self) -> list[str]:
        """What nobody foresaw; gunicorn tells of workers that were killed, the trail and the store of what they could
        not keep.
        """
        lines = map(json.loads, self.log.read_text(errors="replace").splitlines())
        return [str(line) for line in lines if line["level"] == "ERROR" and line["logger"] not in FORESEEN]


def granted(row: Row[Any]) -> dict[str, Any]:
    """What a grant allows to whom, in the names of the answer to an introspection."""
    return {
        "client_id": row.client_id,
        "patient": row.context.get("patient"),
        "aud": {"main": FHIR, "other": OTHER_FHIR}[row.fhir_server],
        "fhirUser": row.fhir_user,
    }


def status(pid: int) -> dict[str, int]:
    """Of /proc: VmRSS in kB and Threads."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    pairs = (line.split(":", 1) for line in lines)
    return {name: int(value.split()[0]) for name, value in pairs if name in {"VmRSS", "Threads"}}


def through(url: str, proxy: Proxy) -> str:
    """The same address, by way of the proxy."""
    return make_url(url).set(host="127.0.0.1", port=proxy.port).render_as_string(hide_password=False)


@contextmanager
def site(
    folder: Path,
    postgres: PostgresServer | None = None,
    redis: RedisServer | None = None,
    log: Path | None = None,
    **variables: Any,
) -> Iterator[Site]:
    """Run the server, on SQLite where there is no server for it; ``variables`` go to its environment."""
    port = free_port()
    urls = {"issuer": f"http://127.0.0.1:{port}"}
    if postgres is not None:
        urls["database_url"] = postgres.new_database()
    if redis is not None:
        urls["redis_url"] = redis.url
    settings = settings_in(folder, **urls)
    keys = Keys()
    is_populated = install(settings, datetime.now(UTC))
    app = create_app(settings)
    if not is_populated:
        populate(app)
    register_service(app, keys)
    engine = create_engine(settings.database_url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    variables = environment(settings, port) | {name: str(value) for name, value in variables.items()}
    log = log or folder / "gunicorn.log"
    log.write_bytes(b"")
    with proxies(postgres, redis, variables) as (database, store), log.open("ab") as output:
        process = subprocess.Popen(COMMAND, cwd=ROOT, env=variables, stdout=output, stderr=output)
        made = Site(settings, app, engine, log, keys, process, store, database)
        try:
            wait_until(lambda: is_ready(process, settings.issuer, log), "gunicorn", START_SECONDS)
            wait_until(made.is_healthy, "both workers", START_SECONDS)
            yield made
        finally:
            made.process.terminate()
            made.process.wait(START_SECONDS)
            app.extensions["authz"].backend.close()
            engine.dispose()


@contextmanager
def proxies(
    postgres: PostgresServer | None, redis: RedisServer | None, variables: dict[str, str]
) -> Iterator[tuple[Proxy | None, Proxy | None]]:
    """In front of what there is; the environment is told of them."""
    if postgres is None or redis is None:
        yield None, None
        return
    with proxy_to(postgres.port) as database, proxy_to(redis.port) as store:
        variables["AUTHZ_DATABASE_URL"] = through(variables["AUTHZ_DATABASE_URL"], database)
        variables["AUTHZ_REDIS_URL"] = through(variables["AUTHZ_REDIS_URL"], store)
        yield database, store


def register_service(app: Flask, keys: Keys) -> None:
    """A backend service that proves itself by a key."""
    made = app.extensions["authz"]
    metadata = ClientMetadata.load({**BULK, "jwks": {"keys": keys.public()}})
    with app.app_context():
        with made.db.write() as session:
            made.clients.add(session, metadata, HospitalDecisions(("main",)), "bulk", None)
        made.db.engine.dispose()
