"""The server as it is run in production: gunicorn, two workers of eight threads, populated like ``tests/world``."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Barrier
from typing import TYPE_CHECKING, TypeVar

import urllib3

from authz.app import create_app
from authz.storage.recent import A_SECOND
from tests.overheard import HEARD
from tests.servers import free_port, wait_until
from tests.transport import OverHttp
from tests.world import actors, install, populate, settings_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from concurrent.futures import ThreadPoolExecutor

    from flask import Flask

    from authz.settings import Settings
    from tests.actors import Ehr, FhirServer, SmartApp

T = TypeVar("T")
ROOT = Path(__file__).resolve().parent.parent
COMMAND = [sys.executable, "-m", "gunicorn", "-c", "config/gunicorn.conf.py", "wsgi:app"]
START_SECONDS = 60


@dataclass(frozen=True)
class Live:
    """A running server and its actors; ``app`` is a look at its database from this process."""

    app: Flask
    settings: Settings
    log: Path
    ehr: Ehr
    other_ehr: Ehr
    fhir_server: FhirServer
    other_fhir_server: FhirServer
    public: SmartApp
    confidential: SmartApp

    def change_fhir_server(self, **changes: object) -> None:
        """Change the FHIR server ``main`` from this process, as the CLI does; the server sees it within a second."""
        made = self.app.extensions["authz"]
        with self.app.app_context(), made.db.write() as session:
            made.fhir_servers.update(session, "main", changes)
        time.sleep(A_SECOND)


@contextmanager
def live_server(folder: Path, database_url: str = "", redis_url: str = "", **networks: str) -> Iterator[Live]:
    """Run the server on an empty database, SQLite and the SQLite store if no URL is given.

    ``networks``: trusted_proxies, outbound_networks, metrics_networks.
    """
    port = free_port()
    changes = {"issuer": f"http://127.0.0.1:{port}", **networks}
    if database_url:
        changes["database_url"] = database_url
    if redis_url:
        changes["redis_url"] = redis_url
    settings = settings_in(folder, **changes)
    is_populated = install(settings, datetime.now(UTC))
    app = create_app(settings)
    if not is_populated:
        populate(app)
    log = folder / "gunicorn.log"
    with log.open("wb") as output:
        process = subprocess.Popen(COMMAND, cwd=ROOT, env=environment(settings, port), stdout=output, stderr=output)
        try:
            wait_until(lambda: is_ready(process, settings.issuer, log), "gunicorn", START_SECONDS)
            yield Live(app, settings, log, **actors(OverHttp(settings.issuer)))  # type: ignore[arg-type]  # each name has its actor
        finally:
            process.terminate()
            process.wait(START_SECONDS)
            HEARD.check_file(log)
            app.extensions["authz"].backend.close()
            with app.app_context():
                app.extensions["authz"].db.engine.dispose()


def environment(settings: Settings, port: int) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AUTHZ_")}
    return {
        **kept,
        "AUTHZ_ISSUER": settings.issuer,
        "AUTHZ_DATABASE_URL": settings.database_url,
        "AUTHZ_REDIS_URL": settings.redis_url,
        "AUTHZ_SHORT_LIVED_PATH": str(settings.short_lived_path),
        "AUTHZ_KEYS_DIR": str(settings.keys_dir),
        "AUTHZ_TRUSTED_PROXIES": ",".join(map(str, settings.trusted_proxies)),
        "AUTHZ_OUTBOUND_NETWORKS": ",".join(map(str, settings.outbound_networks)),
        "AUTHZ_PEOPLE_PER_ADDRESS": str(settings.people_per_address),
        "AUTHZ_STRANGERS_MEGABYTES": str(settings.strangers_megabytes),
        "AUTHZ_METRICS_NETWORKS": ",".join(map(str, settings.metrics_networks)),
        "AUTHZ_LOG_LEVEL": "DEBUG",
        "BIND": f"127.0.0.1:{port}",
        "WEB_CONCURRENCY": "2",
        "WEB_THREADS": "8",
    }


def is_ready(process: subprocess.Popen[bytes], issuer: str, log: Path) -> bool:
    assert process.poll() is None, log.read_text()
    try:
        return urllib3.request("GET", f"{issuer}/readyz", retries=False, timeout=5).status == 200
    except urllib3.exceptions.HTTPError:
        return False


def at_once(jobs: Sequence[Callable[[], T]], pool: ThreadPoolExecutor) -> list[T]:
    """Run the jobs in as many threads, none before all are there; the answers in the order of the jobs."""
    barrier = Barrier(len(jobs), timeout=30)

    def run(job: Callable[[], T]) -> T:
        barrier.wait()
        return job()

    return list(pool.map(run, jobs))
