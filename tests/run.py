"""Runs the suite: what every machine can run; with ``--all`` the rest, which needs real programs beside it, and the
lesser cases of the attack suite; with ``--attacks`` every test that tries a case of the catalogue of attacks.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAMS = {
    "redis": "redis-server",
    "postgres": "initdb",
    "browser": "chromium",
    "node": "node",
    "nginx": "nginx",
    "curl": "jq",
    "systemd": "systemd-analyze",
    "debootstrap": "debootstrap",
}
LESSER = "lesser"  # attacks of severity M and L
CAMPAIGN = "campaign"  # a long one of the faults
FOLDERS_BESIDE_PATH = [*map(str, sorted(Path("/usr/lib/postgresql").glob("*/bin"))), "/usr/sbin"]

MEMORY = Path("/dev/shm")
ROOM_BYTES = 4 * 1024**3


@contextmanager
def folder_in_memory() -> Iterator[dict[str, str]]:
    """The variable that has the files of tests made in memory, if there is room: there no commit waits for a disk."""
    if not MEMORY.is_dir() or shutil.disk_usage(MEMORY).free < ROOM_BYTES:
        yield {}
        return
    with TemporaryDirectory(prefix="authz-tests-", dir=MEMORY) as folder:
        Path(folder).chmod(0o711)  # PostgreSQL, as another user, has its own below
        yield {"TMPDIR": folder}


def pytest(*words: str) -> int:
    """Run what the words select; a skipped test is a failure, for nothing is to be left out silently."""
    command = [sys.executable, "-m", "pytest", "-q", "-n", "2", "--dist", "worksteal", "--no-skips", *words]
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    with folder_in_memory() as more:
        return subprocess.run(command, env=inherited | more, check=False).returncode


def main() -> int:
    later = " or ".join([*PROGRAMS, LESSER])  # but for the campaigns, which have their own: make faults
    if not {"--all", "--attacks"} & set(sys.argv[1:]):
        code = pytest("-m", f"not ({later}) and not {CAMPAIGN}")
        programs = ", ".join(f"{m} ({p})" for m, p in PROGRAMS.items())
        print(f"Left out here, run by `make test-all`: {programs}, and attacks of severity M and L")  # noqa: T201  this is its output
        return code
    search = ":".join(["/usr/local/bin:/usr/bin:/bin", *FOLDERS_BESIDE_PATH])
    missing = [program for program in PROGRAMS.values() if shutil.which(program, path=search) is None]
    if missing:
        sys.exit(f"this needs programs and does not find them: {', '.join(missing)}")
    return (
        pytest("-p", "tests.attacks.tally")
        if "--attacks" in sys.argv[1:]
        else pytest("-m", f"({later}) and not {CAMPAIGN}")
    )


if __name__ == "__main__":
    sys.exit(main())
