"""Runs every fault campaign, one after the other, and prints what held: faults x invariants."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.faults.checker import INVARIANTS


def table(lines: list[dict[str, object]]) -> str:
    """One row for each campaign; an invariant that held is a dot, one that broke says how often."""
    head = f"{'fault':44} {'ops':>5} {'ok':>5} {'no':>4} {'?':>4} {'heal':>5}  {' '.join(INVARIANTS)}"
    return "\n".join([head, *map(row, lines)])


def row(line: dict[str, object]) -> str:
    found = line["violations"]
    assert isinstance(found, dict)
    marks = " ".join(f"{found.get(name, '·')!s:>{len(name)}}" for name in INVARIANTS)
    numbers = [line.get(name, 0) for name in ("operations", "ok", "refused", "unknown", "recovered")]
    return "{:44} {:>5} {:>5} {:>4} {:>4} {:>5}  ".format(line["name"], *numbers) + marks


def main() -> int:
    with TemporaryDirectory() as folder:
        told = Path(folder) / "table"
        told.touch()
        command = [sys.executable, "-m", "pytest", "-q", "-n", "0", "--no-skips", "-m", "fault", "tests/faults"]
        code = subprocess.run(command, env=os.environ | {"FAULT_TABLE": str(told)}, check=False).returncode
        print(table([json.loads(line) for line in told.read_text().splitlines()]))  # noqa: T201  this is its output
    return code


if __name__ == "__main__":
    sys.exit(main())
