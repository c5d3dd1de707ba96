"""The browser library for both ends of SMART Web Messaging: its own tests, and its types."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.node

ROOT = Path(__file__).resolve().parents[2]
LIBRARY = ROOT / "packages" / "smart-web-messaging"
TSC = ROOT / "tests" / "clients" / "node_modules" / ".bin" / "tsc"


def run(*command: str | Path) -> None:
    done = subprocess.run(command, cwd=LIBRARY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_ehr_answers_as_the_ig_says_and_is_silent_to_everybody_else() -> None:
    """Origin, window, handle, session, scope and form of every answer, with made-up windows: WM-05, WM-10.

    REQ-7, REQ-8, REQ-9, REQ-10, REQ-11, REQ-17.
    """
    run("node", "--test", "test/host.test.js")


def test_app_and_ehr_both_send_and_both_answer() -> None:
    """REQ-1, REQ-29: in a frame and in a tab, with time-outs; the EHR may begin."""
    run("node", "--test", "test/both.test.js")


def test_a_batch_through_the_ehr_does_no_more_than_the_apps_scopes_and_patient_allow() -> None:
    """REQ-13: each entry is decided about by itself, and what can't be decided is refused."""
    run("node", "--test", "test/fhir.test.js")


def test_the_types_are_sound_and_are_those_that_are_shipped(tmp_path: Path) -> None:
    run(TSC, "--project", ".", "--outDir", tmp_path)
    made = {file.name: file.read_text() for file in tmp_path.glob("*.d.ts")}
    assert made == {file.name: file.read_text() for file in (LIBRARY / "types").glob("*.d.ts")}
