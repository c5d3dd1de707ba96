"""Fuzzes one target, or all one after the other: ``python -m tests.fuzz.run [TARGET] --seconds 600``."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import mkdtemp

import atheris

from tests.fuzz.corpus import keep, read

NAMES = ("scopes", "redirect_uris", "authorization_header", "jwts", "fhir_requests")
MAX_BYTES = 4096


def fuzz(name: str, *options: str) -> None:
    """In this process, which it ends."""
    with atheris.instrument_imports(include=["authz"]):
        from tests.fuzz.targets import TARGETS  # noqa: PLC0415  what is imported here is instrumented
    atheris.Setup([sys.argv[0], f"-max_len={MAX_BYTES}", "-timeout=10", "-rss_limit_mb=2048", *options], TARGETS[name])
    atheris.Fuzz()


def campaign(name: str, seconds: int) -> int:
    """Fuzz for so long in a process of its own, beginning with what is kept; what reached new code is kept as well."""
    folder = Path(mkdtemp())
    for number, data in enumerate(read(name)):
        (folder / str(number)).write_bytes(data)
    command = [sys.executable, "-m", "tests.fuzz.run", name, "--", str(folder), f"-max_total_time={seconds}"]
    code = subprocess.run(command, check=False).returncode
    found = sorted(
        {file.read_bytes() for file in folder.iterdir()} | set(read(name)), key=lambda data: (len(data), data)
    )
    keep(name, found)
    shutil.rmtree(folder)
    print(f"{name}: {'no crash' if code == 0 else f'exit code {code}'}, {len(found)} inputs kept")  # noqa: T201  this is its output
    return code


def main() -> int:
    if "--" in sys.argv:
        fuzz(sys.argv[1], *sys.argv[sys.argv.index("--") + 1 :])
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", nargs="?", choices=NAMES)
    parser.add_argument("--seconds", type=int, default=600)
    asked = parser.parse_args()
    os.chdir(mkdtemp())  # where a crash leaves its input
    return max(campaign(name, asked.seconds) for name in ([asked.target] if asked.target else NAMES))


if __name__ == "__main__":
    sys.exit(main())
