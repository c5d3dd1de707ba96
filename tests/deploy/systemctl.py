"""Stands in for systemctl where no systemd runs: starts and stops a unit by what its file says of the process.

It keeps User, WorkingDirectory, Environment, LoadCredential, RuntimeDirectory, UMask, Type=notify, PrivateTmp and
ProtectSystem=strict with ReadWritePaths, so that the unit is held to them (systemd.exec(5), systemd.service(5)); the
rest of the sandbox is left to `systemd-analyze`.
"""

from __future__ import annotations

import grp
import os
import pwd
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

FOLDERS = (Path("/etc/systemd/system"), Path("/lib/systemd/system"))
STATE = Path("/run/stand-in")
READY_SECONDS = 60
STOP_SECONDS = 40
SANDBOX = """
for path in $WRITABLE; do mount --bind "$path" "$path"; done
if [ "$STRICT" ]; then mount -o remount,bind,ro /; fi
if [ "$PRIVATE" ]; then mount -t tmpfs -o mode=1777 tmpfs /tmp; fi
unset WRITABLE STRICT PRIVATE
exec "$@"
"""

Unit = dict[str, list[str]]


def read(name: str) -> Unit:
    """The unit's lines and those of its drop-ins, each setting with all its values."""
    files = [next(folder / f"{name}.service" for folder in FOLDERS if (folder / f"{name}.service").exists())]
    files += sorted((FOLDERS[0] / f"{name}.service.d").glob("*.conf"))
    unit: Unit = {}
    for line in "\n".join(file.read_text() for file in files).splitlines():
        setting, found, value = line.partition("=")
        if found and not line.startswith("#"):
            unit.setdefault(setting, []).append(value)
    return unit


def folder_of(user: str, path: Path, mode: int) -> Path:
    path.mkdir(mode=mode, parents=True, exist_ok=True)
    shutil.chown(path, user, grp.getgrgid(pwd.getpwnam(user).pw_gid).gr_name)
    return path


def start(name: str) -> None:
    unit = read(name)
    user = unit.get("User", ["root"])[-1]
    for folder in " ".join(unit.get("RuntimeDirectory", [])).split():
        folder_of(user, Path("/run") / folder, 0o755)
    credentials = folder_of(user, Path("/run/credentials") / name, 0o700)
    for one in unit.get("LoadCredential", []):
        credential, _, source = one.partition(":")
        copy = credentials / credential
        copy.unlink(missing_ok=True)
        shutil.copyfile(source, copy)
        shutil.chown(copy, user)
        copy.chmod(0o400)
    words = shlex.split(" ".join(unit.get("Environment", [])).replace("%d", str(credentials)))
    environment = {"PATH": os.defpath + ":/usr/sbin:/sbin"} | dict(word.split("=", 1) for word in words)
    run(name, unit, user, environment)


def shut_in(unit: Unit, user: str) -> tuple[list[str], dict[str, str]]:
    """The words before the command, and the variables they read: mounts of its own, then the user."""
    words = " ".join(unit.get("ReadWritePaths", []) + unit.get("ReadWriteDirectories", [])).split()
    runtime = [f"/run/{folder}" for folder in " ".join(unit.get("RuntimeDirectory", [])).split()]
    writable = [path.lstrip("-") for path in words if Path(path.lstrip("-")).exists()] + runtime
    variables = {
        "WRITABLE": " ".join(writable),
        "STRICT": "yes" if unit.get("ProtectSystem") == ["strict"] else "",
        "PRIVATE": "yes" if unit.get("PrivateTmp", [""])[-1] in {"yes", "true"} else "",
    }
    become = ["setpriv", f"--reuid={user}", f"--regid={pwd.getpwnam(user).pw_gid}", "--clear-groups", "--no-new-privs"]
    return ["unshare", "--mount", "sh", "-euc", SANDBOX, "sh", *become], variables


def run(name: str, unit: Unit, user: str, environment: dict[str, str]) -> None:
    command = shlex.split(unit["ExecStart"][-1])
    if unit.get("Type") == ["forking"]:
        subprocess.run(command, env=environment, check=True)
        (STATE / name).write_text(Path(unit["PIDFile"][-1]).read_text())
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told, (STATE / f"{name}.log").open("ab") as log:
        address = STATE / f"{name}.notify"
        address.unlink(missing_ok=True)
        told.bind(str(address))
        address.chmod(0o666)
        before, variables = shut_in(unit, user)
        process = subprocess.Popen(
            [*before, *command],
            env=environment | variables | {"NOTIFY_SOCKET": str(address)},
            cwd=unit.get("WorkingDirectory", ["/"])[-1],
            umask=int(unit.get("UMask", ["0022"])[-1], 8),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        (STATE / name).write_text(str(process.pid))
        told.settimeout(READY_SECONDS)
        while b"READY=1" not in told.recv(4096):
            pass


def stop(name: str) -> None:
    """SIGTERM to the main process, as KillMode=mixed does first; whatever outlives TimeoutStopSec is an error here."""
    if not (STATE / name).exists():
        return
    process = int((STATE / name).read_text())
    os.kill(process, signal.SIGTERM)
    for _ in range(STOP_SECONDS * 10):
        status = Path(f"/proc/{process}/status")
        if not status.exists() or "State:\tZ" in status.read_text():
            (STATE / name).unlink()
            return
        time.sleep(0.1)
    sys.exit(f"{name} did not stop")


def main() -> None:
    verb, *names = [word for word in sys.argv[1:] if not word.startswith("--")]
    STATE.mkdir(mode=0o755, exist_ok=True)
    for name in names:
        if verb in {"restart", "stop"}:
            stop(name)
        if verb in {"restart", "start", "enable"}:
            start(name)


if __name__ == "__main__":
    main()
