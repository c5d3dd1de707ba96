"""Changes the code in every small way and asks whether a test notices: ``python -m tests.mutation.run``.

Prints the score of each module and the changes that no test noticed; those that make no difference are explained in
``survivors.md``. Fails below 90 %. ``--show`` tells of the last run.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

WANTED_PERCENT = 90
MUTANTS = Path("mutants")  # where mutmut works
SURVIVED, NOTHING_RAN = 0, (5, 33)  # as mutmut keeps them; anything else is a test that failed, or never ended


def results() -> dict[str, dict[str, int | None]]:
    """By module: what the tests said of each mutant; None: they were not run."""
    found = {}
    for file in sorted(MUTANTS.rglob("*.py.meta")):
        codes: dict[str, int | None] = json.loads(file.read_text())["exit_code_by_key"]
        if codes:
            found[str(file.relative_to(MUTANTS)).removesuffix(".meta")] = codes
    return found


def tell(name: str, codes: Counter[int | None]) -> float:
    untested = sum(codes[code] for code in NOTHING_RAN)
    killed = codes.total() - codes[SURVIVED] - untested - codes[None]
    percent = 100 * killed / codes.total()
    print(f"{percent:5.1f} %  {name}: {killed} of {codes.total()}; {untested} without tests, {codes[None]} not run")  # noqa: T201  its output
    return percent


def main() -> int:
    if "--show" not in sys.argv:
        shutil.rmtree(MUTANTS, ignore_errors=True)  # its results are good for the tests of then
        if code := subprocess.run([Path(sys.executable).with_name("mutmut"), "run"], check=False).returncode:
            return code
    found, total = results(), Counter[int | None]()
    for name, codes in found.items():
        tell(name, Counter(codes.values()))
        total.update(codes.values())
    for codes in found.values():
        print(*(name for name, code in codes.items() if code in (SURVIVED, *NOTHING_RAN)), sep="\n")  # noqa: T201  its output
    return 0 if tell("all", total) >= WANTED_PERCENT else 1


if __name__ == "__main__":
    sys.exit(main())
