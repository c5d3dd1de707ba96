"""The demo hospital as ``make run`` starts it, on four free ports."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import urllib3

from demo.config import DemoConfig

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 60.0


@dataclass(frozen=True)
class Hospital:
    config: DemoConfig
    folder: Path

    def authz(self, *words: str, stdin: str = "") -> str:
        """Run the command line on the running server, as an operator would."""
        environment = {**os.environ, "AUTHZ_CONFIG": str(self.folder / ".demo" / "authz.toml")}
        command = [str(Path(sys.executable).with_name("authz")), *words]
        done = subprocess.run(command, env=environment, input=stdin, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout


def four_free_ports() -> int:
    """Below the ports that connections take by themselves, and apart from those of a test process with another id."""
    for base in range(10000 + os.getpid() * 4 % 20000, 32000, 4):
        sockets = [socket.socket() for _ in range(4)]
        try:
            for offset, probe in enumerate(sockets):
                probe.bind(("127.0.0.1", base + offset))
        except OSError:
            continue
        else:
            return base
        finally:
            for probe in sockets:
                probe.close()
    raise AssertionError("no four free ports in a row")


@contextmanager
def running_hospital(folder: Path, environment: Mapping[str, str] | None = None) -> Iterator[Hospital]:
    """Start everything in a folder of its own, wait until it is ready, stop it at the end."""
    config = DemoConfig(port_base=four_free_ports())
    variables = {
        **os.environ,
        "PORT_BASE": str(config.port_base),
        "DEMO_STATE": str(folder / ".demo"),
        **(environment or {}),
    }
    with (folder / "demo.log").open("wb") as log:
        process = subprocess.Popen([sys.executable, "-m", "demo.run"], cwd=ROOT, env=variables, stdout=log, stderr=log)
        try:
            wait_until_ready(config, process, folder / "demo.log")
            yield Hospital(config, folder)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


def wait_until_ready(config: DemoConfig, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        try:
            if urllib3.request("GET", f"{config.issuer}/readyz", retries=False, timeout=1).status == 200:
                return
        except urllib3.exceptions.HTTPError:
            time.sleep(0.1)
    raise AssertionError(f"the demo did not get ready: {log.read_text()}")
