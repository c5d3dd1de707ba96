"""An installation like the demo, in this process, behind proxies that a test may make meddle."""

from __future__ import annotations

import json
import shutil
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest
from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.test import run_wsgi_app

from authz.app import create_app
from authz.settings import Settings
from demo.authorization_server import AuthorizationServer
from demo.config import FHIR_CREDENTIAL, DemoConfig
from demo.fhir_server import create_fhir_server
from demo.seed import seed
from tests.cli.conftest import Cli
from tests.hospital import four_free_ports
from tests.prepared import folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

    from flask import Flask

    from authz.services import Services


@dataclass
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    def put(self, **changes: Any) -> None:
        """Other members of the JSON object."""
        self.body = json.dumps({**self.json(), **changes}).encode()

    def lose(self, header: str) -> None:
        self.headers.pop(header, None)

    def become(self, status: int, body: bytes = b"{}") -> None:
        self.status, self.body = status, body


@dataclass
class Proxy:
    """Stands at a public address before an app; does nothing unless it is told to."""

    app: WSGIApplication
    before: Callable[[WSGIEnvironment], None] | None = None
    after: Callable[[str, Reply, WSGIEnvironment], None] | None = None
    seconds_ahead: float = 0  # its clock

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if self.before is not None:
            self.before(environ)
        pieces, status, headers = run_wsgi_app(self.app, environ, buffered=True)
        reply = Reply(int(status[:3]), {name.lower(): value for name, value in headers.items()}, b"".join(pieces))
        if self.after is not None:
            self.after(f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}", reply, environ)
        reply.headers.pop("content-length", None)
        start_response(f"{reply.status} x", [*reply.headers.items(), ("content-length", str(len(reply.body)))])
        return [reply.body]

    def rest(self) -> None:
        self.before = self.after = None


@dataclass
class Installation:
    """``issuer`` and ``fhir`` are the proxies at the two public addresses."""

    config: DemoConfig
    environ: dict[str, str]
    issuer: Proxy
    fhir: Proxy
    app: Flask
    extra: dict[str, str] = field(default_factory=dict)

    @property
    def services(self) -> Services:
        made: Services = self.app.extensions["authz"]
        return made

    def serve(self, **changes: str) -> None:
        """The server anew, with other settings, which the doctor has too."""
        self.extra = {f"AUTHZ_{name.upper()}": value for name, value in changes.items()}
        app = create_app(Settings.load(self.environ | self.extra))
        self.services.backend.close()
        self.issuer.app, self.app = app.wsgi_app, app

    def seal(self) -> None:
        with self.app.app_context():
            self.services.sealer.seal_once()

    def doctor(self) -> tuple[int, list[dict[str, str]]]:
        """Exit code and findings."""
        code, out, err = Cli(self.environ | self.extra).run("doctor", "--json")
        assert err == ""
        told = json.loads(out)
        assert set(told) == {"findings"}
        return code, told["findings"]

    def authz(self, *words: str) -> Any:
        return Cli(self.environ | self.extra)(*words)


class Handler(WSGIRequestHandler):
    def date_time_string(self, timestamp: float | None = None) -> str:
        ahead: float = getattr(self.server.app, "seconds_ahead", 0)
        return super().date_time_string((timestamp or time.time()) + ahead)


@contextmanager
def served(app: Proxy, port: int) -> Iterator[None]:
    server = make_server("127.0.0.1", port, app, threaded=True, request_handler=Handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def environment(config: DemoConfig) -> dict[str, str]:
    own = config.state_dir
    return {
        "AUTHZ_ISSUER": config.issuer,
        "AUTHZ_DATABASE_URL": f"sqlite:///{own / 'authz.sqlite3'}",
        "AUTHZ_SHORT_LIVED_PATH": str(own / "short-lived.sqlite3"),
        "AUTHZ_KEYS_DIR": str(own / "keys"),
        "AUTHZ_OUTBOUND_NETWORKS": "127.0.0.0/8",
    }


@cache
def seeded() -> DemoConfig:
    """The demo as it begins, on disk, made once for each process; its ports stand in the database."""
    config = DemoConfig(four_free_ports(), folder("doctor"))
    seed(Settings.load(environment(config)), config)
    return config


@contextmanager
def installation_in(own: Path) -> Iterator[Installation]:
    """A copy of ``seeded``, served at its ports: one at a time."""
    shutil.copytree(seeded().state_dir, own, dirs_exist_ok=True)
    config = replace(seeded(), state_dir=own)
    environ = environment(config)
    app = create_app(Settings.load(environ))
    fhir = create_fhir_server(config, AuthorizationServer(config), FHIR_CREDENTIAL, lambda: datetime.now(UTC))
    made = Installation(config, environ, Proxy(app.wsgi_app), Proxy(fhir.wsgi_app), app)
    with ExitStack() as stack:
        stack.enter_context(served(made.issuer, config.port_base))
        stack.enter_context(served(made.fhir, config.fhir_port))
        yield made
        with made.app.app_context():
            made.services.db.engine.dispose()
        made.services.backend.close()


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    with installation_in(tmp_path) as made:
        yield made
