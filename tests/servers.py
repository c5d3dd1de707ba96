"""Real servers for tests, each on a free loopback port and gone at the end of the ``with`` block."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import redis
from psycopg import sql

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

START_SECONDS = 10.0


def free_port() -> int:
    """A loopback port that nothing listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until(condition: Callable[[], bool], what: str, seconds: float = START_SECONDS) -> None:
    """Look again and again until it holds; AssertionError if it never does."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"still waiting for {what}"
        time.sleep(0.01)


@dataclass
class RedisServer:
    """A redis-server process, started with ``arguments`` (or as a sentinel) on a port that it keeps over restarts."""

    folder: Path
    arguments: tuple[str, ...] = ()
    port: int = field(default_factory=free_port)
    sentinel_config: str = ""
    _process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        listen = ["--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(self.folder)]
        if self.sentinel_config:
            config = self.folder / f"sentinel-{self.port}.conf"
            config.write_text(self.sentinel_config)
            command = ["redis-server", str(config), "--sentinel", *listen]
        else:
            nothing_kept = ["--save", "", "--appendonly", "no", "--repl-diskless-sync-delay", "0"]
            command = ["redis-server", *listen, *nothing_kept, *self.arguments]
        with (self.folder / f"redis-{self.port}.log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        wait_until(self._answers, "redis-server")

    def command(self, *words: str | bytes | float) -> Any:
        """One command on a connection of its own, as an operator would send it."""
        with redis.Redis(port=self.port, protocol=2, socket_timeout=5) as client:
            return client.execute_command(*words)

    def signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def restart(self) -> None:
        """Kill it and start it again, empty, on the same port."""
        self.kill()
        self.start()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """SIGSTOP: connections are still accepted by the kernel, and nothing answers."""
        self.signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.signal(signal.SIGCONT)

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self.folder / f"redis-{self.port}.log").read_text()
        with suppress(redis.RedisError):
            self.command("PING")
            return True
        return False


@contextmanager
def redis_server(*arguments: str, sentinel_config: str = "") -> Iterator[RedisServer]:
    """A running redis-server that keeps nothing on disk, with options such as ``"--maxmemory", "2mb"``."""
    with tempfile.TemporaryDirectory() as folder:
        server = RedisServer(Path(folder), arguments, sentinel_config=sentinel_config)
        try:
            server.start()
            yield server
        finally:
            server.kill()


@dataclass
class PostgresServer:
    """A PostgreSQL that keeps nothing beyond the ``with`` block; run as root it becomes the user ``postgres``.

    ``is_durable``: a commit waits for the disk, as in production. ``options``: settings beyond the tests' own.
    """

    folder: Path
    is_durable: bool = False
    port: int = field(default_factory=free_port)
    options: dict[str, str] = field(default_factory=dict)
    _process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"postgresql+psycopg://postgres@127.0.0.1:{self.port}/postgres"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def new_database(self) -> str:
        """The URL of a fresh, empty database."""
        name = f"db_{secrets.token_hex(8)}"
        with psycopg.connect(f"postgresql://postgres@127.0.0.1:{self.port}/postgres", autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return self.url.removesuffix("postgres") + name

    def start(self) -> None:
        data = self.folder / "data"
        if not data.exists():
            self._run("initdb", "-D", str(data), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync")
        fsync = "on" if self.is_durable else "off"
        options = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "fsync": fsync} | self.options
        settings = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        command = [program("postgres"), "-D", str(data), "-p", str(self.port), *settings]
        with (self.folder / "postgres.log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, **unprivileged())
        wait_until(self._answers, "postgres")

    def signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def stop(self) -> None:
        """SIGQUIT, which PostgreSQL takes as: at once, and all of its children too."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait()
            self._process = None

    def processes(self) -> list[int]:
        """The server and its children, each of which is a session of its own."""
        assert self._process is not None
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text()
        return [self._process.pid, *map(int, children.split())]

    def kill(self) -> None:
        """As when the machine is gone: SIGKILL for all of them, before any can say a word."""
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for pid in self.processes():
                with suppress(ProcessLookupError):
                    os.kill(pid, number)
        assert self._process is not None
        self._process.wait()
        self._process = None

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Connections are still accepted by the kernel, and nothing answers."""
        stopped = self.processes()
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in stopped:
                os.kill(pid, signal.SIGCONT)

    def command(self, words: str) -> list[tuple[Any, ...]]:
        """One statement of an operator's, on a connection of its own; the rows of it."""
        url = f"postgresql://postgres@127.0.0.1:{self.port}/postgres"
        with psycopg.connect(url, autocommit=True) as connection:
            cursor = connection.execute(words.encode())
            return cursor.fetchall() if cursor.description else []

    def copy(self, folder: Path) -> None:
        """Make a replica's data there, which follows this server when it is started."""
        self._run("pg_basebackup", "-D", str(folder), "-d", self.url.replace("+psycopg", ""), "-R", "-c", "fast")

    def _run(self, name: str, *words: str) -> None:
        subprocess.run([program(name), *words], check=True, capture_output=True, **unprivileged())

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self.folder / "postgres.log").read_text()
        ready = [program("pg_isready"), "-h", "127.0.0.1", "-p", str(self.port), "-q"]
        return subprocess.run(ready, check=False).returncode == 0


def program(name: str) -> str:
    """A program of PostgreSQL, which Debian does not put on the PATH."""
    folders = [*map(str, sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), os.environ["PATH"]]
    found = shutil.which(name, path=":".join(folders))
    assert found is not None, f"there is no {name}"
    return found


def unprivileged() -> dict[str, Any]:
    """PostgreSQL refuses to run as root."""
    if os.getuid() != 0:
        return {}
    return {"user": "postgres", "group": "postgres", "extra_groups": ()}


@contextmanager
def postgres_server(
    *, is_durable: bool = False, replica_of: PostgresServer | None = None, **options: str
) -> Iterator[PostgresServer]:
    with tempfile.TemporaryDirectory() as folder:
        if os.getuid() == 0:
            os.chown(folder, pwd.getpwnam("postgres").pw_uid, -1)
        server = PostgresServer(Path(folder), is_durable, options=options)
        try:
            if replica_of is not None:
                replica_of.copy(server.folder / "data")
            server.start()
            yield server
        finally:
            server.stop()
