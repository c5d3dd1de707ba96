"""Starts the server under attack, with everybody who is registered there, and looks after its processes in the end."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial
from os import urandom
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import create_engine

from authz.app import create_app
from authz.keyring.secrets import rotate_file
from tests.attacks.live.cast import register_all
from tests.attacks.live.clock import SharedClock
from tests.attacks.live.jose import Keys
from tests.attacks.live.publisher import HOST, publisher
from tests.attacks.live.target import Store, Target
from tests.attacks.live.wire import Wire, children
from tests.canary import canary
from tests.live import ROOT, START_SECONDS, environment, is_ready
from tests.servers import free_port, wait_until
from tests.world import settings_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.servers import RedisServer

COMMAND = [sys.executable, "-m", "gunicorn", "-c", "config/gunicorn.conf.py", "tests.attacks.live.served:app"]
WORKERS = 2
FORGET_TRIES = "for _, key in ipairs(redis.call('keys', '*throttle:*')) do redis.call('del', key) end"
MOST_GROWTH = 200 * 1024  # kB that the workers may take more, after hundreds of cases


def in_a_file(folder: Path) -> Store:
    return Store(partial(remove_store, folder), partial(forget_tries, folder))


def in_redis(redis: RedisServer) -> Store:
    return Store(redis.restart, partial(redis.command, "EVAL", FORGET_TRIES, 0))


def remove_store(folder: Path) -> None:
    for file in folder.glob("short-lived.sqlite3*"):
        file.unlink()


def forget_tries(folder: Path) -> None:
    with closing(sqlite3.connect(folder / "short-lived.sqlite3", timeout=10)) as connection, connection:
        connection.execute("DELETE FROM entries WHERE key LIKE '%throttle:%'")


def forget_everywhere(store: Store, forgotten: Path) -> None:
    """In the store, and in the processes, each of which counts for itself as well."""
    store.forget_tries()
    forgotten.write_bytes(urandom(8))


@contextmanager
def serving(folder: Path, urls: dict[str, str], store: Store) -> Iterator[Target]:
    port = free_port()
    with publisher() as published, canary() as listening:
        networks = {"trusted_proxies": "127.0.0.1", "outbound_networks": f"{HOST}/128", "log_level": "DEBUG"}
        settings = settings_in(folder, issuer=f"http://127.0.0.1:{port}", **urls, **networks)
        clock = SharedClock(folder / "clock")
        rotate_file(settings.keys_dir / "secrets.json", clock())
        app = create_app(settings, now=clock)
        app.extensions["authz"].keyring.monotonic = clock.monotonic
        bulk_keys = Keys()
        register_all(app, published.url, bulk_keys)
        log, engine = folder / "gunicorn.log", create_engine(settings.database_url, isolation_level="AUTOCOMMIT")
        forgotten = folder / "forgotten-tries"
        forgotten.touch()
        more = {"ATTACK_CLOCK": str(folder / "clock"), "ATTACK_FORGOTTEN": str(forgotten), "AUTHZ_LOG_LEVEL": "DEBUG"}
        everywhere = replace(store, forget_tries=partial(forget_everywhere, store, forgotten))
        with log.open("wb") as output, engine.connect() as rows:
            process = subprocess.Popen(
                COMMAND, cwd=ROOT, env=environment(settings, port) | more, stdout=output, stderr=output
            )
            try:
                wait_until(lambda: is_ready(process, settings.issuer, log), "gunicorn", START_SECONDS)
                wait_until(lambda: len(children(process.pid)) == WORKERS, "the workers")
                workers = children(process.pid)
                wire, strange = Wire(port, workers), Wire(port, workers, "127.0.0.9")
                memory = sum(map(resident, workers))
                made = Target(
                    app, settings, clock, log, process, wire, strange, rows, published, listening, bulk_keys, everywhere
                )
                yield made
                wire.close()
                strange.close()
                assert children(process.pid) == wire.workers, "a worker has died"
                assert wire.answered >= set(workers), "G-10: one worker has answered nothing"
                grown = sum(map(resident, wire.workers)) - memory
                assert grown < MOST_GROWTH, f"G-7: the workers have grown by {grown} kB in {made.cases} cases"
            finally:
                process.terminate()
                process.wait(START_SECONDS)
                app.extensions["authz"].backend.close()
                with app.app_context():
                    app.extensions["authz"].db.engine.dispose()
        engine.dispose()


def resident(pid: int) -> int:
    """kB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS")))
