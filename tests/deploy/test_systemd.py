from __future__ import annotations

import os
import re
import runpy
import subprocess
import sys
from datetime import date
from itertools import pairwise
from pathlib import Path

import pytest

from authz.doctor.keys import ROTATE_AFTER

ROOT = Path(__file__).resolve().parents[2]
UNITS = ROOT / "deploy" / "systemd"
UNIT, KEYS = UNITS / "authz.service", UNITS / "authz-keys.service"
PROGRAM = re.compile(r"/opt/authz/\.venv/bin/\w+")


@pytest.mark.systemd
def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    """``systemd-analyze verify`` says nothing about it, once the program it starts is there."""
    units = [UNIT, KEYS, UNITS / "authz-keys.timer"]
    for unit in units:
        (tmp_path / unit.name).write_text(PROGRAM.sub(sys.executable, unit.read_text()))
    command = ["systemd-analyze", "verify", *(str(tmp_path / unit.name) for unit in units)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    mine = [line for line in done.stderr.splitlines() if "authz" in line]
    assert (done.returncode, mine) == (0, [])


@pytest.mark.systemd
@pytest.mark.parametrize("unit", [UNIT, KEYS], ids=lambda unit: unit.stem)
def test_the_service_is_shut_in(unit: Path) -> None:
    """systemd's own measure of exposure, from 0 (none) to 10: at most 1.5."""
    command = ["systemd-analyze", "security", "--offline=true", "--no-pager", str(unit)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    level = re.search(r"Overall exposure level for authz[a-z-]*\.service: ([0-9.]+)", done.stdout)
    assert level, done.stderr
    assert float(level[1]) <= 1.5


@pytest.mark.systemd
def test_keys_change_places_within_the_time_the_doctor_allows() -> None:
    """Decision 7: twice a year at least."""
    when = re.search(r"^OnCalendar=(\w+)$", (UNITS / "authz-keys.timer").read_text(), re.MULTILINE)
    assert when
    command = ["systemd-analyze", "calendar", "--iterations=8", when[1]]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env=os.environ | {"TZ": "UTC", "LC_ALL": "C"}
    )
    days = [date.fromisoformat(found) for found in re.findall(r"(\d{4}-\d\d-\d\d) 00:00:00", done.stdout)]
    assert len(days) >= 8, done.stdout
    assert max(after - before for before, after in pairwise(sorted(set(days)))) < ROTATE_AFTER


def test_the_service_has_the_time_to_end_what_it_began() -> None:
    """systemd waits longer than gunicorn does."""
    gunicorn = runpy.run_path(str(ROOT / "config" / "gunicorn.conf.py"))
    stop = re.search(r"^TimeoutStopSec=(\d+)$", UNIT.read_text(), re.MULTILINE)
    assert stop
    assert int(stop[1]) >= gunicorn["graceful_timeout"] + 5
