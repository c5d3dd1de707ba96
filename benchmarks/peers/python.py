"""Peers in Python: a stock gunicorn worker with eight threads, on a PostgreSQL of its own that syncs each commit."""

from __future__ import annotations

import json
import os
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import urllib3

from benchmarks.peers.node import minted
from benchmarks.process import pinned
from benchmarks.questions import CALLBACK, FHIR_SERVER, LANES, SECRET, Server
from benchmarks.running import Running, running, serves
from tests.live import ROOT, START_SECONDS
from tests.servers import free_port, postgres_server, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

CLIENTS = {
    FHIR_SERVER[0]: (FHIR_SERVER[1], ["client_credentials"]),
    "app": (SECRET, ["authorization_code", "refresh_token"]),
    "bulk-secret": (SECRET, ["client_credentials"]),
}
WORKER = ["-m", "gunicorn", "-k", "gthread", "-w", "1", "--threads", "8", "--preload"]


@dataclass(frozen=True)
class Peer:
    """``application`` as gunicorn names it; ``driver`` as the scheme of its database's URL.

    ``is_for_people``: it stands being asked for many tokens of one person at once.
    """

    application: str
    driver: str
    paths: Mapping[str, str]
    python: str = sys.executable
    is_for_people: bool = True

    @contextmanager
    def __call__(self, folder: Path) -> Iterator[Running]:
        port, log = free_port(), folder / "gunicorn.log"
        issuer = f"http://127.0.0.1:{port}"
        with postgres_server(is_durable=True) as database:
            url = self.driver + database.url[database.url.index("://") :]
            about = {"database_url": url, "issuer": issuer, "callback": CALLBACK, "clients": CLIENTS}
            environ = dict(os.environ) | {"PEER": json.dumps(about), "PYTHONPATH": str(ROOT)}
            begun = time.perf_counter()
            command = [self.python, *WORKER, "-b", f"127.0.0.1:{port}", self.application]
            with pinned(command, log, environ) as process:
                wait_until(lambda: serves(process, port, log, self.paths["jwks"]), self.application, START_SECONDS)
                started = time.perf_counter() - begun
                said = urllib3.request("GET", f"{issuer}/begin/{LANES}", timeout=30).json()
                server = Server(port, issuer, self.paths, said["token"], [], has_assertions=False)
                if self.is_for_people:
                    server = replace(server, refresh_tokens=said["refreshTokens"], mint=partial(minted, port))
                yield running(process.pid, started, server)


AUTHLIB = Peer(
    "benchmarks.peers.authlib_orm:app",
    "postgresql+psycopg",
    {
        "introspect": "/introspect",
        "token": "/token",
        "jwks": "/jwks",
        "discovery": "/.well-known/openid-configuration",
    },
)
DJANGO = Peer(
    "benchmarks.peers.django_toolkit:application",
    "postgresql",
    {
        "introspect": "/o/introspect/",
        "token": "/o/token/",
        "jwks": "/o/.well-known/jwks.json",
        "discovery": "/o/.well-known/openid-configuration",
    },
    str(ROOT / "build/peers/django/bin/python"),
)
CANAILLE = Peer(
    "benchmarks.peers.canaille_app:app",
    "postgresql+psycopg2",
    {
        "introspect": "/oauth/introspect",
        "token": "/oauth/token",
        "jwks": "/oauth/jwks.json",
        "discovery": "/.well-known/openid-configuration",
    },
    str(ROOT / "build/peers/canaille/bin/python"),
    is_for_people=False,
)
