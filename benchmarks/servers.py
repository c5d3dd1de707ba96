"""The servers that are compared: this one on each of its stores, its peers, and the floor."""

from __future__ import annotations

import shutil
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from benchmarks.floor import ANSWER
from benchmarks.lanes import Lane, Question
from benchmarks.peers.glewlwyd import glewlwyd
from benchmarks.peers.node import node_with_redis
from benchmarks.peers.python import AUTHLIB, CANAILLE, DJANGO
from benchmarks.process import pinned
from benchmarks.questions import LANES, always
from benchmarks.running import Running, serves
from benchmarks.this_server import authz, with_stores
from tests.live import START_SECONDS
from tests.servers import free_port, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

NODE, POSTGRES, SQLITE = "node oidc-provider, Redis", "authz, PostgreSQL + Redis", "authz, SQLite"
GLEWLWYD = "glewlwyd, PostgreSQL"
FLOOR_BARE, FLOOR_FLASK = "floor, bare", "floor, through Flask"
WORKER = [sys.executable, "-m", "gunicorn", "-k", "authz.worker.DeadlineWorker", "--threads", "8", "--preload"]


@contextmanager
def floor(folder: Path, name: str) -> Iterator[Running]:
    port, log = free_port(), folder / f"{name}.log"
    begun = time.perf_counter()
    with pinned([*WORKER, "-b", f"127.0.0.1:{port}", f"benchmarks.floor:{name}"], log) as process:
        wait_until(lambda: serves(process, port, log, "/"), "gunicorn", START_SECONDS)
        question = Question(f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode(), ANSWER)
        constant = {"constant": [Lane(always(question)) for _ in range(LANES)]}
        yield Running(process.pid, port, time.perf_counter() - begun, constant)


SERVERS: dict[str, Callable[[Path], AbstractContextManager[Running]]] = {
    NODE: node_with_redis,
    POSTGRES: with_stores,
    SQLITE: authz,
    "Authlib + ORM, PostgreSQL": AUTHLIB,
    "django-oauth-toolkit, PostgreSQL": DJANGO,
    "Canaille, PostgreSQL": CANAILLE,
    **({GLEWLWYD: glewlwyd} if shutil.which("glewlwyd") else {}),  # of Debian: no make target can install it
    FLOOR_BARE: lambda folder: floor(folder, "bare"),
    FLOOR_FLASK: lambda folder: floor(folder, "through_flask"),
}
