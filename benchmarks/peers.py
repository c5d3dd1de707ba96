"""The servers that are compared: this one on each of its stores, node-oidc-provider on Redis, and the floor."""

from __future__ import annotations

import json
import sys
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import urllib3

from authz.app import create_app
from authz.clients.metadata import ClientMetadata
from authz.clients.registry import HospitalDecisions
from authz.keyring.secrets import rotate_file
from benchmarks.floor import ANSWER
from benchmarks.lanes import Lane, Question
from benchmarks.process import pinned
from benchmarks.questions import FHIR_SERVER, LANES, OPERATIONS, SECRET, Server, always, key_set
from tests.live import COMMAND, ROOT, START_SECONDS, environment, is_ready
from tests.servers import free_port, postgres_server, redis_server, wait_until
from tests.transport import OverHttp
from tests.world import CONFIDENTIAL, VETTED, actors, populate, settings_in

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from flask import Flask

NODE, POSTGRES, SQLITE = "node oidc-provider, Redis", "authz, PostgreSQL + Redis", "authz, SQLite"
FLOOR_BARE, FLOOR_FLASK = "floor, bare", "floor, through Flask"
MODULES = ROOT / "build/peers/oidc-provider"
SCOPE = "launch patient/*.rs offline_access"
BACKEND = {"grant_types": ["client_credentials"], "scope": "system/*.rs"}
WORKER = [sys.executable, "-m", "gunicorn", "-k", "authz.worker.DeadlineWorker", "--threads", "8", "--preload"]


@dataclass
class Running:
    pid: int
    port: int
    start_seconds: float
    lanes: dict[str, list[Lane]] = field(default_factory=dict)


def lanes(server: Server) -> dict[str, list[Lane]]:
    return {name: [Lane(source) for source in sources(server)] for name, sources in OPERATIONS.items()}


def add_clients(app: Flask) -> None:
    """The clients that node-oidc-provider has too, with the same credentials."""
    made = app.extensions["authz"]
    everywhere = HospitalDecisions(("main",))
    with app.app_context():
        with made.db.write() as session:
            add = made.clients.add
            add(session, ClientMetadata.load(CONFIDENTIAL), VETTED, client_id="app", secret=SECRET)
            for alg in ("ES384", "RS384"):
                keys = {"token_endpoint_auth_method": "private_key_jwt", "jwks": key_set(alg), **BACKEND}
                metadata = ClientMetadata.load({"client_name": alg, **keys})
                add(session, metadata, everywhere, client_id=f"bulk-{alg.lower()}")
        made.db.engine.dispose()
    made.backend.close()


@contextmanager
def authz(folder: Path, database_url: str = "", redis_url: str = "") -> Iterator[Running]:
    """As in production, but with one worker: the figures are those of one core."""
    port = free_port()
    stores = {"database_url": database_url, "redis_url": redis_url}
    changes = {name: url for name, url in stores.items() if url}
    settings = settings_in(folder, issuer=f"http://127.0.0.1:{port}", **changes)
    rotate_file(settings.keys_dir / "secrets.json", datetime.now(UTC))
    app = create_app(settings)
    populate(app)
    add_clients(app)
    log = folder / "gunicorn.log"
    environ = environment(settings, port) | {"WEB_CONCURRENCY": "1", "AUTHZ_LOG_LEVEL": "INFO"}
    begun = time.perf_counter()
    with pinned(COMMAND, log, environ) as process:
        wait_until(lambda: is_ready(process, settings.issuer, log), "gunicorn", START_SECONDS)
        started = time.perf_counter() - begun
        who = actors(OverHttp(settings.issuer))
        ehr, app_ = who["ehr"], who["confidential"]
        app_.client_id, app_.secret = "app", SECRET

        def launched() -> dict[str, str]:
            launch = ehr.launch("app", "Practitioner/dr", patient="A")["launch"]  # type: ignore[union-attr]  # it is the EHR
            return app_.tokens(launch, SCOPE)  # type: ignore[union-attr]  # it is the app

        server = Server(
            port,
            settings.issuer,
            {
                "introspect": "/introspect",
                "token": "/token",
                "audience": "/token",
                "jwks": "/jwks",
                "discovery": "/.well-known/openid-configuration",
            },
            launched()["access_token"],
            [launched()["refresh_token"] for _ in range(LANES)],
        )
        yield Running(process.pid, port, started, lanes(server))


@contextmanager
def node(folder: Path, redis_url: str) -> Iterator[Running]:
    port, log = free_port(), folder / "node.log"
    nothing: dict[str, list[str]] = {"redirect_uris": [], "response_types": [], "grant_types": []}
    bulk = {**nothing, "grant_types": ["client_credentials"], "scope": "system/*.rs"}
    code = {"grant_types": ["authorization_code", "refresh_token"], "redirect_uris": ["https://app.example/cb"]}
    clients = [
        {"client_id": FHIR_SERVER[0], "client_secret": FHIR_SERVER[1], **nothing},
        {"client_id": "app", "client_secret": SECRET, **code},
        *(
            {
                "client_id": f"bulk-{alg.lower()}",
                "token_endpoint_auth_method": "private_key_jwt",
                "token_endpoint_auth_signing_alg": alg,
                "jwks": key_set(alg),
                **bulk,
            }
            for alg in ("ES384", "RS384")
        ),
    ]
    begun = time.perf_counter()
    script = MODULES / "server.mjs"
    with pinned(["node", str(script), str(port), redis_url, json.dumps(clients), str(LANES)], log) as process:
        wait_until(lambda: serves(process, port, log, "/jwks"), "node", START_SECONDS)
        started = time.perf_counter() - begun
        said = json.loads(next(line for line in log.read_text().splitlines() if line.startswith("{")))
        server = Server(
            port,
            f"http://127.0.0.1:{port}",
            {
                "introspect": "/token/introspection",
                "token": "/token",
                "audience": "",
                "jwks": "/jwks",
                "discovery": "/.well-known/openid-configuration",
            },
            said["token"],
            said["refreshTokens"],
        )
        yield Running(process.pid, port, started, lanes(server))


@contextmanager
def floor(folder: Path, name: str) -> Iterator[Running]:
    port, log = free_port(), folder / f"{name}.log"
    begun = time.perf_counter()
    with pinned([*WORKER, "-b", f"127.0.0.1:{port}", f"benchmarks.floor:{name}"], log) as process:
        wait_until(lambda: serves(process, port, log, "/"), "gunicorn", START_SECONDS)
        question = Question(f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode(), ANSWER)
        constant = {"constant": [Lane(always(question)) for _ in range(LANES)]}
        yield Running(process.pid, port, time.perf_counter() - begun, constant)


def serves(process: subprocess.Popen[bytes], port: int, log: Path, path: str) -> bool:
    assert process.poll() is None, log.read_text()
    try:
        answer = urllib3.request("GET", f"http://127.0.0.1:{port}{path}", retries=False, timeout=5)
    except urllib3.exceptions.HTTPError:
        return False
    return answer.status == 200


@contextmanager
def with_stores(folder: Path) -> Iterator[Running]:
    with ExitStack() as stack:
        database = stack.enter_context(postgres_server(is_durable=True)).url
        yield stack.enter_context(authz(folder, database, stack.enter_context(redis_server()).url))


@contextmanager
def node_with_redis(folder: Path) -> Iterator[Running]:
    with redis_server() as store, node(folder, store.url) as running:
        yield running


PEERS: dict[str, Callable[[Path], AbstractContextManager[Running]]] = {
    NODE: node_with_redis,
    POSTGRES: with_stores,
    SQLITE: authz,
    FLOOR_BARE: lambda folder: floor(folder, "bare"),
    FLOOR_FLASK: lambda folder: floor(folder, "through_flask"),
}
