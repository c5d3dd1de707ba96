"""gunicorn as this server needs it. Set by the environment: BIND, WEB_CONCURRENCY (workers), WEB_THREADS (of each)."""

from __future__ import annotations

import gc
import os
import resource
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

METRICS = "PROMETHEUS_MULTIPROC_DIR"
if f"-{os.getpid()}-" not in os.environ.get(METRICS, ""):  # a new server on SIGUSR2 has the variable of the old one
    os.environ[METRICS] = tempfile.mkdtemp(prefix=f"authz-metrics-{os.getpid()}-")

gc.disable()  # what is being loaded is no garbage, and looking for some again and again takes a fifth of the start
from prometheus_client.multiprocess import mark_process_dead  # noqa: E402  it reads the variable

from authz import concurrency  # noqa: E402  likewise
from authz.app import note_stop  # noqa: E402  likewise
from authz.background import Background  # noqa: E402  likewise

gc.freeze()
gc.enable()

if TYPE_CHECKING:
    from gunicorn.arbiter import Arbiter
    from gunicorn.workers.base import Worker

SOFT, HARD = resource.getrlimit(resource.RLIMIT_NOFILE)
MOST_FILES = 65_536  # of one process; a connection is a file, and many systems allow 1024 unless they are asked
WANTED = MOST_FILES if HARD == resource.RLIM_INFINITY else min(HARD, MOST_FILES)
if resource.RLIM_INFINITY != SOFT < WANTED:
    resource.setrlimit(resource.RLIMIT_NOFILE, (WANTED, HARD))

bind = os.environ.get("BIND", "127.0.0.1:9000")
worker_class = "authz.worker.DeadlineWorker"  # never sync: one slow client would hold a worker
workers = concurrency.workers()
threads = concurrency.threads()
preload_app = True  # keys and templates are loaded once; check() leaves no connection open before the fork
timeout = 30
graceful_timeout = 30
keepalive = 5
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108  a heartbeat must not wait for a disk

limit_request_line = 8190  # the scopes of a SMART app are long
limit_request_fields = 100
limit_request_field_size = 8192  # 8190 and the end of the line
forwarded_allow_ips = ""  # nobody's X-Forwarded-Proto changes a URL; the client's address: AUTHZ_TRUSTED_PROXIES
forwarder_headers = ""
secure_scheme_headers: dict[str, str] = {}
control_socket_disable = True

logger_class = "authz.worker.Log"
accesslog = None  # it would print query strings; the app writes its own line for each request
errorlog = "-"
logconfig_dict = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": "authz.logs.JsonLines"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json", "stream": "ext://sys.stderr"}},
    "root": {"level": "INFO", "handlers": ["stderr"]},
    "loggers": {
        "gunicorn.error": {"level": "INFO", "handlers": ["stderr"], "propagate": False},
        "gunicorn.access": {"level": "CRITICAL", "handlers": [], "propagate": False},
    },
}

background: dict[int, Background] = {}


def when_ready(server: Arbiter) -> None:  # noqa: ARG001  gunicorn calls it with that
    """What was loaded stays: no worker looks through it for garbage, and its pages stay shared."""
    gc.collect()
    gc.freeze()


def post_worker_init(worker: Worker) -> None:
    background[worker.pid] = Background.begin(worker.wsgi)


def child_exit(_server: object, worker: Worker) -> None:
    mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]  # the library's


def on_exit(server: Arbiter) -> None:
    shutil.rmtree(os.environ[METRICS], ignore_errors=True)
    if server.app.callable is not None:  # else it never served
        note_stop(server.app.callable)


def worker_exit(_server: object, worker: Worker) -> None:
    if worker.pid in background:
        background.pop(worker.pid).end()
