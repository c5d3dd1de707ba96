"""This server as in production, but for the number of its workers: the figures are those of one core."""

from __future__ import annotations

import time
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from authz.app import create_app
from authz.clients.metadata import ClientMetadata
from authz.clients.registry import HospitalDecisions
from authz.keyring.secrets import rotate_file
from benchmarks.lanes import Lane
from benchmarks.own import APP_SCOPE, Asked
from benchmarks.process import pinned
from benchmarks.questions import LANES, SECRET, Server, key_set, signing
from benchmarks.running import Running, running
from tests.live import COMMAND, START_SECONDS, environment, is_ready
from tests.servers import free_port, postgres_server, redis_server, wait_until
from tests.world import CONFIDENTIAL, VETTED, populate, settings_in

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from flask import Flask

    from authz.settings import Settings

BACKEND = {"grant_types": ["client_credentials"], "scope": "system/*.rs"}
PATHS = {
    "introspect": "/introspect",
    "token": "/token",
    "audience": "/token",
    "jwks": "/jwks",
    "discovery": "/.well-known/openid-configuration",
}


def add_clients(app: Flask) -> None:
    """The clients that the peers have too, with the same credentials."""
    made = app.extensions["authz"]
    everywhere = HospitalDecisions(("main",))
    with app.app_context():
        with made.db.write() as session:
            add = made.clients.add
            of_the_app = ClientMetadata.load({**CONFIDENTIAL, "scope": APP_SCOPE})
            add(session, of_the_app, VETTED, client_id="app", secret=SECRET)
            for alg in ("ES384", "RS384"):
                keys = {"token_endpoint_auth_method": "private_key_jwt", "jwks": key_set(alg), **BACKEND}
                metadata = ClientMetadata.load({"client_name": alg, **keys})
                add(session, metadata, everywhere, client_id=f"bulk-{alg.lower()}")
        made.db.engine.dispose()
    made.backend.close()


def installed(folder: Path, database_url: str = "", redis_url: str = "") -> Settings:
    port = free_port()
    stores = {"database_url": database_url, "redis_url": redis_url}
    changes = {name: url for name, url in stores.items() if url}
    settings = settings_in(folder, issuer=f"http://127.0.0.1:{port}", **changes)
    rotate_file(settings.keys_dir / "secrets.json", datetime.now(UTC))
    app = create_app(settings)
    populate(app)
    add_clients(app)
    return settings


@contextmanager
def served(settings: Settings, folder: Path, workers: int = 1) -> Iterator[tuple[int, int, float]]:
    """The process, its port, and the seconds until it was ready."""
    log, port = folder / "gunicorn.log", int(settings.issuer.rpartition(":")[2])
    environ = environment(settings, port) | {"WEB_CONCURRENCY": str(workers), "AUTHZ_LOG_LEVEL": "INFO"}
    begun = time.perf_counter()
    with pinned(COMMAND, log, environ, cores=tuple(range(workers))) as process:
        wait_until(lambda: is_ready(process, settings.issuer, log), "gunicorn", START_SECONDS)
        yield process.pid, port, time.perf_counter() - begun


@contextmanager
def authz(folder: Path, database_url: str = "", redis_url: str = "") -> Iterator[Running]:
    settings = installed(folder, database_url, redis_url)
    with served(settings, folder) as (pid, port, started):
        yield prepared(settings.issuer, pid, port, started)


def prepared(issuer: str, pid: int, port: int, started: float) -> Running:
    asked = Asked.at(issuer)
    refresh_tokens = [asked.tokens()["refresh_token"] for _ in range(LANES)]
    server = Server(port, issuer, PATHS, asked.tokens()["access_token"], refresh_tokens, asked.mint)
    made = running(pid, started, server)
    made.lanes |= asked.lanes()
    # Decision 12: no secret is taken for a backend service; a key stands beside the secrets of the peers.
    made.lanes["client_credentials, secret"] = [Lane(signing(server, "ES384")) for _ in range(LANES)]
    return made


@contextmanager
def with_stores(folder: Path) -> Iterator[Running]:
    with ExitStack() as stack:
        database = stack.enter_context(postgres_server(is_durable=True)).url
        yield stack.enter_context(authz(folder, database, stack.enter_context(redis_server()).url))
