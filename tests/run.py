"""Runs the suite: what every machine can run, or with ``--all`` everything that needs real programs beside it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

PROGRAMS = {
    "redis": "redis-server",
    "postgres": "initdb",
    "browser": "chromium",
    "node": "node",
    "nginx": "nginx",
    "curl": "jq",
}
FOLDERS_BESIDE_PATH = [*map(str, sorted(Path("/usr/lib/postgresql").glob("*/bin"))), "/usr/sbin"]


def pytest(expression: str) -> int:
    """Run what the expression selects; a skipped test is a failure, for nothing is to be left out silently."""
    command = [sys.executable, "-m", "pytest", "-q", "-n", "2", "--dist", "worksteal", "--no-skips", "-m", expression]
    return subprocess.run(command, check=False).returncode


def main() -> int:
    needs_programs = " or ".join(PROGRAMS)
    if "--all" not in sys.argv[1:]:
        code = pytest(f"not ({needs_programs})")
        print("Left out here, run by `make test-all`: " + ", ".join(f"{m} ({p})" for m, p in PROGRAMS.items()))  # noqa: T201  this is its output
        return code
    search = ":".join(["/usr/local/bin:/usr/bin:/bin", *FOLDERS_BESIDE_PATH])
    missing = [program for program in PROGRAMS.values() if shutil.which(program, path=search) is None]
    if missing:
        sys.exit(f"make test-all needs these programs and does not find them: {', '.join(missing)}")
    return pytest(needs_programs)


if __name__ == "__main__":
    sys.exit(main())
