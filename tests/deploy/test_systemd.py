from __future__ import annotations

import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
UNIT = ROOT / "deploy" / "systemd" / "authz.service"


@pytest.mark.systemd
def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    """``systemd-analyze verify`` says nothing about it, once the program it starts is there."""
    unit = tmp_path / "authz.service"
    text = UNIT.read_text()
    assert "/opt/authz/.venv/bin/gunicorn" in text
    unit.write_text(text.replace("/opt/authz/.venv/bin/gunicorn", sys.executable))
    done = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False)
    mine = [line for line in done.stderr.splitlines() if "authz" in line]
    assert (done.returncode, mine) == (0, [])


@pytest.mark.systemd
def test_the_service_is_shut_in() -> None:
    """systemd's own measure of exposure, from 0 (none) to 10: at most 1.5."""
    command = ["systemd-analyze", "security", "--offline=true", "--no-pager", str(UNIT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    level = re.search(r"Overall exposure level for authz\.service: ([0-9.]+)", done.stdout)
    assert level, done.stderr
    assert float(level[1]) <= 1.5


def test_the_service_has_the_time_to_end_what_it_began() -> None:
    """systemd waits longer than gunicorn does."""
    gunicorn = runpy.run_path(str(ROOT / "config" / "gunicorn.conf.py"))
    stop = re.search(r"^TimeoutStopSec=(\d+)$", UNIT.read_text(), re.MULTILINE)
    assert stop
    assert int(stop[1]) >= gunicorn["graceful_timeout"] + 5
