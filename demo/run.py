"""``make run``: the whole demo hospital. The authorization server comes last: when it is ready, everything is."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from authz.settings import ConfigurationError, Settings
from demo.seed import seed
from demo.serve import config_from_environment

if TYPE_CHECKING:
    from types import FrameType

    from demo.config import DemoConfig

ROOT = Path(__file__).resolve().parent.parent
SITES = ("demo.fhir_server", "demo.ehr", "demo.app")
START_SECONDS = 30.0
STOP_SECONDS = 10.0


def write_configuration(config: DemoConfig, state: Path) -> Path:
    """The server's settings for this demo; a database or store named by the environment is written down too."""
    values = {
        "issuer": config.issuer,
        "organization": "Lakeside General",
        "database_url": os.environ.get("AUTHZ_DATABASE_URL") or f"sqlite:///{state / 'authz.sqlite3'}",
        "short_lived_path": str(state / "short-lived.sqlite3"),
        "redis_url": os.environ.get("AUTHZ_REDIS_URL", ""),
        "keys_dir": str(state / "keys"),
        "outbound_networks": "127.0.0.0/8,::1/128",  # the demo's apps live on this machine
    }
    file = state / "authz.toml"
    file.write_text("".join(f'{name} = "{value}"\n' for name, value in values.items()))
    file.chmod(0o600)
    return file


def fresh_state(state: Path) -> None:
    """Made anew at each start; the keys stay where a database of one's own still refers to them."""
    keep_keys = bool(os.environ.get("AUTHZ_DATABASE_URL"))
    for entry in state.iterdir() if state.exists() else ():
        if entry.name in {"keys", "bulk.jwks.json"} and keep_keys:
            continue
        shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    state.mkdir(mode=0o700, exist_ok=True)


def wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as probe:
            probe.settimeout(0.2)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise SystemExit(f"demo: nothing answers on port {port}; is it taken by another program?")


def check_free(config: DemoConfig) -> None:
    for port in range(config.port_base, config.port_base + 4):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError as error:
                raise SystemExit(f"demo: port {port} is taken; set PORT_BASE to another number") from error


def stop(processes: list[subprocess.Popen[bytes]]) -> None:
    for process in reversed(processes):
        with suppress(ProcessLookupError):
            process.terminate()
    deadline = time.monotonic() + STOP_SECONDS
    for process in processes:
        try:
            process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def main() -> int:
    config = config_from_environment()
    os.chdir(ROOT)
    state = (ROOT / config.state_dir).resolve()
    check_free(config)
    fresh_state(state)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AUTHZ_")}
    environment["AUTHZ_CONFIG"] = str(write_configuration(config, state))
    try:
        seed(Settings.load(environment), config)
    except ConfigurationError as error:
        raise SystemExit(f"demo: {error}") from error
    signal.signal(signal.SIGTERM, interrupt)
    processes: list[subprocess.Popen[bytes]] = []
    try:
        for module, port in zip(SITES, (config.fhir_port, config.ehr_port, config.app_port), strict=True):
            processes.append(subprocess.Popen([sys.executable, "-m", module], env=environment))
            wait_for(port, processes[-1])
        bind = ["--bind", f"127.0.0.1:{config.port_base}"]
        server = [sys.executable, "-m", "gunicorn", "-c", "config/gunicorn.conf.py", *bind, "wsgi:app"]
        processes.append(subprocess.Popen(server, env=environment))
        wait_for(config.port_base, processes[-1])
        sys.stdout.write(
            f"\n  The demo hospital is open: {config.ehr}/   (sign in as clinician, password clinician)\n\n"
        )
        sys.stdout.flush()
        return processes[-1].wait()
    except KeyboardInterrupt:
        return 0
    finally:
        stop(processes)


def interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
